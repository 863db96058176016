"""A replay differs where it differs: the first turn, by the name of what is not the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.made_episodes import broken, episode, turn
from turnwise.evaluation.runner import compare_replays
from turnwise.records import Trajectory

CHANGES: dict[str, Any] = {
    "observation": "another page", "action": "y", "state": "s2", "next_state": "t2",
    "rewards": {"env": 0.5},
}  # fmt: skip


def played(uid: str = "a", turns: int = 3) -> Trajectory:
    return episode(1, True, uid=uid, turns=tuple(turn() for _ in range(turns)))


def changed(trajectory: Trajectory, at: int, **what: Any) -> Trajectory:
    turns = list(trajectory.turns)
    turns[at] = replace(turns[at], **what)
    return replace(trajectory, turns=tuple(turns))


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("at", [0, 2])
def test_each_part_of_each_turn_counts(what: str, at: int) -> None:
    found = compare_replays([played()], [changed(played(), at, **{what: CHANGES[what]})])
    assert (found.equal, found.compared) == (0, 1)
    assert found.first == f"in the {what} of turn {at + 1} of a" and "1 of 1 replays differ" in str(
        found
    )


def test_what_the_agent_was_and_how_long_it_took_does_not() -> None:
    other = changed(
        played(),
        1,
        agent="replay",
        wall_seconds=9.0,
        completion="said otherwise",
        weights_version=7,
    )
    found = compare_replays([played()], [other])
    assert found.equal == 1 and "all 1 replays equal" in str(found)


@given(order=st.permutations(range(4)), wrong=st.sets(st.integers(0, 3)))
def test_episodes_are_paired_by_uid_in_any_order(order: list[int], wrong: set[int]) -> None:
    recorded = [played(f"e{k}") for k in range(4)]
    again = [changed(recorded[k], 0, state="other") if k in wrong else recorded[k] for k in order]
    found = compare_replays(recorded, again)
    assert (found.equal, found.compared) == (4 - len(wrong), 4)
    assert found.first == (f"in the state of turn 1 of e{min(wrong)}" if wrong else "")


def test_an_errored_recording_is_compared_by_its_turns() -> None:
    before = replace(played(), error="the engine stopped", success=False, score=0.0)
    assert compare_replays([before], [played()]).equal == 1
    assert compare_replays([before], [changed(played(), 1, action="y")]).equal == 0


def test_an_errored_replay_is_a_difference() -> None:
    found = compare_replays([played()], [replace(broken(1), uid="a")])
    assert found.first == "in the number of turns of a (3 and 0)"


def test_nothing_compared_is_not_called_equal() -> None:
    found = compare_replays([played("a")], [played("b")])
    assert found.compared == 0 and "nothing was compared" in str(found)
