"""Names, signatures and behaviour that other code relies on, and that stay."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from typer.testing import CliRunner

import turnwise
from tests.cli.own_things import Guess
from turnwise.envs.specs import BUILT_IN
from turnwise.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", [spec.id for spec in BUILT_IN])
def test_gymnasium_makes_every_id(name: str) -> None:
    try:
        env = gymnasium.make(name)
        observation, info = env.reset(seed=0)
    except ConfigError as missing:
        assert "pip install" in str(missing)
        pytest.skip(f"{name} needs a package that is not installed")
    assert isinstance(observation, str) and set(turnwise.envs.base.Info.__annotations__) <= set(
        info
    )
    env.close()


def test_the_ids_and_short_names() -> None:
    ids = ("ALFWorld", "Search", "SWE", "TextWorld", "ToolMath", "WebShop")
    assert [spec.id for spec in BUILT_IN] == [f"turnwise/{name}-v0" for name in ids]
    names = ["alfworld", "search", "swe", "textworld", "tool_math", "webshop"]
    assert sorted(spec.name for spec in BUILT_IN) == names


def test_webshop() -> None:
    from turnwise.envs import fork
    from turnwise.envs.webshop import Catalogue, Goal, WebShopEnv

    parameters = inspect.signature(Catalogue.official).parameters
    assert [*parameters][:2] == ["directory", "prices"] and parameters["prices"].default is None
    assert callable(Catalogue.search) and callable(Goal.from_official)
    shop = Catalogue.generate(60, 0, "full")
    assert set(shop.search("shoes")) <= set(shop.asins)
    assert isinstance(WebShopEnv(shop, reward="official", observation="text"), turnwise.TurnEnv)
    env: Any = gymnasium.make("turnwise/WebShop-v0", reward="official", observation="text")
    _, info = env.reset(seed=0)
    assert info["clickables"] == ["search"]
    env.step("search[shoes]")
    other = fork(env)
    assert other.step("click[next >]")[:3] == env.step("click[next >]")[:3]


def test_alfworld_and_tool_math() -> None:
    from turnwise.envs.alfworld import ALFWorldEnv, Game, generate
    from turnwise.envs.tool_math import grade

    games = generate(2, 0)
    assert len(games) == 2 and all(isinstance(game, Game) for game in games)
    assert issubclass(ALFWorldEnv, turnwise.TurnEnv)
    assert grade("12", r"so the answer is \boxed{12}")
    assert not grade("12", r"so the answer is \boxed{13}")


def test_algorithms() -> None:
    pytest.importorskip("torch")
    from turnwise.algorithms import recipe, recipe_names, settings

    grpo = recipe("grpo", scale="none")
    assert "grpo" in recipe_names() and settings("grpo")["scale"] == "std"
    assert [*inspect.signature(grpo.credit).parameters][:1] == ["groups"]
    assert [*inspect.signature(grpo.loss).parameters] == ["batch"]
    assert turnwise.recipe is recipe


def test_records_and_sandbox(tmp_path: Path) -> None:
    from turnwise.records import Group, Row, Trajectory, Turn, read_jsonl, rows, write_jsonl
    from turnwise.sandbox import Limits, Spec, open_sandbox

    played = turnwise.rollout(Guess, "expert")
    write_jsonl(tmp_path / "t.jsonl", played)
    assert [*read_jsonl(tmp_path / "t.jsonl")] == played
    assert isinstance(played[0], Trajectory) and isinstance(played[0].turns[0], Turn)
    assert [*inspect.signature(rows).parameters] == ["trajectory", "streams"]
    assert inspect.isclass(Row) and Group(played[0].task, "g", tuple(played))
    assert [*inspect.signature(open_sandbox).parameters][:2] == ["spec", "backend"]
    assert isinstance(Spec().limits, Limits)


def test_the_commands() -> None:
    pytest.importorskip("torch")
    from turnwise.cli.app import commands

    for command in ("envs", "play", "eval", "train", "doctor", "swe", "configs"):
        assert CliRunner().invoke(commands, [command, "--help"]).exit_code == 0


def test_an_environment_named_by_its_path_is_pickled_and_copied() -> None:
    for name in ("Guess", "wrapped"):
        env = turnwise.make(f"tests.cli.own_things:{name}")
        env.reset(seed=1)
        answers = {
            other.step("1")[:3]
            for other in (env.fork(), pickle.loads(pickle.dumps(env)), copy.deepcopy(env), env)
        }
        assert len(answers) == 1
    assert pickle.loads(pickle.dumps(Guess)) is Guess


def test_importing_it_warns_of_nothing_and_brings_nothing_heavy() -> None:
    program = (
        "import sys, turnwise; print(*sorted({'torch', 'transformers', 'textworld', 'docker', "
        "'typer', 'rich', 'pydantic', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_typed_file_of_a_stranger() -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "tests/typed_stranger.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
