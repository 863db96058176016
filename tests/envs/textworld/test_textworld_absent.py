"""Without the textworld package everything but playing works; the error says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

from turnwise.envs.registry import env_spec, make
from turnwise.envs.textworld import TextWorldEnv, package
from turnwise.errors import ConfigError


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(package.importlib, "import_module", refuse)


def test_the_environment_is_known_and_its_tasks_can_be_listed() -> None:
    assert env_spec("textworld").id == "turnwise/TextWorld-v0"
    env = make("textworld", preset="cooking", games={"train": 3})
    assert list(env.tasks("train")) == ["train-0", "train-1", "train-2"]
    assert len(env.data_hash) == 32


def test_playing_names_the_extra(absent: None) -> None:
    with pytest.raises(ConfigError, match=r"turnwise\[alfworld\]"):
        TextWorldEnv().reset(seed=0)
    with pytest.raises(ConfigError, match=r"turnwise\[alfworld\]"):
        TextWorldEnv(prepare=True, cache="no such directory")


def test_another_missing_package_is_another_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError("No module named 'networkx'", name="networkx")

    monkeypatch.setattr(package.importlib, "import_module", refuse)
    with pytest.raises(ModuleNotFoundError, match="networkx"):
        package.textworld()


def test_making_the_environment_imports_nothing_heavy() -> None:
    code = "import sys; from turnwise.envs.textworld import TextWorldEnv; "
    code += "TextWorldEnv().tasks('dev'); "
    code += "print('textworld' in sys.modules, 'jericho' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_settings_that_change_transcripts_change_the_hash() -> None:
    envs = [
        TextWorldEnv(), TextWorldEnv("coin"), TextWorldEnv(game_seed=1),
        TextWorldEnv(reward="sparse"),
        TextWorldEnv(observation="raw"), TextWorldEnv(games={"dev": 3}),
    ]  # fmt: skip
    assert len({env.data_hash for env in envs}) == len(envs)
    assert TextWorldEnv().data_hash == TextWorldEnv("w2-o3-q4").data_hash
