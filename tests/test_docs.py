"""The environment that the documentation builds is a good one, by the kit that every environment passes."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "environments.md"


def test_the_example_environment_passes_the_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf8"), re.S)
    assert len(blocks) == 2 and "check_turn_env(Guess)" in blocks[1]
    code = "\n".join(blocks).replace("check_turn_env(Guess)", "check_turn_env(Guess, resets=1000)")
    (tmp_path / "documented_guess.py").write_text(code.replace("check_turn_env(Guess,", "CHECK = lambda: check_turn_env(Guess,"))
    monkeypatch.syspath_prepend(tmp_path)
    page = importlib.import_module("documented_guess")
    page.CHECK()
    env = page.Guess()
    env.reset(options={"task": 42})
    assert env.step("50")[0] == "Lower." and env.step("42")[1] == 1.0
