"""Everything that the documentation shows runs as printed, or says why it cannot."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.documentation import LANGUAGES, PAGES, ROOT, Block, PageRun, blocks_of, check_unrun
from turnwise.envs.checks import check_turn_env
from turnwise.envs.registry import make

SLOW_PAGES = {"docs/tutorial.md", "docs/environments.md"}
"""Pages whose commands train a model."""

UNRUN = [block for page in PAGES for block in blocks_of(page) if "not run" in block.directives]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_names_its_language(page: str) -> None:
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block.where}: language {block.language!r}"


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=pytest.mark.slow) if p in SLOW_PAGES else p for p in PAGES],
)
def test_pages_run_as_printed(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    running, modules = PageRun(tmp_path), set(sys.modules)
    for block in blocks_of(page):
        if "not run" not in block.directives and installed(block):
            running.run(block)
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def installed(block: Block) -> bool:
    """Whether the package that a block needs is here; say so where it is not."""
    package = block.directives.get("needs")
    if package is None or find_spec(package) is not None:
        return True
    print(f"{block.where} was not run: it needs {package}")
    return False


@pytest.mark.parametrize("block", UNRUN, ids=lambda block: block.where)
def test_blocks_that_cannot_run_here_are_right(block: Block) -> None:
    check_unrun(block)
    print(f"{block.where} was not run: {block.directives['not run']}")
    pytest.skip(f"{block.where} was checked and not run: {block.directives['not run']}")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf8")
    for link in re.findall(r"\]\((?!http|#|mailto:)([^)\s#]+)", text):
        target = (ROOT / page).parent / link
        assert target.exists() or link.startswith("docs/images/"), f"{page}: no file {link}"


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf8")
    for page in PAGES:
        assert page == "docs/index.md" or f"({Path(page).name})" in index.replace("../", "")


def test_the_readme_forks_an_episode(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(python_of("README.md")[0], "README.md", "exec"), names)
    assert "click[back to search]" in capsys.readouterr().out
    assert names["other"].step("click[next >]")[0] == names["env"].step("click[next >]")[0]


def python_of(page: str) -> list[str]:
    return [block.text for block in blocks_of(page) if block.language == "python"]


def test_the_paper_in_twenty_lines_is_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    paper = next(block for block in python_of("docs/algorithms.md") if "ClippedWeight" in block)
    (tmp_path / "documented_cispo.py").write_text(paper, encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    from turnwise.algorithms import recipe
    from turnwise.algorithms.checks import check_recipe

    check_recipe(recipe("documented_cispo:recipe", cap=4.0))


def test_the_page_of_environments_works_as_a_user_would_use_it(tmp_path: Path) -> None:
    """The page's file is written, its commands run beside it, and its config trains."""
    page = (ROOT / "docs/environments.md").read_text(encoding="utf8")
    blocks = [
        block.replace("check_turn_env(Guess)", "") for block in python_of("docs/environments.md")
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
    code = python_of("docs/environments.md")[0]
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
