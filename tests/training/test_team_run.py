"""Runs of a team, with a shared model and with one for each role; interrupted runs are exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from tests.training.made_training import small_config
from turnwise.cli.app import commands
from turnwise.errors import ConfigError
from turnwise.records import read_jsonl
from turnwise.training import loop
from turnwise.training.config import Config, load_config
from turnwise.training.loop import Interrupted, train
from turnwise.training.run_folder import read_metrics

ROLES = ("verifier", "searcher", "answerer")
CONFIG = Path(__file__).resolve().parents[2] / "configs" / "dr_mas.toml"


def config_of(directory: Path, shared: bool, **sections: dict[str, Any]) -> Config:
    options = {
        "style": "compact",
        "worlds": 6,
        "entities": 12,
        "per_world": 4,
        "hops": [1],
        "kinds": ["chain"],
        "k": 1,
    }
    team = {
        "name": "searcher_verifier_answerer",
        "style": "act",
        "shared": shared,
        "options": {"searches": 2},
    }
    return small_config(
        directory, **{
            "env": {"name": "search", "options": options}, "prompt": {"name": ""}, "team": team,
            "algorithm": {"name": "dr_mas", "options": {"entropy_bonus": 0.01}},
            "rollout": {"tasks": 2, "group_size": 2, "max_tokens": 8, "max_turns": 4},
            "warm_start": {"episodes": 8, "noise": 0.2},
            "train": {"steps": 2, "checkpoint_every": 1, "trajectories_every": 1},
            "eval": {"tasks": 2, "dev_tasks": 2, "temperature": 0.7},
            **sections,
        }
    )  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.parent.name}/{name}": value
        for path in sorted((folder / "model").rglob("model.safetensors"))
        for name, value in load_file(path).items()
    }


@pytest.mark.parametrize("shared", [True, False])
def test_an_interrupted_team_run_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:  # fmt: skip
    whole = train(config_of(tmp_path / "whole", shared))
    collect = loop.collect

    def stopping(context: Any, recipe: Any, tasks: Any, step: int, history: Any) -> Any:
        if step == 1:
            raise KeyboardInterrupt
        return collect(context, recipe, tasks, step, history)

    config = config_of(tmp_path / "broken", shared)
    with monkeypatch.context() as patched:
        patched.setattr(loop, "collect", stopping)
        with pytest.raises(Interrupted, match="after step 1"):
            train(config)
    broken = train(config)
    wanted, found = weights(whole), weights(broken)
    assert wanted.keys() == found.keys() and all(
        torch.equal(found[name], wanted[name]) for name in wanted
    )
    where = {path.parent.name for path in (whole / "model").rglob("model.safetensors")}
    assert where == ({"model"} if shared else set(ROLES))
    assert all(
        (path.parent / "tokenizer.json").is_file()
        for path in (whole / "model").rglob("model.safetensors")
    )
    played = list(read_jsonl(whole / "trajectories" / "step-000001.jsonl"))
    assert {turn.agent for t in played for turn in t.turns} >= {"verifier"} and all(
        t.error is None for t in played
    )
    metrics = list(read_metrics(whole))
    assert ("verifier/policy_loss" in metrics[0]) is not shared
    facts = json.loads((whole / "facts.json").read_text())
    assert facts["prompt"] == "searcher_verifier_answerer/act@1" and len(facts["prompt_hash"]) == 32
    again = tmp_path / "again.json"
    files = ["--agent", str(whole / "model"), "--json", str(again)]
    limits = ["--tasks", "2", "--max-tokens", "8", "--max-turns", "4", "--temperature", "0.7"]
    done = CliRunner().invoke(commands, ["eval", "search", "--split", "test", *files, *limits])
    assert done.exit_code == 0, done.output
    one, other = (json.loads(path.read_text()) for path in (whole / "after.json", again))
    assert one["task_ids"] == other["task_ids"] and one["data_hash"] == other["data_hash"]
    for name in ("turns", "generated_tokens", "context_tokens", "invalid_actions"):
        assert one["metrics"][name] == other["metrics"][name]
    if not shared:  # trained apart, they are different models now
        one, other = (weights(whole)[f"{role}/model.embed_tokens.weight"] for role in ROLES[:2])
        assert not torch.equal(one, other)


def test_a_team_has_prompts_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prompt\.name and team\.name"):
        train(config_of(tmp_path, True, prompt={"name": "webshop/act@1"}))


def test_the_shipped_config_is_read() -> None:
    config = load_config(CONFIG, ["team.shared=false"])
    assert (
        config.algorithm.name == "dr_mas"
        and config.team.name == "searcher_verifier_answerer"
        and not config.team.shared
    )
    with pytest.raises(ConfigError, match="did you mean 'shared'"):
        load_config(CONFIG, ["team.share=true"])
