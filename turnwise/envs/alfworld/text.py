"""What the player reads: the original's grammar, said in Python.

Its habits are kept: always `a` (`a apple 1`), lists that end in `, and ` even after two, `cold`
only where an object is cool and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.state import NOTHING, State

WELCOME = "-= Welcome to TextWorld, ALFRED! =-"
NOTHING_HAPPENS = "Nothing happens."


def listed(names: Sequence[str]) -> str:
    """Names in a row: `nothing`, `x`, `x, and y`."""
    if len(names) < 2:
        return names[0] if names else "nothing"
    return ", ".join(names[:-1]) + ", and " + names[-1]


def opening(game: Game) -> str:
    """What is shown before the first action."""
    return (
        f"{WELCOME}\n\n{surroundings(game, game.start, first=True)}\n\nYour task is to: {game.task}"
    )


def surroundings(game: Game, state: State, first: bool = False) -> str:
    """The answer to `look`. Away from furniture the receptacles are listed only the first time.

    What lies next to a receptacle is what was taken from it and put in another one at the same
    location.
    """
    here = game.here(state.location)
    if not here:
        seen = [f"a {game.receptacles[place]}" for place, _ in game.tour] if first else []
        return (
            f"You are in the middle of a room. Looking quickly around you, you see {listed(seen)}."
        )
    beside = [
        f"a {game.objects[one]}"
        for one in state.lying[state.location]
        for place in here
        if (one, place) in state.removed
    ]
    return f"You are facing the {listed([game.receptacles[place] for place in here])}. Next to it, you see {listed(beside)}."


def receptacle(game: Game, state: State, place: int) -> str:
    """What is in or on a receptacle."""
    name = game.receptacles[place]
    if place in game.openable and not state.opened >> place & 1:
        return f"The {name} is closed."
    inside = listed([f"a {game.objects[one]}" for one in state.contents[place]])
    return (
        f"The {name} is open. In it, you see {inside}."
        if place in game.openable
        else f"On the {name}, you see {inside}."
    )


def thing(game: Game, state: State, one: int) -> str:
    """What is to be said about an object."""
    name = game.objects[one]
    if one in game.holding:
        return f"This is a normal {name}. In it, you see {listed([f'a {game.objects[other]}' for other in game.holding[one]])}."
    clean, hot, cool, sliced = (
        mask >> one & 1 for mask in (state.clean, state.hot, state.cool, state.sliced)
    )
    warmth = "hot" if hot else "cool" if cool else ""
    if sliced and (clean or warmth):
        both = " and ".join(word for word in (warmth, "clean" if clean else "") if word)
        return f"This is a {both} sliced {name}."
    if clean and warmth:
        return f"This is a {warmth} and clean {name}."
    if clean or warmth:
        return f"This is a {'clean' if clean else 'cold' if cool else 'hot'} {name}."
    if one in game.toggleable and state.lit >> one & 1:
        return f"This {name} is on."
    if sliced and one in game.sliceable:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."


def hands(game: Game, state: State) -> str:
    """The answer to `inventory`."""
    return (
        "You are not carrying anything."
        if state.held == NOTHING
        else f"You are carrying: a {game.objects[state.held]}."
    )
