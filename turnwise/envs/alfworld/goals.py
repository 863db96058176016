"""Goals of a game: the six types of ALFWorld task, and how one is read from PDDL.

A goal asks for an object of one type and a receptacle (or lamp) of another. Two of the 3,827
official goals ask in addition that everything be closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from turnwise.errors import DataError

LOOK, PICK, TWO = "look_at_obj_in_light", "pick_and_place_simple", "pick_two_obj_and_place"
TREATMENTS = {
    "isclean": "pick_clean_then_place_in_recep",
    "ishot": "pick_heat_then_place_in_recep",
    "iscool": "pick_cool_then_place_in_recep",
}
TASK_TYPES = (PICK, LOOK, *TREATMENTS.values(), TWO)
_OBJECT = re.compile(r"\(objecttype \?(\w+) (\w+)\)")
_RECEPTACLE = re.compile(r"\(receptacletype \?r (\w+)\)")


@dataclass(frozen=True, slots=True)
class HouseholdGoal:
    """The goal of one game."""

    kind: str
    """The type of task, such as `pick_two_obj_and_place`."""
    object_type: str
    place_type: str
    """Type of the receptacle, or of the lamp."""
    treatment: str = ""
    """`isclean`, `ishot` or `iscool` if the object must be treated first."""
    all_closed: bool = False


def read_goal(text: str) -> HouseholdGoal:
    """Read the goal of a PDDL problem. Raises `DataError` for one that is none of the six."""
    objects, places = _OBJECT.findall(text), _RECEPTACLE.findall(text)
    closed = "(forall" in text
    if "issliced" in text or "inreceptacleobject" in text:
        raise DataError(
            "its goal needs sliced objects or movable receptacles, which the text games leave out"
        )
    if "istoggled" in text and {"o", "ot"} <= dict(objects).keys():
        types = dict(objects)
        return HouseholdGoal(LOOK, types["o"], types["ot"], all_closed=closed)
    if not objects or not places:
        raise DataError("its goal is none of the six kinds of ALFWorld task")
    treatment = next((name for name in TREATMENTS if name in text), "")
    kind = TWO if "?o2" in text else TREATMENTS.get(treatment, PICK)
    return HouseholdGoal(kind, objects[0][1], places[0], treatment, closed)
