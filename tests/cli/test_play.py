"""A person plays: numbers, blanks, undo, hints, leaving, saving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.cli.manual_episode import ManualEpisode, action_of, fill
from turnwise.envs.registry import make
from turnwise.records import read_jsonl

Run = Callable[..., Any]
SHOP = ("play", "webshop", "-e", "style=compact")
ADMISSIBLE = ["search[<your query>]", "click[back to search]"]


def test_what_a_line_means() -> None:
    assert action_of("2", ADMISSIBLE) == ("click[back to search]", None)
    assert action_of("1", ADMISSIBLE) == ("search[<your query>]", "your query")
    assert action_of("1 red shoes", ADMISSIBLE) == ("search[red shoes]", None)
    assert action_of("click[b1]", ADMISSIBLE) == ("click[b1]", None)
    assert action_of("3", ADMISSIBLE) == ("3", None) and action_of("0", ADMISSIBLE) == ("0", None)


@given(st.text(min_size=1))
def test_a_blank_takes_any_text(text: str) -> None:
    assert fill("search[<your query>]", text) == f"search[{text}]"


def solve(task: int) -> list[str]:
    env = make("webshop", style="compact")
    env.reset(options={"task": task})
    actions = []
    while (action := env.expert_action()) is not None:
        actions.append(action)
        if env.step(action)[2]:
            return actions
    raise AssertionError("the expert stopped before the end")


def test_an_episode_through_a_pipe(turnwise: Run, tmp_path: Path) -> None:
    saved = tmp_path / "mine.jsonl"
    actions = solve(3)
    done = turnwise(*SHOP, "--task", 3, "--save", saved, input="\n".join(actions))
    assert done.exit_code == 0 and "success, score 1.000" in done.stdout
    (trajectory,) = read_jsonl(saved)
    assert [turn.action for turn in trajectory.turns] == actions
    assert (trajectory.success, trajectory.score, trajectory.stop_reason, trajectory.error) == (
        True,
        1.0,
        "terminated",
        None,
    )
    assert (
        trajectory.turns[0].next_state == trajectory.turns[1].state
        and trajectory.turns[-1].rewards["env"] == 1.0
    )


def test_its_recording_is_replayed(turnwise: Run, tmp_path: Path) -> None:
    saved = tmp_path / "mine.jsonl"
    for task in (3, 4):
        turnwise(*SHOP, "--task", task, "--save", saved, input="\n".join(solve(task)))
    done = turnwise(
        "eval", "webshop", "-e", "style=compact", "--agent", f"replay:{saved}", "--split", "train"
    )
    assert done.exit_code == 0 and "all 2 replays equal the recording" in done.stdout


def test_numbers_and_blanks(turnwise: Run) -> None:
    done = turnwise(*SHOP, "--task", 3, input="1\nred shoes\n1\n1 blue\nquit\n")
    assert (
        "your query: red shoes" in done.stdout
        and "turn 4 of 15" in done.stdout
        and "left at turn 4" in done.stdout
    )


def test_an_empty_blank_does_nothing(turnwise: Run) -> None:
    done = turnwise(*SHOP, "--task", 3, input="1\n\nquit\n")
    assert "no text was typed" in done.stdout and "left at turn 1" in done.stdout


def test_undo_goes_back_and_can_be_repeated(turnwise: Run) -> None:
    done = turnwise(*SHOP, "--task", 3, input="1 red\n1 blue\nundo\nundo\nundo\n")
    assert "this is the first turn" in done.stdout and "left at turn 1" in done.stdout


def test_undo_restores_every_byte() -> None:
    env = make("webshop", style="compact")
    game = ManualEpisode.start(env, 15, {"task": 3}, None)
    shown = []
    for action in solve(3)[:-1]:
        shown.append((game.observation, game.info["state"], game.info["admissible"]))
        game.act(action)
    while shown:
        assert game.undo()
        assert (game.observation, game.info["state"], game.info["admissible"]) == shown.pop()
    assert not game.undo() and game.turns == []


def test_hint_is_the_expert_s(turnwise: Run) -> None:
    done = turnwise(*SHOP, "--task", 3, input="hint\n:hint\n")
    assert done.stdout.count(f"expert: {solve(3)[0]}") == 2


def test_a_number_out_of_range_costs_no_turn(turnwise: Run) -> None:
    done = turnwise(*SHOP, "--task", 3, input="77\nnonsense\nquit\n")
    assert "there is no action 77: choose 1 to 1" in done.stdout
    assert "nonsense is not a valid action" in done.stdout and "left at turn 2" in done.stdout


def test_the_turn_limit_ends_it(turnwise: Run) -> None:
    done = turnwise(*SHOP, "--task", 3, input="nonsense\n" * 20)
    assert done.exit_code == 0 and "no success (turn limit), score 0.000 in 15 turns" in done.stdout


def test_leaving_saves_an_episode_that_broke_off(turnwise: Run, tmp_path: Path) -> None:
    saved = tmp_path / "mine.jsonl"
    assert turnwise(*SHOP, "--save", saved, "--seed", 1, input="1 red\nquit\n").exit_code == 0
    (trajectory,) = read_jsonl(saved)
    assert trajectory.error == "the player left before the end" and len(trajectory.turns) == 1
    done = turnwise("eval", "webshop", "-e", "style=compact", "--agent", f"replay:{saved}")
    assert done.exit_code == 2 and "no complete episode" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--task", "99999"), "there is no goal 99999: this WebShop has"),
        (("--task", "shoes"), "shoes"),
        (("--split", "tst"), "there is no split 'tst' here: choose one of train, dev, test"),
    ],
)
def test_tasks_that_are_not_there(turnwise: Run, arguments: tuple[str, ...], says: str) -> None:
    done = turnwise(*SHOP, *arguments, input="")
    assert done.exit_code == 2 and says in done.stderr and done.stderr.count("\n") == 1
