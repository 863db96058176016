"""The rules: which commands are admissible in a state, what each does, and when a game is won.

As in the original, with its oddities (each found by playing both side by side): an object can be
examined only while it is held; `use` turns a lamp on and never off, and works in a closed
receptacle; heating, cooling and cleaning need only standing at the appliance; a receptacle takes
any number of objects; there is no `go to` for a receptacle at the present location; and taking an
object from one receptacle leaves it in any other that listed it.
"""

from __future__ import annotations

from collections.abc import Callable

from turnwise.envs.alfworld import text
from turnwise.envs.alfworld.compiled import CompiledGame
from turnwise.envs.alfworld.goals import LOOK, TWO
from turnwise.envs.alfworld.state import NOTHING, ParsedCommand, State, with_one, without_one

Effect = Callable[[CompiledGame, State, int, int], tuple[State, str]]

KNIVES = ("knifetype", "butterknifetype")
APPLIANCES = {
    "sinkbasintype": ("clean", "cleanable"),
    "microwavetype": ("heat", "heatable"),
    "fridgetype": ("cool", "coolable"),
}
"""By type of receptacle: what it does to a held object, and the property the object needs."""
_ALWAYS = {"look": ParsedCommand("look"), "inventory": ParsedCommand("inventory")}


def commands(game: CompiledGame, state: State) -> dict[str, ParsedCommand]:
    """Return every admissible command, parsed, in no particular order."""
    found = {command: parsed for command, parsed in game.walks if parsed.other != state.location}
    for place in game.here(state.location):
        _add_commands_at(game, state, place, found)
    held = state.held
    if held != NOTHING:
        name = game.objects[held]
        found["examine " + name] = ParsedCommand("examine object", held)
        if game.object_types[held] in KNIVES:
            for obj in state.lying[state.location]:
                if obj in game.sliceable:
                    found[f"slice {game.objects[obj]} with {name}"] = ParsedCommand(
                        "slice", obj, held
                    )
    found.update(_ALWAYS)
    if game.wording.help is not None:
        found["help"] = ParsedCommand("help")
    return found


def _add_commands_at(
    game: CompiledGame, state: State, place: int, found: dict[str, ParsedCommand]
) -> None:
    """Add the commands about a receptacle within reach."""
    name, held = game.receptacles[place], state.held
    closed = False
    if place in game.openable:
        closed = not state.opened >> place & 1
        verb = "open" if closed else "close"
        found[f"{verb} {name}"] = ParsedCommand(verb, place)
    found["examine " + name] = ParsedCommand("examine receptacle", place)
    for obj in state.contents[place]:
        if held == NOTHING and not closed and obj in game.pickupable:
            found[f"take {game.objects[obj]} from {name}"] = ParsedCommand("take", obj, place)
        if obj in game.toggleable:
            found["use " + game.objects[obj]] = ParsedCommand("use", obj)
    if held == NOTHING:
        return
    kind, thing = game.receptacle_types[place], game.objects[held]
    if not closed and (kind, game.object_types[held]) in game.fits:
        found[game.wording.put.format(thing, name)] = ParsedCommand("put", held, place)
    if kind in APPLIANCES:
        verb, allowed = APPLIANCES[kind]
        if held in getattr(game, allowed):
            found[f"{verb} {thing} with {name}"] = ParsedCommand(verb, held, place)


def act(game: CompiledGame, state: State, command: ParsedCommand) -> tuple[State, str]:
    """Return the state after an admissible command, and the answer to it.

    If nothing changes, the state returned is the very same object.
    """
    return _EFFECTS[command.verb](game, state, command.one, command.other)


def conditions(game: CompiledGame, state: State) -> list[bool]:
    """Return which conditions of the goal hold; the game is won if all do.

    Conditions are counted as ALFRED counts them (Shridhar et al. 2020, goal-condition success):
    the parts one by one, the whole last.

    * Look: an object of the type is held; a lit lamp of the type is within reach.
    * Place: one object is in a right receptacle.
    * Treat: the same; one has been treated; a treated one is in a right receptacle.
    * Two: one is in a right receptacle; two are in the same one.

    If everything must be closed, that is one more condition, the last.
    """
    goal = game.goal
    if goal.kind == LOOK:
        here = (obj for place in game.here(state.location) for obj in state.contents[place])
        found = [
            state.held in game.wanted,
            any(state.lit >> obj & 1 and obj in game.lamps for obj in here),
        ]
    else:
        inside = [
            [obj for obj in state.contents[place] if obj in game.wanted] for place in game.targets
        ]
        found = [any(inside)]
        if goal.kind == TWO:
            found.append(any(len(ones) > 1 for ones in inside))
        elif goal.treatment:
            treated = state.treated(goal.treatment)
            right = [obj for obj in game.treatable if treated >> obj & 1]
            found += [bool(right), any(obj in right for ones in inside for obj in ones)]
    if goal.all_closed:
        found.append(not state.opened)
    return found


