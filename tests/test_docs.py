"""What the documentation shows works as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.checks import check_turn_env
from turnwise.envs.registry import make

ROOT = Path(__file__).parents[1]


def blocks_of(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf8"), re.S)


def test_the_readme_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in blocks_of("README.md"):
        exec(compile(block, "README.md", "exec"), names)
    assert "click[back to search]" in capsys.readouterr().out
    assert names["other"].step("click[next >]")[0] == names["env"].step("click[next >]")[0]


@pytest.mark.parametrize(
    ("page", "block"),
    [
        ("docs/webshop.md", 0),
        ("docs/webshop-generated.md", 0),
        ("docs/evaluation.md", 0),
        ("docs/cli.md", 0),
        ("docs/search.md", 0),
        ("docs/teams.md", 0),
    ],
)
def test_pages_run_as_printed(page: str, block: int) -> None:
    exec(compile(blocks_of(page)[block], page, "exec"), {})


def test_the_paper_in_twenty_lines_is_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    paper = next(block for block in blocks_of("docs/algorithms.md") if "ClippedWeight" in block)
    (tmp_path / "documented_cispo.py").write_text(paper, encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    from turnwise.algorithms import recipe
    from turnwise.algorithms.checks import check_recipe

    check_recipe(recipe("documented_cispo:recipe", cap=4.0))


def test_the_page_of_environments_works_as_a_user_would_use_it(tmp_path: Path) -> None:
    """The page's file is written, its commands run beside it, and its config trains."""
    page = (ROOT / "docs/environments.md").read_text(encoding="utf8")
    blocks = [
        block.replace("check_turn_env(Guess)", "") for block in blocks_of("docs/environments.md")
    ]
    (tmp_path / "my_envs.py").write_text("\n".join(blocks), encoding="utf8")
    commands = re.findall(r"^\$ turnwise (.*)$", page, re.M)
    assert len(commands) == 6
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150"}
    shown = {}
    for command in commands:
        if command.startswith("train"):
            pytest.importorskip("accelerate")
            config = next(b for b in re.findall(r"```toml\n(.*?)```", page, re.S) if "[run]" in b)
            (tmp_path / "guess.toml").write_text(config, encoding="utf8")
            command += " --set train.steps=1 --set warm_start.episodes=8 --set eval.tasks=2"
            command += " --set rollout.tasks=2 --set rollout.group_size=2 --set model.tiny.layers=1"
        done = subprocess.run(
            [sys.executable, "-m", "turnwise", *command.split()], cwd=tmp_path, env=environment,
            input="1 50\n1 42\n", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        shown[command.split()[0] + command.split()[-1]] = done.stdout
    assert "100.0" in shown["evalexpert"] and "success, score 1.000 in 2 turns" in shown["play42"]
    assert (tmp_path / "runs" / "guess" / "report.html").is_file()


def test_the_environment_of_the_page_passes_the_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = blocks_of("docs/environments.md")[0]
    (tmp_path / "documented_guess.py").write_text(code, encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    check_turn_env("documented_guess:Guess", resets=1000)
    env = make("documented_guess:Guess")
    env.reset(options={"task": 42})
    assert env.step("50")[0] == "Lower." and env.step("42")[1] == 1.0


def test_the_page_of_papers_says_what_the_files_say() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/papers_page.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
