"""A run from its config to its report, and its errors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.training.made_training import small_config
from turnwise.agents.engines.transformers.engine import TransformersEngine
from turnwise.errors import ConfigError, TaskError
from turnwise.evaluation import score as scores
from turnwise.records import read_jsonl
from turnwise.training.console import RunConsole
from turnwise.training.loop import train
from turnwise.training.run_folder import read_json, read_metrics


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    said = io.StringIO()
    terminal = RunConsole(Console(file=said, width=200))
    optimiser = {"lr": 0.003, "mini_batches": 2}
    recipe = {"name": "grpo", "options": {"kl": 0.01, "entropy_bonus": 0.01}}
    folder = train(
        small_config(
            tmp_path_factory.mktemp("run"),
            optimiser=optimiser,
            algorithm=recipe,
            train={"eval_every": 2},
        ),
        terminal,
    )
    return folder, said.getvalue()


def test_the_folder_holds_everything(run: tuple[Path, str]) -> None:
    folder, _ = run
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.json",
        "facts.json",
        "metrics.jsonl",
        "trajectories",
        "checkpoints",
        "start",
        "model",
        "report.html",
    } <= names
    assert {path.name for path in (folder / "trajectories").iterdir()} == {
        "before.jsonl", "after.jsonl", "step-000001.jsonl", "step-000002.jsonl",
        "step-000004.jsonl",
    }  # fmt: skip
    facts = read_json(folder / "facts.json")
    assert facts["environment"] == "turnwise/WebShop-v0" and facts["prompt"] == "webshop/act@1"
    assert len(facts["prompt_hash"]) == 32 and "torch" in facts["versions"]
    assert not [path for path in folder.rglob("*") if path.name.endswith((".part", ".old"))]


def test_metrics_of_every_step(run: tuple[Path, str]) -> None:
    lines = list(read_metrics(run[0]))
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    wanted = {
        "success",
        "reward",
        "entropy",
        "clip_share",
        "kl_old",
        "kl_ref",
        "turn_tokens",
        "generated_per_second",
        "grad_norm",
    }
    assert all(wanted <= line.keys() for line in lines)
    assert all(line["episodes"] == 6 and line["errors"] == 0 for line in lines)
    assert [("dev_success" in line) for line in lines] == [False, True, False, True]
    assert all(line["engine_gap"] < 1e-4 for line in lines), (
        "the engine and the learner are not the same model"
    )
    assert lines[0]["kl_ref"] == pytest.approx(0.0, abs=1e-3) and lines[-1]["kl_ref"] > 0


def test_both_evaluations_are_over_the_same_held_out_tasks(run: tuple[Path, str]) -> None:
    before, after = (scores.read(run[0] / f"{name}.json") for name in ("before", "after"))
    assert before.split == after.split == "test" and before.task_ids == after.task_ids
    played = {t.task for path in run[0].glob("trajectories/step-*.jsonl") for t in read_jsonl(path)}
    assert not played & set(before.task_ids)


def test_the_console_shows_every_phase(run: tuple[Path, str]) -> None:
    text = run[1]
    for part in ("warm start", "step    4/4", "before", "difference", "report.html"):
        assert part in text


def test_the_saved_model_is_the_trained_one(run: tuple[Path, str]) -> None:
    from transformers import AutoModelForCausalLM

    start, end = (
        AutoModelForCausalLM.from_pretrained(run[0] / name) for name in ("start", "model")
    )
    assert any(
        not torch.equal(a, b) for a, b in zip(start.parameters(), end.parameters(), strict=True)
    )
    assert TransformersEngine(end).vocabulary <= 400


@pytest.mark.parametrize(
    ("sections", "error", "says"),
    [
        ({"env": {"name": "webshp"}}, ConfigError, "webshop"),
        ({"prompt": {"name": "webshop/act@7"}}, ConfigError, "webshop/act@1"),
        ({"algorithm": {"name": "grppo", "options": {}}}, ConfigError, "grpo"),
        ({"algorithm": {"options": {"clipp": 0.1}}}, ConfigError, "clip"),
        ({"rollout": {"split": "trian"}}, TaskError, "train"),
        ({"eval": {"split": "validation"}}, TaskError, "test"),
        ({"run": {"trackers": ["trackio"]}}, ConfigError, "pip install trackio"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, sections: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as found:
        train(
            small_config(tmp_path, warm_start={"episodes": 0}, **sections),
            RunConsole(Console(quiet=True)),
        )
    assert "\n" not in str(found.value)
