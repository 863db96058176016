"""Environments, engines, recipes and prompts of somebody else's train as ours do."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from tests.training.made_training import small_config
from turnwise.agents.engines.base import Capabilities, Completion, EngineContext, Sampling
from turnwise.agents.engines.transformers.engine import TransformersEngine
from turnwise.algorithms import Recipe, recipe
from turnwise.envs.base import Outcome, TurnEnv
from turnwise.envs.prompt import Action, Prompt
from turnwise.envs.registry import make_prompt
from turnwise.errors import ConfigError, TaskError
from turnwise.training.config import Config, load_config
from turnwise.training.console import RunConsole
from turnwise.training.loop import train
from turnwise.training.run_folder import read_json, read_metrics

HERE = "tests.training.test_own_parts"


class CopyEngine:
    """An engine with weights of its own, which are nothing until it is given the learner's.

    It has no more than the members of the `Engine` protocol.
    """

    capabilities = Capabilities(seeds=True)

    def __init__(self, context: EngineContext) -> None:
        model = copy.deepcopy(context.model)
        with torch.no_grad():
            for weight in model.parameters():
                weight.zero_()
        self._engine = TransformersEngine(model, slots=context.concurrency)
        self._engine.weights_version = -1

    @property
    def max_context(self) -> int | None:
        return self._engine.max_context

    @property
    def weights_version(self) -> int:
        return self._engine.weights_version

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        assert self.weights_version >= 0 and not sampling.entropies
        return await self._engine.generate(prompt_ids, sampling, session)

    async def release(self, session: str) -> None:
        await self._engine.release(session)

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        assert weights is not None
        await self._engine.update_weights(weights, version)

    async def close(self) -> None:
        await self._engine.close()


def make_engine(context: EngineContext, slots: int = 0) -> CopyEngine:
    assert context.tokenizer is not None and Path(context.path).is_dir()
    return CopyEngine(context)


class Parity(TurnEnv[None]):
    """Say whether a number is even. Without an expert, and with splits of its own names."""

    splits = ("small", "large")
    data_hash = "parity"
    eval_split = "large"
    max_turns = 2

    def tasks(self, split: str) -> Sequence[int]:
        return {"small": range(20), "large": range(100, 104)}[split]

    def _begin(self, task: Any) -> Outcome:
        self.number = int(task)
        return Outcome(f"{task}?", "even or odd", ["even", "odd"], f"{task}")

    def _act(self, action: str) -> Outcome:
        right = action == ("odd" if self.number % 2 else "even")
        return Outcome(
            "over", "even or odd", [], f"{self.number}.", float(right), True, success=right,
            score=float(right),
        )  # fmt: skip


def make_recipe(clip: float = 0.2) -> Recipe:
    return recipe("grpo", clip=clip)


def my_prompt() -> Prompt:
    return make_prompt("webshop/act@1")


class TextPrompt:
    """A prompt with text in place of messages."""

    name = "own/text@1"

    def messages(self, history: Any) -> Any:
        return "Just text"

    def parse(self, text: str) -> Action:
        return Action(text, True)

    def reply(self, action: str, thought: str = "") -> str:
        return action


def run(config: Config) -> Path:
    return train(config, RunConsole(Console(quiet=True)))


def config_of(directory: Path, **sections: dict[str, Any]) -> Config:
    # Without an entropy bonus a step moves nothing where no reward was earned: score every token.
    algorithm = {"name": "grpo", "options": {"entropy_bonus": 0.01}}
    short = {"warm_start": {"episodes": 0}, "train": {"steps": 2}, "eval": {"tasks": 2}}
    return small_config(directory, **{"algorithm": algorithm, **short, **sections})


def test_an_engine_that_does_not_share_the_model_is_given_its_weights(tmp_path: Path) -> None:
    """The run ends with the very weights of one with the built-in engine."""
    ours = run(config_of(tmp_path / "ours"))
    theirs = run(config_of(tmp_path / "theirs", engine={"name": f"{HERE}:make_engine"}))
    wanted, found = (load_file(folder / "model" / "model.safetensors") for folder in (ours, theirs))
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    start = load_file(ours / "tiny" / "model.safetensors")
    assert not all(torch.equal(start[name], value) for name, value in wanted.items())


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ({"name": "transfomers"}, "unknown engine 'transfomers': did you mean 'transformers'"),
        ({"name": "nowhere:make"}, "there is no module 'nowhere'"),
        ({"options": {"slot": 3}}, "did you mean 'slots'"),
        ({"name": f"{HERE}:make_engine", "options": {"slotss": 3}}, "did you mean 'slots'"),
    ],
)
def test_a_wrong_engine_is_an_error_before_any_demonstration(
    tmp_path: Path, engine: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as found:
        run(config_of(tmp_path, engine=engine, warm_start={"episodes": 4}))
    assert "\n" not in str(found.value) and not (tmp_path / "small" / "start").exists()


@pytest.mark.parametrize(
    ("name", "requirement"), [("empg", "rollout:entropy"), ("epo", "metrics:turn_entropy")]
)
def test_a_missing_capability_is_an_error_before_the_first_episode(
    tmp_path: Path, name: str, requirement: str
) -> None:
    config = config_of(
        tmp_path,
        engine={"name": f"{HERE}:make_engine"},
        algorithm={"name": name, "options": {}},
        warm_start={"episodes": 4},
    )
    with pytest.raises(ConfigError) as found:
        run(config)
    text = str(found.value)
    assert f"recipe {name!r} requires {requirement!r}" in text and f"{HERE}:make_engine" in text
    assert not (tmp_path / "small" / "start").exists() and "\n" not in text


def test_a_corrected_config_may_begin_where_a_mistake_left_a_tiny_model(tmp_path: Path) -> None:
    wrong = {"options": {"slot": 3}}
    with pytest.raises(ConfigError, match="did you mean 'slots'"):
        run(config_of(tmp_path, engine=wrong, train={"steps": 0}))
    tiny = tmp_path / "small" / "tiny"
    assert tiny.is_dir()
    (tiny / "old").touch()
    run(config_of(tmp_path, engine={"options": {"slots": 3}}, train={"steps": 0}))
    assert not (tiny / "old").exists()


def test_splits_that_the_environment_lacks_are_named_by_their_keys(tmp_path: Path) -> None:
    for section, key in (
        ({"rollout": {"split": "fit"}}, "rollout.split"),
        ({"eval": {"split": "fit"}}, "eval.split"),
        ({"eval": {"dev_split": "fit"}, "train": {"eval_every": 1}}, "eval.dev_split"),
    ):
        with pytest.raises(TaskError, match=f"no split 'fit' here, which {key} names: choose one"):
            run(config_of(tmp_path, **section))
    assert not (tmp_path / "small" / "tiny").exists()


def test_messages_that_are_no_messages(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"messages\(\) of prompt 'own/text@1' returned 'J'"):
        run(config_of(tmp_path, prompt={"name": f"{HERE}:TextPrompt"}))


def test_a_recipe_and_a_prompt_by_import_path(tmp_path: Path) -> None:
    folder = run(
        config_of(
            tmp_path,
            algorithm={"name": f"{HERE}:make_recipe", "options": {"clip": 0.1}},
            prompt={"name": f"{HERE}:my_prompt"},
            train={"steps": 1},
        )
    )
    assert read_json(folder / "facts.json")["prompt"] == "webshop/act@1"
    with pytest.raises(ConfigError, match="did you mean 'clip'"):
        run(
            config_of(
                tmp_path / "b", algorithm={"name": f"{HERE}:make_recipe", "options": {"clp": 1}}
            )
        )


@pytest.mark.parametrize("name", [f"{HERE}:Parity", "tests/Parity-v7"])
def test_an_environment_by_import_path_and_by_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From TOML, with an imported module that registers it; on the environment's own splits."""
    (tmp_path / "my_envs.py").write_text(
        "from turnwise.envs.registry import EnvSpec, register\n"
        f"register(EnvSpec('tests/Parity-v7', '{HERE}:Parity', 2, 'text/react@1', 'large'))\n",
        encoding="utf8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "parity.toml").write_text(
        f"""
        run = {{ name = "parity", directory = "{tmp_path}", imports = ["my_envs"] }}
        env = {{ name = "{name}" }}
        rollout = {{ tasks = 2, group_size = 2, split = "small", max_tokens = 4 }}
        train = {{ steps = 1 }}
        [model.tiny]
        vocab = 320
        hidden = 16
        layers = 1
        heads = 1
        head_dim = 16
        intermediate = 16
        """,
        encoding="utf8",
    )
    folder = run(load_config(tmp_path / "parity.toml"))
    score = read_json(folder / "after.json")
    assert score["split"] == "large" and score["task_ids"] != []
    assert read_json(folder / "config.json")["eval"]["split"] == "large"
    assert len(list(read_metrics(folder))) == 1


def test_options_reach_the_engine(tmp_path: Path) -> None:
    ours = run(config_of(tmp_path / "ours", train={"steps": 1}))
    options = {"slots": 2, "fast": False, "prefill_tokens": 64}
    other = run(config_of(tmp_path / "other", train={"steps": 1}, engine={"options": options}))
    assert read_json(other / "config.json")["engine"] == {
        "name": "transformers", "options": options
    }  # fmt: skip
    assert read_json(ours / "config.json")["engine"] == {"name": "transformers", "options": {}}
