"""The context of a run is made once, found again on resume, and refused over other data."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.training.made_training import qwen, small_config
from turnwise.algorithms import recipe
from turnwise.envs.registry import make, make_prompt
from turnwise.errors import DataError, TaskError
from turnwise.training import context as module
from turnwise.training import sft
from turnwise.training.config import Config, resolve
from turnwise.training.console import RunConsole
from turnwise.training.context import RunContext, evaluate_split, prepare, prompt_hash
from turnwise.training.run_folder import RunFolder, read_json
from turnwise.training.sft import SftProgress


def prepared(config: Config) -> tuple[RunContext, str]:
    """The context of a run, and what the console printed."""
    out, config = io.StringIO(), resolve(config)
    folder = RunFolder(Path(config.run.directory) / config.run.name, config)
    try:
        return prepare(config, folder, RunConsole(Console(file=out, width=200))), out.getvalue()
    finally:
        folder.close()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, RunContext, str]:
    config = small_config(
        tmp_path_factory.mktemp("begun"), warm_start={"episodes": 4}, run={"seed": 3}
    )
    return config, *prepared(config)


def test_a_run_that_goes_on_finds_the_very_model_and_warms_nothing(
    begun: tuple[Config, RunContext, str],
) -> None:
    config, first, said = begun
    assert "making a tokenizer" in said and "playing 4 demonstrations" in said
    again, said = prepared(config)
    assert said == ""
    pairs = zip(first.model.named_parameters(), again.model.named_parameters(), strict=True)
    assert all(name == other and torch.equal(a, b) for (name, a), (other, b) in pairs)
    assert (
        first.rollout.tokenizer.backend_tokenizer.to_str()
        == again.rollout.tokenizer.backend_tokenizer.to_str()
    )
    assert first.rollout.max_turns == again.rollout.max_turns == config.rollout.max_turns


def test_the_random_state_after_it_does_not_depend_on_what_was_made(
    begun: tuple[Config, RunContext, str],
) -> None:
    config, _, _ = begun
    prepared(config)
    one = torch.rand(3)
    torch.manual_seed(config.run.seed)
    assert torch.equal(one, torch.rand(3))


def test_what_the_warm_start_found_is_written_down(begun: tuple[Config, RunContext, str]) -> None:
    config, _, _ = begun
    facts = read_json(Path(config.run.directory) / "small" / "start" / "warm_start.json")
    assert facts["demonstrations"] == 4 and facts["steps"] == len(facts["curve"]) == 1
    assert 0 < facts["held_out_turn"] < 1 and facts["held_out_nats"] > 0


def test_a_run_does_not_go_on_over_other_data(begun: tuple[Config, RunContext, str]) -> None:
    config, _, _ = begun
    path = Path(config.run.directory) / "small" / "facts.json"
    before = path.read_text()
    path.write_text(json.dumps({**read_json(path), "data_hash": "b" * 32}))
    try:
        with pytest.raises(DataError, match=r"run over other data.*put the data back") as found:
            prepared(config)
        assert "\n" not in str(found.value)
    finally:
        path.write_text(before)


def test_an_empty_split_is_an_error_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make("webshop", products=120, style="compact", reward="fixed", observation="text+options")
    monkeypatch.setattr(
        type(env), "tasks", lambda self, split: range(9) if split == "train" else ()
    )
    with pytest.raises(TaskError, match=r"split 'test' of .* has no tasks: choose one of train"):
        prepared(small_config(tmp_path))
    assert (
        not (tmp_path / "small" / "facts.json").exists()
        and not (tmp_path / "small" / "tiny").exists()
    )


def test_the_environment_has_the_turn_limit_and_the_prompt_when_the_config_has_none(
    tmp_path: Path,
) -> None:
    config = small_config(
        tmp_path, warm_start={"episodes": 0}, rollout={"max_turns": 0}, prompt={"name": ""}
    )
    made, _ = prepared(config)
    known = module.env_spec("webshop")
    assert (
        made.rollout.max_turns == known.max_turns > 0 and made.rollout.prompt.name == known.prompt
    )
    assert not (tmp_path / "small" / "start").exists(), (
        "without a warm start the tiny model is the start"
    )


@pytest.mark.parametrize(("options", "kept"), [({}, False), ({"kl": 0.1}, True)])
def test_a_reference_is_kept_only_where_the_recipe_requires_one(
    begun: tuple[Config, RunContext, str], options: dict[str, Any], kept: bool
) -> None:
    _, made, _ = begun
    assert (made.learner(recipe("grpo", **options)).reference is not None) is kept


def test_what_is_saved_is_what_loads(begun: tuple[Config, RunContext, str], tmp_path: Path) -> None:
    from turnwise.agents.engines.transformers.pretrained import load

    _, made, _ = begun
    made.save(tmp_path / "model")
    model, tokenizer = load(str(tmp_path / "model"), "cpu")
    assert all(
        torch.equal(a, b) for a, b in zip(made.model.parameters(), model.parameters(), strict=True)
    )
    text = "click[buy now] KT47"
    assert tokenizer.encode(text) == made.rollout.tokenizer.encode(text) and tokenizer.chat_template


@pytest.mark.parametrize(
    ("asked", "there", "wanted"), [(5, 20, 5), (50, 20, 20), (None, 20, None), (5, 0, None)]
)
def test_a_split_with_fewer_tasks_than_asked_for_is_played_whole(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    asked: int | None,
    there: int,
    wanted: int | None,
) -> None:
    seen: dict[str, Any] = {}

    def evaluate(make_env: Any, agent: Any, **settings: Any) -> str:
        seen.update(settings, agent=agent)
        return "played"

    monkeypatch.setattr(module, "evaluate", evaluate)
    config = small_config(
        tmp_path, eval={"attempts": 3, "seed": 11, "temperature": 0.25}, run={"seed": 5}
    )
    rollout = SimpleNamespace(make_env=None, max_turns=3, agent=lambda *asked: asked)
    made: Any = SimpleNamespace(
        config=config, rollout=rollout, env=SimpleNamespace(tasks=lambda split: range(there))
    )
    assert evaluate_split(made, "dev", asked, version=7) == "played"
    assert (seen["split"], seen["tasks"], seen["attempts"], seen["agent"]) == (
        "dev",
        wanted,
        3,
        (0.25, 7),
    )
    assert seen["seed"] == 11, "one for all values of run.seed"
    assert (
        seen["claim"].environment == "turnwise/WebShop-v0"
        and seen["claim"].environment_args == config.env.options
    )
    evaluate_split(made, "dev", asked, attempts=8)
    assert seen["attempts"] == 8


@pytest.mark.parametrize("steps", [1, 7, 10, 95, 300])
def test_a_warm_start_prints_about_ten_lines_and_its_last_step(steps: int) -> None:
    printed: list[int] = []
    console: Any = SimpleNamespace(sft_step=lambda at: printed.append(at["step"]))
    report = sft._reporter(console)
    for step in range(1, steps + 1):
        report(SftProgress(step, steps, 0.1, 10 * step, 1.0))
    assert (
        printed[-1] == steps
        and len(printed) == len(set(printed))
        and min(steps, 10) <= len(printed) <= 11
    )


def test_a_prompt_hash_depends_on_name_and_module() -> None:
    names = ("webshop/act@1", "webshop/react@1")
    one, other = (prompt_hash(make_prompt(name)) for name in names)
    assert one == prompt_hash(make_prompt(names[0])) != other and len(one) == 32


def test_engine_and_sampling_follow_the_rollout_context(tmp_path: Path) -> None:
    from turnwise.training.rollouts import RolloutContext

    config = small_config(
        tmp_path, rollout={"dtype": "bfloat16", "concurrency": 5, "max_tokens": 9}
    )
    tokenizer = made_tokenizer()
    rollout = RolloutContext(
        lambda: None, make_prompt("webshop/act@1"), tokenizer, qwen(), config, 3
    )  # type: ignore[arg-type,return-value]
    agent = rollout.agent(0.7, 12, top_p=0.8, entropies=True)
    asked = agent.sampling
    assert (asked.temperature, asked.top_p, asked.max_tokens, asked.entropies) == (
        0.7,
        0.8,
        9,
        True,
    )
    assert agent.engine.weights_version == 12 and rollout.agent(0.7, 13).engine is not agent.engine
    assert next(rollout.model.parameters()).dtype == torch.float32, (
        "the engine's copy must not touch the model that is trained"
    )
    plain = replace(rollout, config=small_config(tmp_path)).agent(1.0, 0)
    assert plain.sampling.top_p == 1.0 and not plain.sampling.entropies


def made_tokenizer() -> Any:
    from turnwise.training.config import Tiny
    from turnwise.training.model import tiny_tokenizer

    return tiny_tokenizer(
        ["user\n", "click[blue] search[table]"] * 30, Tiny(vocab=300, context=128)
    )
