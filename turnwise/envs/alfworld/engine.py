"""The rules: which commands there are in a state, and what each does.

As in the original, with its oddities (each found by playing both side by side): an object can be
examined only while it is held; `use` turns a lamp on and never off, and works in a closed
receptacle; heating, cooling and cleaning need only standing at the appliance; there is no limit to
what a receptacle takes; a receptacle at the place where one stands cannot be gone to; taking an
object from one receptacle leaves it in any other that listed it.
"""

from __future__ import annotations

from collections.abc import Callable

from turnwise.envs.alfworld import text
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.state import NOTHING, Command, State, with_one, without_one

Effect = Callable[[Game, State, int, int], tuple[State, str]]

KNIVES = ("knifetype", "butterknifetype")


APPLIANCES = {
    "sinkbasintype": ("clean", "cleanable"),
    "microwavetype": ("heat", "heatable"),
    "fridgetype": ("cool", "coolable"),
}
"""By type of receptacle: what can be done with it to a held object, and to which objects."""
_ALWAYS = {"look": Command("look"), "inventory": Command("inventory")}


def commands(game: Game, state: State) -> dict[str, Command]:
    """Every admissible command and what it means, in no particular order."""
    found = {command: meaning for command, meaning in game.walks if meaning.other != state.location}
    for place in game.here(state.location):
        _at(game, state, place, found)
    held = state.held
    if held != NOTHING:
        name = game.objects[held]
        found["examine " + name] = Command("examine object", held)
        if game.object_types[held] in KNIVES:
            for one in state.lying[state.location]:
                if one in game.sliceable:
                    found[f"slice {game.objects[one]} with {name}"] = Command("slice", one, held)
    found.update(_ALWAYS)
    if game.wording.help is not None:
        found["help"] = Command("help")
    return found


def _at(game: Game, state: State, place: int, found: dict[str, Command]) -> None:
    """Add the commands about a receptacle that is here."""
    name, held = game.receptacles[place], state.held
    closed = False
    if place in game.openable:
        closed = not state.opened >> place & 1
        verb = "open" if closed else "close"
        found[f"{verb} {name}"] = Command(verb, place)
    found["examine " + name] = Command("examine receptacle", place)
    for one in state.contents[place]:
        if held == NOTHING and not closed and one in game.pickupable:
            found[f"take {game.objects[one]} from {name}"] = Command("take", one, place)
        if one in game.toggleable:
            found["use " + game.objects[one]] = Command("use", one)
    if held == NOTHING:
        return
    kind, thing = game.receptacle_types[place], game.objects[held]
    if not closed and (kind, game.object_types[held]) in game.fits:
        found[game.wording.put.format(thing, name)] = Command("put", held, place)
    if kind in APPLIANCES:
        verb, allowed = APPLIANCES[kind]
        if held in getattr(game, allowed):
            found[f"{verb} {thing} with {name}"] = Command(verb, held, place)


def act(game: Game, state: State, command: Command) -> tuple[State, str]:
    """The state after an admissible command, and the answer to it. The very same state where
    nothing changes.
    """
    return _EFFECTS[command.verb](game, state, command.one, command.other)


def _go(game: Game, state: State, place: int, location: int) -> tuple[State, str]:
    after = state._replace(location=location)
    where = game.locations[location] if game.wording.names_location else game.receptacles[place]
    return after, f"You arrive at {where}. {text.receptacle(game, after, place)}"


def _open(game: Game, state: State, place: int, _: int) -> tuple[State, str]:
    after = state._replace(opened=state.opened | 1 << place)
    return after, f"You open the {game.receptacles[place]}. {text.receptacle(game, after, place)}"


def _close(game: Game, state: State, place: int, _: int) -> tuple[State, str]:
    return state._replace(
        opened=state.opened & ~(1 << place)
    ), f"You close the {game.receptacles[place]}."


def _take(game: Game, state: State, one: int, place: int) -> tuple[State, str]:
    after = state._replace(
        held=one, contents=without_one(state.contents, place, one), lying=without_one(state.lying, state.location, one),
        removed=tuple(sorted({*state.removed, (one, place)})),
    )  # fmt: skip
    return after, f"You pick up the {game.objects[one]} from the {game.receptacles[place]}."


def _put(game: Game, state: State, one: int, place: int) -> tuple[State, str]:
    after = state._replace(
        held=NOTHING, contents=with_one(state.contents, place, one), lying=with_one(state.lying, state.location, one),
        removed=tuple(pair for pair in state.removed if pair != (one, place)),
    )  # fmt: skip
    return after, game.wording.did_put.format(game.objects[one], game.receptacles[place])


def _clean(game: Game, state: State, one: int, place: int) -> tuple[State, str]:
    return state._replace(clean=state.clean | 1 << one), _using(game, "clean", one, place)


def _heat(game: Game, state: State, one: int, place: int) -> tuple[State, str]:
    return state._replace(hot=state.hot | 1 << one, cool=state.cool & ~(1 << one)), _using(
        game, "heat", one, place
    )


def _cool(game: Game, state: State, one: int, place: int) -> tuple[State, str]:
    return state._replace(cool=state.cool | 1 << one, hot=state.hot & ~(1 << one)), _using(
        game, "cool", one, place
    )


def _using(game: Game, verb: str, one: int, place: int) -> str:
    return f"You {verb} the {game.objects[one]} using the {game.receptacles[place]}."


def _use(game: Game, state: State, one: int, _: int) -> tuple[State, str]:
    return state._replace(lit=state.lit | 1 << one), f"You turn on the {game.objects[one]}."


def _slice(game: Game, state: State, one: int, knife: int) -> tuple[State, str]:
    return state._replace(
        sliced=state.sliced | 1 << one
    ), f"You sliced the {game.objects[one]} with the {game.objects[knife]}."


_EFFECTS: dict[str, Effect] = {
    "go": _go, "open": _open, "close": _close, "take": _take, "put": _put, "clean": _clean, "heat": _heat, "cool": _cool,
    "use": _use, "slice": _slice,
    "examine receptacle": lambda game, state, place, _: (state, text.receptacle(game, state, place)),
    "examine object": lambda game, state, one, _: (state, text.thing(game, state, one)),
    "look": lambda game, state, *_: (state, text.surroundings(game, state)),
    "inventory": lambda game, state, *_: (state, text.hands(game, state)),
    "help": lambda game, state, *_: (state, game.wording.help or text.NOTHING_HAPPENS),
}  # fmt: skip
