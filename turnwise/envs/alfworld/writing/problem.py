"""PDDL problem of a compiled game, with made-up ids, that reads back as the very same game.

Observations depend on ids only through their order: within a type, names count down, and lists
follow the order. So an id here is the type and the place in the count. What a compiled game does
not hold (coordinates, THOR's own ids) is lost, without effect on play.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from turnwise.envs.alfworld.compiled import CompiledGame
from turnwise.envs.alfworld.game_file import SIGNS
from turnwise.envs.alfworld.goals import LOOK, TWO, HouseholdGoal
from turnwise.envs.alfworld.writing.domain import NAMED_TYPES

_ABLE = {"isclean": "cleanable", "ishot": "heatable", "iscool": "coolable"}
_DONE = {"isclean": "isClean", "ishot": "isHot", "iscool": "isCool"}
_NUMBERED = re.compile(r"(\S+) (\d+)")
_SETS = ("pickupable", "toggleable", "cleanable", "heatable", "coolable", "sliceable")
AGENT = "agent1"
ALFRED_TYPES = """
" AlarmClock Apple ArmChair BaseballBat BasketBall Bathtub BathtubBasin Bed Blinds Book Boots
Bowl Box Bread ButterKnife CD Cabinet Candle Cart CellPhone Chair Cloth CoffeeMachine
CoffeeTable CounterTop CreditCard Cup Curtains Desk DeskLamp DiningTable DishSponge Drawer
Dresser Egg FloorLamp Footstool Fork Fridge GarbageCan Glassbottle HandTowel HandTowelHolder
HousePlant Kettle KeyChain Knife Ladle Laptop LaundryHamper LaundryHamperLid Lettuce LightSwitch
Microwave Mirror Mug Newspaper Ottoman Painting PaintingHanger Pan PaperTowel PaperTowelRoll Pen
Pencil PepperShaker Pillow Plate Plunger Poster Pot Potato RemoteControl Safe SaltShaker
ScrubBrush Shelf ShowerDoor ShowerGlass SideTable Sink SinkBasin SoapBar SoapBottle Sofa Spatula
Spoon SprayBottle Statue StoveBurner StoveKnob TVStand TeddyBear Television TennisRacket
TissueBox Toaster Toilet ToiletPaper ToiletPaperHanger ToiletPaperRoll Tomato Towel TowelHolder
Vase Watch WateringCan Window WineBottle
"""
"""ALFRED's spelling of types, which PDDL reads without regard to case."""


@cache
def _spellings() -> dict[str, str]:
    return {kind.lower(): kind for kind in ALFRED_TYPES.split()}


def spelled(kind: str) -> str:
    """Spell a type as ALFRED does: `SoapBottleType` for `soapbottletype`, `TVStand` for `tvstand`.

    A type that is not ALFRED's is returned as it is.
    """
    bare = kind.removesuffix("type")
    known = _spellings().get(bare)
    return kind if known is None else known + ("" if bare == kind else "Type")


class _Ids:
    """Makes an id for every name, in the order of the ids that the names came from."""

    def __init__(self, names: Iterable[str]) -> None:
        self._count: dict[str, int] = {}
        self._known = set(names)
        for name in self._known:
            if found := _NUMBERED.fullmatch(name):
                self._count[found[1]] = max(self._count.get(found[1], 0), int(found[2]))

    def of(self, name: str) -> str:
        """Return the id of a name."""
        found = _NUMBERED.fullmatch(name)
        if found is None:  # from an id without a position: its spelling and a space
            bare = name.rstrip()
            for word, sign in SIGNS.items():
                bare = bare.replace(sign, word)
            return bare
        kind, number = found[1], int(found[2])
        place = f"{self._count[kind] - number + 1:03d}"
        head, basin, _ = kind.partition("basin")
        return f"{spelled(head)}_bar_{place}" + (f"_bar_{spelled(kind)}" if basin else "")

    def unseen(self) -> list[str]:
        """Return ids of numbers that no name has, such as 2 if there are only `mug 1` and `mug 3`.

        They have to be declared for the others to be numbered as they are.
        """
        names = (
            f"{kind} {number}"
            for kind, count in self._count.items()
            for number in range(1, count + 1)
        )
        return [self.of(name) for name in names if name not in self._known]


