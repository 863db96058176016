"""PDDL problem of a generated household, in the form of the official games."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from turnwise.envs.alfworld.furniture import ABLE, FITS, LAMP, OPENABLE
from turnwise.envs.alfworld.goals import LOOK, TREATMENTS, TWO

_TREATED = {
    TREATMENTS["isclean"]: "(cleanable ?o) (isClean ?o) ",
    TREATMENTS["ishot"]: "(heatable ?o) (isHot ?o) ",
    TREATMENTS["iscool"]: "(coolable ?o) (isCool ?o) ",
}
_START = "loc_bar_0_bar_0_bar_0_bar_30"
"""Start of the agent. A receptacle there would keep the opening from listing the room."""


@dataclass(frozen=True, slots=True)
class Household:
    """A generated household and its task."""

    kind: str
    """The type of task."""
    wanted: str
    """Type of object."""
    target: str
    """Type of receptacle, or of lamp."""
    places: tuple[tuple[str, str, str], ...]
    """Id, type and location of every receptacle."""
    things: tuple[tuple[str, str, str], ...]
    """Id, type and receptacle of every object."""


def household_problem(house: Household) -> str:
    """Return the PDDL problem of a household."""
    declared, facts = "\n".join(_declared(house)), "\n".join(_facts(house))
    return (
        f"(define (problem generated)\n(:domain alfred)\n(:objects\n{declared}\n)\n"
        f"(:init\n{facts}\n)\n(:goal {_goal(house)})\n)\n"
    )


def _declared(house: Household) -> Iterator[str]:
    """Yield a declaration of every id. Types in the domain's actions are declared in any case."""
    yield "agent1 - agent"
    places = {kind for _, kind, _ in house.places} | {"SinkBasin", "Microwave", "Fridge"}
    things = {kind for _, kind, _ in house.things} | {"Knife", "ButterKnife"}
    yield from (f"{kind}Type - rtype" for kind in sorted(places))
    yield from (f"{kind}Type - otype" for kind in sorted(things))
    spots = dict.fromkeys((_START, *(spot for _, _, spot in house.places)))
    yield from (f"{spot} - location" for spot in spots)
    yield from (f"{one} - receptacle" for one, _, _ in house.places)
    yield from (f"{one} - object" for one, _, _ in house.things)


def _facts(house: Household) -> Iterator[str]:
    yield f"(atLocation agent1 {_START})"
    spots = {one: spot for one, _, spot in house.places}
    for one, kind, spot in house.places:
        yield f"(receptacleType {one} {kind}Type)"
        yield f"(receptacleAtLocation {one} {spot})"
        if kind in OPENABLE:
            yield f"(openable {one})"
    for one, kind, place in house.things:
        yield f"(objectType {one} {kind}Type)"
        yield f"(inReceptacle {one} {place})"
        yield f"(objectAtLocation {one} {spots[place]})"
        yield f"({'toggleable' if kind == LAMP else 'pickupable'} {one})"
        yield from (f"({able} {one})" for able, kinds in ABLE.items() if kind in kinds)
    kinds = {kind for _, kind, _ in house.things}
    for place in dict.fromkeys(kind for _, kind, _ in house.places):
        yield from (f"(canContain {place}Type {kind}Type)" for kind in FITS[place] if kind in kinds)


def _goal(house: Household) -> str:
    if house.kind == LOOK:
        lamp = f"(objectType ?ot {LAMP}Type) (toggleable ?ot) (isToggled ?ot)"
        here = "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)"
        holds = f"(objectType ?o {house.wanted}Type) (holds ?a ?o)"
        return (
            "(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) "
            f"(and {lamp} {here})) (exists (?o - object ?a - agent) (and {holds})))"
        )
    placed = (
        f"(objectType {{0}} {house.wanted}Type) (receptacleType ?r {house.target}Type) "
        "(inReceptacle {0} ?r)"
    )
    if house.kind == TWO:
        second = f"(exists (?o2 - object) (and (not (= ?o1 ?o2)) {placed.format('?o2')}))"
        inner = f"(exists (?o1 - object) (and {placed.format('?o1')} {second}))"
    else:
        inner = f"(exists (?o - object) (and {_TREATED.get(house.kind, '')}{placed.format('?o')}))"
    return f"(and (exists (?r - receptacle) {inner}))"
