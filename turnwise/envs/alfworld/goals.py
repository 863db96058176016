"""What has to be true in the end: the six kinds of task, and how much of one has been done.

A goal asks for an object of one type and a receptacle (or lamp) of another. Its conditions are
counted as ALFRED counts them (Shridhar et al. 2020, goal-condition success): parts one by one, and
last the whole. Two of the 3,827 official goals ask in addition that everything be closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from turnwise.errors import DataError

if TYPE_CHECKING:
    from turnwise.envs.alfworld.game import Game
    from turnwise.envs.alfworld.state import State

LOOK, PICK, TWO = "look_at_obj_in_light", "pick_and_place_simple", "pick_two_obj_and_place"
TREATMENTS = {
    "isclean": "pick_clean_then_place_in_recep",
    "ishot": "pick_heat_then_place_in_recep",
    "iscool": "pick_cool_then_place_in_recep",
}
TASK_TYPES = (PICK, LOOK, *TREATMENTS.values(), TWO)
_OBJECT = re.compile(r"\(objecttype \?(\w+) (\w+)\)")
_PLACE = re.compile(r"\(receptacletype \?r (\w+)\)")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a game asks for."""

    kind: str
    """The type of task, such as `pick_two_obj_and_place`."""
    object_type: str
    place_type: str
    """Type of the receptacle, or of the lamp."""
    treatment: str = ""
    """`isclean`, `ishot` or `iscool`, where the object must be treated first."""
    all_closed: bool = False


def read_goal(text: str) -> Goal:
    """The goal a PDDL text says. Raises `DataError` for one that is none of the six."""
    objects, places = _OBJECT.findall(text), _PLACE.findall(text)
    closed = "(forall" in text
    if "issliced" in text or "inreceptacleobject" in text:
        raise DataError(
            "its goal needs sliced objects or movable receptacles, which the text games leave out"
        )
    if "istoggled" in text and {"o", "ot"} <= dict(objects).keys():
        types = dict(objects)
        return Goal(LOOK, types["o"], types["ot"], all_closed=closed)
    if not objects or not places:
        raise DataError("its goal is none of the six kinds of ALFWorld task")
    treatment = next((name for name in TREATMENTS if name in text), "")
    kind = TWO if "?o2" in text else TREATMENTS.get(treatment, PICK)
    return Goal(kind, objects[0][1], places[0], treatment, closed)


def conditions(game: Game, state: State) -> list[bool]:
    """Which conditions of the goal hold. The game is won where all do.

    In order, look: an object of the type is held; a lit lamp of the type is here. Place: one is in
    a right receptacle;
    treated: one has been treated; a treated one is in a right receptacle. Two: one is there; two
    are in the same one. Where everything must be closed, that comes last.
    """
    goal = game.goal
    if goal.kind == LOOK:
        here = (one for place in game.here(state.location) for one in state.contents[place])
        found = [
            state.held in game.wanted,
            any(state.lit >> one & 1 and one in game.lamps for one in here),
        ]
    else:
        inside = [
            [one for one in state.contents[place] if one in game.wanted] for place in game.targets
        ]
        found = [any(inside)]
        if goal.kind == TWO:
            found.append(any(len(ones) > 1 for ones in inside))
        elif goal.treatment:
            treated = state.treated(goal.treatment)
            right = [one for one in game.treatable if treated >> one & 1]
            found += [bool(right), any(one in right for ones in inside for one in ones)]
    if goal.all_closed:
        found.append(not state.opened)
    return found
