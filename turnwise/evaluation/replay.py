"""Does a recording still happen? The determinism contract, checked on any file of trajectories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from turnwise.records import Trajectory


@dataclass(frozen=True, slots=True)
class Comparison:
    """Recorded trajectories against the ones that were replayed."""

    equal: int
    compared: int
    first: str
    """Where the first difference is; empty when there is none."""

    def __str__(self) -> str:
        if not self.compared:
            return "nothing was compared: no recorded episode was replayed"
        if self.equal == self.compared:
            return f"all {self.compared} replays equal the recording in every observation, state and reward"
        return f"{self.compared - self.equal} of {self.compared} replays differ from the recording, first {self.first}"


def compare_replays(recorded: Iterable[Trajectory], played: Sequence[Trajectory]) -> Comparison:
    """Observation, action, state and reward of every turn, and the outcome. A recording that broke
    off is compared by its turns.
    """
    again = {trajectory.uid: trajectory for trajectory in played}
    found = [_difference(before, again[before.uid]) for before in recorded if before.uid in again]
    different = [place for place in found if place]
    return Comparison(len(found) - len(different), len(found), different[0] if different else "")


def _difference(before: Trajectory, after: Trajectory) -> str:
    for number, (a, b) in enumerate(zip(before.turns, after.turns, strict=False), start=1):
        for what in ("observation", "action", "state", "next_state", "rewards"):
            if getattr(a, what) != getattr(b, what):
                return f"in the {what} of turn {number} of {before.uid}"
    if len(before.turns) != len(after.turns):
        return (
            f"in the number of turns of {before.uid} ({len(before.turns)} and {len(after.turns)})"
        )
    whole = before.error is None
    return (
        f"in the outcome of {before.uid}"
        if whole and (before.success, before.score) != (after.success, after.score)
        else ""
    )