# Effects of commands
# -------------------


def _go(game: CompiledGame, state: State, place: int, location: int) -> tuple[State, str]:
    after = state._replace(location=location)
    where = game.locations[location] if game.wording.names_location else game.receptacles[place]
    return after, f"You arrive at {where}. {text.receptacle(game, after, place)}"


def _open(game: CompiledGame, state: State, place: int, _: int) -> tuple[State, str]:
    after = state._replace(opened=state.opened | 1 << place)
    return after, f"You open the {game.receptacles[place]}. {text.receptacle(game, after, place)}"


def _close(game: CompiledGame, state: State, place: int, _: int) -> tuple[State, str]:
    after = state._replace(opened=state.opened & ~(1 << place))
    return after, f"You close the {game.receptacles[place]}."


def _take(game: CompiledGame, state: State, obj: int, place: int) -> tuple[State, str]:
    after = state._replace(
        held=obj,
        contents=without_one(state.contents, place, obj),
        lying=without_one(state.lying, state.location, obj),
        removed=tuple(sorted({*state.removed, (obj, place)})),
    )
    return after, f"You pick up the {game.objects[obj]} from the {game.receptacles[place]}."


def _put(game: CompiledGame, state: State, obj: int, place: int) -> tuple[State, str]:
    after = state._replace(
        held=NOTHING,
        contents=with_one(state.contents, place, obj),
        lying=with_one(state.lying, state.location, obj),
        removed=tuple(pair for pair in state.removed if pair != (obj, place)),
    )
    return after, game.wording.did_put.format(game.objects[obj], game.receptacles[place])


def _clean(game: CompiledGame, state: State, obj: int, place: int) -> tuple[State, str]:
    after = state._replace(clean=state.clean | 1 << obj)
    return after, _treated(game, "clean", obj, place)


def _heat(game: CompiledGame, state: State, obj: int, place: int) -> tuple[State, str]:
    after = state._replace(hot=state.hot | 1 << obj, cool=state.cool & ~(1 << obj))
    return after, _treated(game, "heat", obj, place)


def _cool(game: CompiledGame, state: State, obj: int, place: int) -> tuple[State, str]:
    after = state._replace(cool=state.cool | 1 << obj, hot=state.hot & ~(1 << obj))
    return after, _treated(game, "cool", obj, place)


def _treated(game: CompiledGame, verb: str, obj: int, place: int) -> str:
    return f"You {verb} the {game.objects[obj]} using the {game.receptacles[place]}."


def _use(game: CompiledGame, state: State, obj: int, _: int) -> tuple[State, str]:
    return state._replace(lit=state.lit | 1 << obj), f"You turn on the {game.objects[obj]}."


def _slice(game: CompiledGame, state: State, obj: int, knife: int) -> tuple[State, str]:
    after = state._replace(sliced=state.sliced | 1 << obj)
    return after, f"You sliced the {game.objects[obj]} with the {game.objects[knife]}."


_EFFECTS: dict[str, Effect] = {
    "go": _go, "open": _open, "close": _close, "take": _take, "put": _put,
    "clean": _clean, "heat": _heat, "cool": _cool, "use": _use, "slice": _slice,
    "examine receptacle": lambda game, state, place, _: (
        state, text.receptacle(game, state, place)
    ),
    "examine object": lambda game, state, obj, _: (state, text.thing(game, state, obj)),
    "look": lambda game, state, *_: (state, text.surroundings(game, state)),
    "inventory": lambda game, state, *_: (state, text.hands(game, state)),
    "help": lambda game, state, *_: (state, game.wording.help or text.NOTHING_HAPPENS),
}  # fmt: skip
