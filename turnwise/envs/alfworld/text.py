"""The text of observations: the original's grammar in Python.

Its habits are kept: always `a` (`a apple 1`), lists that end in `, and ` even after two, and `cold`
only for an object that is cool and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from turnwise.envs.alfworld.compiled import CompiledGame
from turnwise.envs.alfworld.state import NOTHING, State

WELCOME = "-= Welcome to TextWorld, ALFRED! =-"
NOTHING_HAPPENS = "Nothing happens."


def listed(names: Sequence[str]) -> str:
    """Return names as a list in prose: `nothing`, `x`, `x, and y`."""
    if len(names) < 2:
        return names[0] if names else "nothing"
    return ", ".join(names[:-1]) + ", and " + names[-1]


def opening(game: CompiledGame) -> str:
    """Return the first observation of an episode."""
    return (
        f"{WELCOME}\n\n{surroundings(game, game.start, first=True)}\n\nYour task is to: {game.task}"
    )


def surroundings(game: CompiledGame, state: State, first: bool = False) -> str:
    """Return the answer to `look`; away from furniture receptacles are listed only at `first`.

    Objects "next to" a receptacle were taken from it and put in another one at the same location.
    """
    here = game.here(state.location)
    if not here:
        seen = [f"a {game.receptacles[place]}" for place, _ in game.tour] if first else []
        around = "You are in the middle of a room. Looking quickly around you, you see"
        return f"{around} {listed(seen)}."
    beside = [
        f"a {game.objects[obj]}"
        for obj in state.lying[state.location]
        for place in here
        if (obj, place) in state.removed
    ]
    facing = listed([game.receptacles[place] for place in here])
    return f"You are facing the {facing}. Next to it, you see {listed(beside)}."


def receptacle(game: CompiledGame, state: State, place: int) -> str:
    """Return what is in or on a receptacle."""
    name = game.receptacles[place]
    if place in game.openable and not state.opened >> place & 1:
        return f"The {name} is closed."
    inside = listed([f"a {game.objects[obj]}" for obj in state.contents[place]])
    if place in game.openable:
        return f"The {name} is open. In it, you see {inside}."
    return f"On the {name}, you see {inside}."


def thing(game: CompiledGame, state: State, obj: int) -> str:
    """Return the description of an object."""
    name = game.objects[obj]
    if obj in game.holding:
        inside = listed([f"a {game.objects[other]}" for other in game.holding[obj]])
        return f"This is a normal {name}. In it, you see {inside}."
    clean, hot, cool, sliced = (
        mask >> obj & 1 for mask in (state.clean, state.hot, state.cool, state.sliced)
    )
    warmth = "hot" if hot else "cool" if cool else ""
    if sliced and (clean or warmth):
        both = " and ".join(word for word in (warmth, "clean" if clean else "") if word)
        return f"This is a {both} sliced {name}."
    if clean and warmth:
        return f"This is a {warmth} and clean {name}."
    if clean or warmth:
        return f"This is a {'clean' if clean else 'cold' if cool else 'hot'} {name}."
    if obj in game.toggleable and state.lit >> obj & 1:
        return f"This {name} is on."
    if sliced and obj in game.sliceable:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."


def hands(game: CompiledGame, state: State) -> str:
    """Return the answer to `inventory`."""
    if state.held == NOTHING:
        return "You are not carrying anything."
    return f"You are carrying: a {game.objects[state.held]}."
