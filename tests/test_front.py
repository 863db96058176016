"""The front of the package: ten names and a version, imported when they are used."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import turnwise
from tests.cli.own_things import Guess
from turnwise.agents.scripted import AlwaysAgent
from turnwise.errors import ConfigError
from turnwise.evaluation.api import RunOfModel
from turnwise.records import Trajectory

TINY = {"vocab": 300, "hidden": 32, "layers": 1, "heads": 2, "kv_heads": 1, "head_dim": 16}


def test_the_names() -> None:
    names = {
        "make", "register", "EnvSpec", "TurnEnv", "Outcome", "rollout", "evaluate", "train",
        "recipe", "__version__",
    }  # fmt: skip
    assert set(turnwise.__all__) == names <= set(dir(turnwise))
    for name in names:
        assert getattr(turnwise, name) is not None
        assert name == "__version__" or getattr(turnwise, name).__doc__
    assert turnwise.__version__ == version("turnwise")
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        turnwise.evaluat  # noqa: B018
    assert (Path(turnwise.__file__).parent / "py.typed").is_file()


def test_importing_it_imports_little() -> None:
    program = (
        "import sys, turnwise\n"
        "ours = {m.split('.')[1] for m in sys.modules if m.startswith('turnwise.')}\n"
        "print(*sorted(ours))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["envs", "errors", "plugins"]


def test_evaluate_by_name_class_factory_and_instance() -> None:
    for env in ("tests.cli.own_things:Guess", Guess, Guess()):
        score, played = turnwise.evaluate(env, "expert")
        assert score.metrics.success.mean == 1.0 and score.split == "held_out"
        assert len(played) == 2
    score, _ = turnwise.evaluate("webshop", "random", tasks=3, env_options={"products": 60})
    assert score.environment == "turnwise/WebShop-v0" and score.metrics.episodes == 3


def test_evaluate_with_an_agent_of_ones_own() -> None:
    score, _ = turnwise.evaluate(Guess, AlwaysAgent("8"), max_turns=1)
    assert (score.metrics.success.mean, score.agent, score.max_turns) == (0.5, "always", 1)


def test_what_is_no_agent() -> None:
    for agent in (5, AlwaysAgent):
        with pytest.raises(ConfigError, match="give an instance of an Agent"):
            turnwise.evaluate(Guess, agent)  # type: ignore[arg-type]


def test_rollout() -> None:
    played = turnwise.rollout(Guess, "random", tasks=[3, 4], n=2)
    assert [trajectory.task for trajectory in played] == [3, 3, 4, 4]
    assert all(isinstance(t, Trajectory) and t.split == "train" for t in played)
    assert turnwise.rollout(Guess, "random", tasks=[3, 4], n=2)[1].turns[0].action == (
        played[1].turns[0].action
    )


def test_within_a_running_loop_as_in_a_notebook() -> None:
    async def cell() -> float:
        return turnwise.evaluate(Guess, "expert")[0].metrics.success.mean

    assert asyncio.run(cell()) == 1.0


def test_train_a_dictionary(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    config = {
        "run": {"name": "front", "directory": str(tmp_path)},
        "env": {"name": "tests.cli.own_things:Guess"},
        "prompt": {"name": "text/act@1"},
        "model": {"tiny": {**TINY, "intermediate": 32, "texts": 4}},
        "warm_start": {"episodes": 4},
        "rollout": {"tasks": 2, "group_size": 2, "max_tokens": 4},
        "train": {"steps": 1},
        "eval": {"tasks": 2, "split": "held_out", "dev_split": "held_out"},
    }
    folder = turnwise.train(config)
    assert (folder / "report.html").is_file() and (folder / "model").is_dir()
    with pytest.raises(ConfigError, match="change the dictionary"):
        turnwise.train(config, ["train.steps=2"])
    with pytest.raises(ConfigError, match="did you mean 'quickstart'"):
        turnwise.train("quikstart")


def test_a_model_is_evaluated_with_the_prompt_of_its_run(tmp_path: Path) -> None:
    own, notes = "tests.cli.own_things", list[str]()
    (tmp_path / "model").mkdir()
    (tmp_path / "facts.json").write_text('{"data_hash": "guess-0", "prompt": "own/short@1"}')
    run = RunOfModel(tmp_path)
    for name, found in ((f"{own}:short", f"{own}:short"), ("", "")):
        (tmp_path / "config.json").write_text(json.dumps({"prompt": {"name": name}}))
        assert run.prompt(Guess(), notes.append) == found
    (tmp_path / "facts.json").write_text('{"data_hash": "guess-0", "prompt": "text/act@1"}')
    assert run.prompt(Guess(), notes.append) == "text/act@1"
    assert not notes


def test_recipe() -> None:
    pytest.importorskip("torch")
    assert turnwise.recipe("grpo").name == "grpo"
