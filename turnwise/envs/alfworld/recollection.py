"""An episode remembered: its actions played again in an imagined copy of the game, and what a
player saw on the way.

What was seen is a function of the actions, so an environment keeps nothing for the explorer's sake:
a snapshot, a fork and a pickle carry the actions anyway. A recollection is a value and goes on from
an earlier one of the same episode, so that asking at every turn costs one imagined step each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnwise.envs.alfworld import text
from turnwise.envs.alfworld.engine import act, commands
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.memory import Memory
from turnwise.envs.alfworld.state import Command, State


@dataclass(frozen=True, slots=True)
class Recollection:
    """Where some actions lead, and what was seen."""

    game: Game
    actions: tuple[str, ...]
    state: State
    offered: dict[str, Command]
    """What can be done there."""
    memory: Memory


def recall(game: Game, actions: Sequence[str], earlier: Recollection | None = None) -> Recollection:
    """What was seen in the episode of `actions`. `earlier` is used where it is of this episode."""
    done = tuple(actions)
    if (
        earlier is None
        or earlier.game is not game
        or done[: len(earlier.actions)] != earlier.actions
    ):
        offered = commands(game, game.start)
        earlier = Recollection(
            game, (), game.start, offered, Memory.of(text.opening(game), offered)
        )
    state, offered, memory = earlier.state, earlier.offered, earlier.memory
    for action in done[len(earlier.actions) :]:
        command = offered.get(action.strip())
        if command is not None:
            state, answer = act(game, state, command)
            offered = commands(game, state)
            memory = memory.after(answer, offered)
    return Recollection(game, done, state, offered, memory)