def write_problem(game: CompiledGame, name: str) -> str:
    """Return the PDDL problem of a game, under a name."""
    ids = _Ids((*game.objects, *game.receptacles, *game.locations))
    things, places, spots = (
        [ids.of(one) for one in names] for names in (game.objects, game.receptacles, game.locations)
    )
    facts = [
        f"(atLocation {AGENT} {spots[game.start.location]})",
        *(f"(receptacleAtLocation {places[place]} {spots[spot]})" for place, spot in game.tour),
        *(
            f"(receptacleType {one} {spelled(kind)})"
            for one, kind in zip(places, game.receptacle_types, strict=True)
            if kind
        ),
        *(f"(openable {places[place]})" for place in sorted(game.openable)),
        *(f"(opened {places[place]})" for place in _set_in(game.start.opened)),
        *(
            f"(objectType {one} {spelled(kind)})"
            for one, kind in zip(things, game.object_types, strict=True)
            if kind
        ),
        *(
            f"(inReceptacle {things[one]} {places[place]})"
            for place, ones in enumerate(game.start.contents)
            for one in ones
        ),
        *(
            f"(objectAtLocation {things[one]} {spots[spot]})"
            for spot, ones in enumerate(game.start.lying)
            for one in ones
        ),
        *_abilities(game, things),
        *(
            f"(inReceptacleObject {things[one]} {things[holder]})"
            for holder, ones in sorted(game.holding.items())
            for one in ones
        ),
        *(f"(canContain {spelled(place)} {spelled(thing)})" for place, thing in sorted(game.fits)),
        *(f"(checked {one})" for one in ids.unseen()),
    ]
    fitting_places, fitting_things = zip(*game.fits, strict=True) if game.fits else ((), ())
    declared = {
        "agent": [AGENT],
        "location": spots,
        "receptacle": places,
        "object": [*things, *ids.unseen()],
        "rtype": _types(NAMED_TYPES["rtype"], game.receptacle_types, fitting_places),
        "otype": _types(NAMED_TYPES["otype"], game.object_types, fitting_things),
    }
    declarations = "\n".join(
        f"    {one} - {kind}" for kind, ones in declared.items() for one in ones
    )
    initial = "\n".join(f"    {fact}" for fact in facts)
    return (
        f"(define (problem {name})\n(:domain alfred)\n(:objects\n{declarations}\n)\n"
        f"(:init\n{initial}\n)\n(:goal {_goal(game.goal)})\n)\n"
    )


def _abilities(game: CompiledGame, things: list[str]) -> list[str]:
    """Return the facts about single objects: abilities, and what holds at the start."""
    sets = {name: sorted(getattr(game, name)) for name in _SETS}
    sets |= {"isReceptacleObject": sorted(game.holding), "isCool": _set_in(game.start.cool)}
    return [f"({name} {things[one]})" for name, ones in sets.items() for one in ones]


def _set_in(mask: int) -> list[int]:
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def _types(named: tuple[str, ...], *kinds: Iterable[str]) -> list[str]:
    return sorted({*named, *(spelled(kind) for some in kinds for kind in some if kind)})


def _goal(goal: HouseholdGoal) -> str:
    """Return the goal in the form of the official goals."""
    wanted, target = spelled(goal.object_type), spelled(goal.place_type)
    if goal.kind == LOOK:
        lit = f"(objectType ?ot {target}) (toggleable ?ot) (isToggled ?ot) (inReceptacle ?ot ?r)"
        here = "(receptacleAtLocation ?r ?l) (atLocation ?a ?l)"
        parts = [
            f"(exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and {lit} {here}))",
            f"(exists (?o - object ?a - agent) (and (objectType ?o {wanted}) (holds ?a ?o)))",
        ]
    else:
        one, place = ("o1" if goal.kind == TWO else "o"), f"(receptacleType ?r {target})"
        inside = f"(objectType ?{one} {wanted}) (inReceptacle ?{one} ?r)"
        if goal.kind == TWO:
            inside += (
                f" (exists (?o2 - object) (and (not (= ?o1 ?o2)) (objectType ?o2 {wanted}) "
                "(inReceptacle ?o2 ?r)))"
            )
        elif goal.treatment:
            inside += f" ({_ABLE[goal.treatment]} ?{one}) ({_DONE[goal.treatment]} ?{one})"
        parts = [
            f"(exists (?r - receptacle) (and {place} (exists (?{one} - object) (and {inside}))))"
        ]
    if goal.all_closed:
        parts.append("(forall (?re - receptacle) (not (opened ?re)))")
    return f"(and {' '.join(parts)})"
