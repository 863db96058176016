"""Measuring an agent from the command line: scripted agents, a model, files, comparisons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnwise.evaluation import score as scores
from turnwise.records import read_jsonl

Run = Callable[..., Any]
SHOP = ("eval", "webshop", "-e", "style=compact")


def test_the_expert_reaches_one_on_every_generated_goal(turnwise: Run, tmp_path: Path) -> None:
    done = turnwise(*SHOP, "--agent", "expert", "--split", "test", "--json", tmp_path / "s.json")
    assert done.exit_code == 0 and "100.0 %" in done.stdout
    score = scores.read(tmp_path / "s.json")
    assert score.metrics.success.mean == 1.0 and score.metrics.errors == 0
    assert score.environment == "turnwise/WebShop-v0" and score.environment_args == {
        "style": "compact"
    }
    assert (score.split, len(score.task_ids), score.max_turns, score.agent) == (
        "test",
        score.split_tasks,
        15,
        "expert",
    )


def test_files_hold_what_was_played(turnwise: Run, tmp_path: Path) -> None:
    done = turnwise(
        *SHOP,
        "-a",
        "random",
        "--tasks",
        6,
        "--attempts",
        3,
        "--save",
        tmp_path / "t.jsonl",
        "--json",
        tmp_path / "s.json",
    )
    assert done.exit_code == 0 and "avg@3" in done.stdout and "pass@3" in done.stdout
    played, score = list(read_jsonl(tmp_path / "t.jsonl")), scores.read(tmp_path / "s.json")
    assert (
        len(played) == 18
        and {t.task for t in played} == set(score.task_ids)
        and score.attempts == 3
    )


def test_the_same_command_gives_the_same_score(turnwise: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        turnwise(*SHOP, "-a", "random", "--tasks", 5, "--seed", 4, "--json", tmp_path / name)
    a, b = (json.loads((tmp_path / name).read_text()) for name in ("a", "b"))
    for score in (a, b):
        del score["wall_seconds"], score["created"]
    assert a == b


def test_a_score_against_a_baseline(turnwise: Run, tmp_path: Path) -> None:
    turnwise(*SHOP, "-a", "random", "--tasks", 12, "--json", tmp_path / "random.json")
    done = turnwise(*SHOP, "-a", "expert", "--tasks", 20, "--baseline", tmp_path / "random.json")
    assert done.exit_code == 0 and "over 12 shared tasks, the interval excludes zero" in done.stdout
    other = turnwise(
        "eval",
        "webshop",
        "-e",
        "style=compact",
        "-e",
        "catalogue_seed=9",
        "--baseline",
        tmp_path / "random.json",
    )
    assert (other.exit_code, other.stdout) == (2, "")
    assert "the two scores cannot be compared: their data hash differs" in other.stderr


def test_a_model_plays(turnwise: Run, tiny: Path, tmp_path: Path) -> None:
    arguments = (
        *SHOP,
        "-a",
        tiny,
        "--tasks",
        3,
        "--max-turns",
        2,
        "--max-tokens",
        8,
        "--json",
        tmp_path / "s.json",
    )
    done = turnwise(
        *arguments, "--temperature", 0.5, "--attempts", 2, "--save", tmp_path / "t.jsonl"
    )
    assert done.exit_code == 0, done.stderr
    score = scores.read(tmp_path / "s.json")
    assert (score.prompt, score.agent, score.max_turns) == ("webshop/react@1", str(tiny), 2)
    assert score.sampling == {"temperature": 0.5, "top_p": 1.0, "top_k": 0, "max_tokens": 8}
    assert score.metrics.errors == 0 and 0 < score.metrics.generated_tokens <= 16
    played = list(read_jsonl(tmp_path / "t.jsonl"))
    assert all(
        turn.prompt_ids and turn.completion_ids and turn.logprobs
        for t in played
        for turn in t.turns
    )
    first, second = played[0], played[1]
    assert (
        first.task == second.task
        and first.turns[0].completion_ids != second.turns[0].completion_ids
    )


def test_a_trained_model_is_measured_where_it_was_trained(
    turnwise: Run, tiny: Path, tmp_path: Path
) -> None:
    model = tmp_path / "run" / "model"
    shutil.copytree(tiny, model)
    options = {"products": 40, "style": "compact", "settings": {"distractors": 1}}
    (tmp_path / "run" / "config.json").write_text(
        json.dumps({"env": {"name": "webshop", "options": options}}), encoding="utf8"
    )
    some = (
        "-a",
        model,
        "--tasks",
        1,
        "--max-turns",
        1,
        "--max-tokens",
        2,
        "--json",
        tmp_path / "s.json",
    )
    done = turnwise("eval", "webshop", *some)
    assert (
        done.exit_code == 0
        and "using the environment settings this model was trained with" in done.stderr
    )
    assert scores.read(tmp_path / "s.json").environment_args == {
        name: str(value) for name, value in options.items()
    }
    asked = turnwise("eval", "webshop", *some, "-e", "products=50", "-e", "style=compact")
    assert asked.exit_code == 0 and scores.read(tmp_path / "s.json").environment_args == {
        "products": "50",
        "style": "compact",
    }


def test_greedy_attempts_are_pointed_out(turnwise: Run, tiny: Path) -> None:
    done = turnwise(
        *SHOP, "-a", tiny, "--tasks", 1, "--max-turns", 1, "--max-tokens", 2, "--attempts", 2
    )
    assert done.exit_code == 0 and "greedy attempts at a task are all the same" in done.stderr


def test_the_prompt_can_be_chosen(turnwise: Run, tiny: Path, tmp_path: Path) -> None:
    some = ("--tasks", 1, "--max-turns", 1, "--max-tokens", 2, "--json", tmp_path / "s.json")
    assert turnwise(*SHOP, "-a", tiny, *some, "--prompt", "webshop/act@1").exit_code == 0
    assert scores.read(tmp_path / "s.json").prompt == "webshop/act@1"


def test_interrupted_says_that_there_is_no_score(
    turnwise: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("turnwise.agents.scripted.expert_action", stop)
    done = turnwise(*SHOP, "--json", tmp_path / "s.json")
    assert done.exit_code == 130 and "interrupted: no score was written" in done.stderr
    assert not (tmp_path / "s.json").exists()
