"""What the documentation shows works: its snippets run as printed, and the environment it builds
passes the kit.
"""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def test_the_example_environment_passes_the_kit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = blocks_of("docs/environments.md")
    assert len(blocks) == 2 and "check_turn_env(Guess)" in blocks[1]
    code = "\n".join(blocks).replace("check_turn_env(Guess)", "check_turn_env(Guess, resets=1000)")
    (tmp_path / "documented_guess.py").write_text(
        code.replace("check_turn_env(Guess,", "CHECK = lambda: check_turn_env(Guess,")
    )
    monkeypatch.syspath_prepend(tmp_path)
    page = importlib.import_module("documented_guess")
    page.CHECK()
    env = page.Guess()
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
