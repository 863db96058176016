"""A made-up world: who there is and what is the case, from a seed.

Every relation holds for every entity, with few exceptions: an odd person out is not married, the
oldest person had no teacher, a land without towns to spare has a capital all the same. Years are
plausible (a work is published in its author's life, a teacher is older than the pupil); everything
else is drawn at random, so that nothing follows from anything.
"""

from __future__ import annotations

from collections.abc import Callable

from turnwise.envs.search.relations import (
    FIRM,
    KINDS,
    LAND,
    PERSON,
    SHARES,
    TOWN,
    WORK,
    Entity,
    Facts,
    Value,
)
from turnwise.envs.seeding import Draw

FEWEST = 12
BORN = (1700, 1899)


def make_facts(draw: Draw, entities: int, name: Callable[[str], Entity]) -> Facts:
    """A world of `entities` entities (at least `FEWEST`), named by `name`, which takes a kind."""
    counts = {kind: max(2, round(SHARES[kind] * entities)) for kind in KINDS}
    counts[PERSON] += entities - sum(counts.values())
    made = {kind: tuple(name(kind) for _ in range(counts[kind])) for kind in KINDS}
    values: dict[Entity, dict[str, Value]] = {entity: {} for kind in KINDS for entity in made[kind]}
    _people(draw, made, values)
    for firm in made[FIRM]:
        values[firm] |= {
            "founder": draw.pick(made[PERSON]),
            "seat": draw.pick(made[TOWN]),
            "founded": draw.between(*BORN),
        }
    for work in made[WORK]:
        author = draw.pick(made[PERSON])
        born = values[author]["born"]
        assert isinstance(born, int)
        values[work] |= {
            "author": author,
            "publisher": draw.pick(made[FIRM]),
            "setting": draw.pick(made[TOWN]),
        }
        values[work]["published"] = born + draw.between(20, 55)
    _places(draw, made, values)
    return Facts(tuple(values), values)


def _people(
    draw: Draw, made: dict[str, tuple[Entity, ...]], values: dict[Entity, dict[str, Value]]
) -> None:
    people = made[PERSON]
    for person in people:
        values[person] |= {
            "birthplace": draw.pick(made[TOWN]),
            "employer": draw.pick(made[FIRM]),
            "born": draw.between(*BORN),
        }
    pairs = draw.shuffled(people)
    for one, other in zip(pairs[::2], pairs[1::2], strict=False):
        values[one]["spouse"], values[other]["spouse"] = other, one
    for person in people:
        older = [other for other in people if _year(values, other) < _year(values, person)]
        if older:
            values[person]["teacher"] = draw.pick(older)


def _places(
    draw: Draw, made: dict[str, tuple[Entity, ...]], values: dict[Entity, dict[str, Value]]
) -> None:
    lands = made[LAND]
    for number, town in enumerate(made[TOWN]):
        # The first towns go round the lands, so that every land has one to be its capital as long
        # as there are enough.
        values[town] |= {
            "country": lands[number] if number < len(lands) else draw.pick(lands),
            "mayor": draw.pick(made[PERSON]),
        }
    for land in lands:
        own = [town for town in made[TOWN] if values[town]["country"] is land]
        values[land] |= {"capital": draw.pick(own or made[TOWN]), "ruler": draw.pick(made[PERSON])}


def _year(values: dict[Entity, dict[str, Value]], person: Entity) -> int:
    born = values[person]["born"]
    assert isinstance(born, int)
    return born
