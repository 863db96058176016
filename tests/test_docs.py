"""Everything that the documentation shows runs as printed, or says why it cannot."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.documentation import (
    LANGUAGES,
    PAGES,
    ROOT,
    Block,
    PageRun,
    blocks_of,
    check_unrun,
)
from turnwise.algorithms import recipe_names
from turnwise.envs.checks import check_turn_env
from turnwise.envs.registry import env_specs, make
from turnwise.errors import ConfigError

SLOW_PAGES = {"docs/tutorial.md", "docs/environments.md", "docs/training.md"}
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
def test_pages_run_as_printed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def python_of(page: str) -> list[str]:
    return [block.text for block in blocks_of(page) if block.language == "python"]


def test_the_readme_forks_an_episode(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(compile(python_of("README.md")[0], "README.md", "exec"), names)
    assert "click[back to search]" in capsys.readouterr().out
    assert names["other"].step("click[next >]")[0] == names["env"].step("click[next >]")[0]


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


def test_the_readme_lists_every_environment_and_recipe() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf8")
    for spec in env_specs():
        if spec.id.startswith("turnwise/"):
            assert f"`{spec.id}`" in readme
    table = readme[readme.index("## Algorithms") : readme.index("## Measured results")]
    assert set(re.findall(r"`(\w+)`", table)) - {"Recipe"} == set(recipe_names())


# The runner of the blocks finds what is wrong
# --------------------------------------------------------------------------------------------------


def block(language: str, text: str, **directives: str) -> Block:
    return Block("page.md", 1, language, text, directives)


@pytest.mark.parametrize(
    ("shown", "right"),
    [
        ("0.5  of it\nlast", True),
        ("... of it", True),
        ("last\n0.5 of it", False),
        ("0.6 of", False),
    ],
)
def test_shown_output_is_compared_in_order(tmp_path: Path, shown: str, right: bool) -> None:
    page = block("console", f"$ printf '0.5 of it\\nlast\\n'\n{shown}\n")
    if right:
        PageRun(tmp_path).run(page)
    else:
        with pytest.raises(AssertionError, match="does not print"):
            PageRun(tmp_path).run(page)


def test_numbers_of_a_shortened_run_may_differ(tmp_path: Path) -> None:
    shown = "$ echo 'success 3.1 % [0.0, 9.4] +2.5'\nsuccess 60.5 % [51.5, 69.5] -21.5\n"
    PageRun(tmp_path).run(block("console", shown, **{"with": "--set train.steps=1"}))
    with pytest.raises(AssertionError, match="does not print"):
        PageRun(tmp_path).run(block("console", shown))


@pytest.mark.parametrize(
    ("language", "text", "error"),
    [
        ("console", "$ turnwise nonsense\n", AssertionError),
        ("bash", "turnwise eval webshoop\n", ConfigError),
        ("bash", "turnwise train quikstart\n", ConfigError),
        ("bash", "turnwise eval webshop --nonsense 3\n", Exception),
        ("bash", "make nonsense\n", AssertionError),
        ("bash", "python benchmarks/nonsense.py\n", AssertionError),
        ("python", "def f(:\n", SyntaxError),
        ("toml", "[train]\nstep = 3\n", ConfigError),
        ("toml", "[nonsense]\n", AssertionError),
    ],
)
def test_mistakes_in_blocks_that_do_not_run(
    language: str, text: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_unrun(block(language, text, **{"not run": "never"}))


def test_a_failing_command_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="webshop"):
        PageRun(tmp_path).run(block("console", "$ turnwise eval webshoop\n"))
