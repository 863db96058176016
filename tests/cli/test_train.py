"""Training from the command line: what is refused, one run, several seeds, interruption and going
on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnwise.cli.train import _show_together
from turnwise.errors import ConfigError
from turnwise.evaluation import score as scores
from turnwise.records import read_jsonl

pytest.importorskip("accelerate")
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Any]

SMALL = """
[run]
name = "small"
directory = {directory}
[env]
name = "webshop"
options = {{ style = "compact", products = 60 }}
[prompt]
name = "webshop/act@1"
[model.tiny]
vocab = 400
hidden = 32
layers = 1
heads = 2
kv_heads = 1
head_dim = 16
intermediate = 32
texts = 8
[warm_start]
episodes = 8
[rollout]
tasks = 2
group_size = 2
max_tokens = 6
max_turns = 2
[train]
steps = 2
checkpoint_every = 1
[eval]
tasks = 3
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL.format(directory=json.dumps(str(tmp_path / "runs"))))
    return path


def refused(done: Any, *says: str) -> None:
    assert done.exit_code == 2, (done.exit_code, done.stdout, done.stderr, done.exception)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for part in says:
        assert part in done.stderr


def test_configs_that_are_refused(turnwise: Run, config: Path, tmp_path: Path) -> None:
    refused(turnwise("train", tmp_path / "none.toml"), "there is no config", "none.toml")
    refused(
        turnwise("train", config, "--set", "train.step=3"),
        "unknown key 'step'",
        "did you mean 'steps'?",
    )
    refused(
        turnwise("train", config, "--set", "rolout.tasks=3"), "'rolout'", "did you mean 'rollout'?"
    )
    refused(
        turnwise("train", config, "--set", "train.steps"),
        "is not an override: write section.key=value",
    )
    refused(turnwise("train", config, "--set", "train.steps=-1"), "train.steps")
    (tmp_path / "torn.toml").write_text("[run\n")
    refused(turnwise("train", tmp_path / "torn.toml"), "torn.toml is not TOML")


def test_names_that_are_refused(turnwise: Run, config: Path) -> None:
    refused(
        turnwise("train", config, "--set", "algorithm.name=grop"),
        "unknown recipe 'grop'",
        "did you mean 'grpo'?",
    )
    refused(
        turnwise("train", config, "--set", "env.name=webshp"),
        "unknown environment 'webshp'",
        "did you mean 'webshop'?",
    )
    refused(
        turnwise("train", config, "--set", "prompt.name=webshop/act"),
        "unknown prompt",
        "did you mean 'webshop/act@1'?",
    )
    refused(
        turnwise("train", config, "--set", 'env.options={stile="compact"}'),
        "unknown setting 'stile'",
        "'style'",
    )
    refused(turnwise("train", config, "--set", "rollout.split=trian"), "no split 'trian' here")


def test_seeds_that_are_refused(turnwise: Run, config: Path, tmp_path: Path) -> None:
    for seeds in ("0,x", "1,1", "0,,1", "-1"):
        refused(
            turnwise("train", config, f"--seeds={seeds}"),
            f"--seeds {seeds} is not a list of different whole numbers",
        )
    assert not (tmp_path / "runs").exists()


def test_resume_wants_a_run(turnwise: Run, config: Path) -> None:
    refused(
        turnwise("train", config, "--resume"),
        "there is no run in",
        "leave out --resume to start one",
    )


def test_without_its_libraries(
    turnwise: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    refused(
        turnwise("train", config),
        "training needs accelerate: install it with pip install 'turnwise[train]'",
    )


@pytest.mark.slow
def test_two_seeds_and_what_they_say_show_together(
    turnwise: Run, config: Path, tmp_path: Path
) -> None:
    done = turnwise("train", config, "--seeds", "0,1")
    assert done.exit_code == 0, (done.stderr, done.exception)
    assert "success on test before and after, 2 seeds, 95 % intervals" in done.stdout
    for seed in (0, 1):
        folder = tmp_path / "runs" / f"small-seed{seed}"
        before, after = scores.read(folder / "before.json"), scores.read(folder / "after.json")
        assert before.task_ids == after.task_ids and before.prompt == "webshop/act@1"
        assert [
            json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()
        ] == [1, 2]
    some = (
        "eval",
        "webshop",
        "-e",
        "style=compact",
        "-a",
        folder / "model",
        "--tasks",
        2,
        "--max-turns",
        1,
    )
    again = turnwise(*some, "-e", "products=60")
    assert again.exit_code == 0 and "webshop/act@1" in again.stdout and again.stderr == ""
    other = turnwise(*some)
    assert other.exit_code == 0 and "note: this model was trained on other data" in other.stderr


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_step(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "small"
    command = [
        sys.executable,
        "-c",
        "from turnwise.cli import main; main()",
        "train",
        str(config),
        "--set",
        "train.steps=500",
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        until = time.monotonic() + 300
        while (
            not list((folder / "checkpoints").glob("step-*"))
            and running.poll() is None
            and time.monotonic() < until
        ):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=120)
    finally:
        running.kill()
    last = said.splitlines()[-1]
    assert (
        running.returncode == 130
        and last.startswith("interrupted")
        and str(folder) in last
        and "Traceback" not in said
    )
    # All of it can be read, and the same command goes on.
    steps = [
        json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps and steps == list(range(1, len(steps) + 1))
    assert scores.read(folder / "before.json").metrics.episodes == 3
    assert all(list(read_jsonl(path)) for path in (folder / "trajectories").glob("*.jsonl"))
    command[-1] = f"train.steps={len(steps) + 2}"
    refusal = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert refusal.returncode == 2 and "another config" in refusal.stderr


def test_the_summary_pools_seeds(tmp_path: Path) -> None:
    import io

    from rich.console import Console

    from turnwise.cli import train as module

    out = io.StringIO()
    with pytest.raises(ConfigError, match="different whole numbers"):
        module._seeds("a")
    folders = []
    for seed, gain in ((0, 0.25), (1, 0.5)):
        folders.append(tmp_path / str(seed))
        for name, success in (("before", 0.25), ("after", 0.25 + gain)):
            scores.write(folders[-1] / f"{name}.json", made(success))
    _show_together(Console(file=out, width=140), [0, 1], folders)
    text = out.getvalue()
    assert (
        "+25.0" in text
        and "+50.0" in text
        and "+37.5" in text
        and "yes" in text
        and "25.0 %" in text
        and "62.5 %" in text
    )


def made(success: float) -> scores.Score:
    """A score over 40 tasks of which a share succeeded."""
    from turnwise.evaluation.metrics import measure
    from turnwise.records import Trajectory

    right = [task < 40 * success for task in range(40)]
    played = [
        Trajectory(t, str(t), str(t), (), ok, float(ok), "terminated") for t, ok in enumerate(right)
    ]
    values = tuple(map(float, right))
    return scores.Score(
        "e",
        {},
        "d",
        "test",
        40,
        tuple(range(40)),
        1,
        15,
        "a",
        None,
        {},
        0,
        measure(played),
        values,
        values,
    )
