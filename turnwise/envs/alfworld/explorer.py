"""The `partial` expert: does the task with only what the episode has shown.

It searches where such objects are usually found. Its next command is a function of a `Memory`,
which is read from the episode's text, so it plays as a person could, and a model that reads the
same text can learn to imitate it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from turnwise.envs.alfworld.furniture import FITS
from turnwise.envs.alfworld.memory import APPLIANCES, Memory, kind

_TASKS = (
    (re.compile(r"(?:look at|examine the) (\w+) (?:under|with) the (\w+)"), "look", 1),
    (re.compile(r"(?:put|find) two (\w+)(?: and put them)? in (\w+)"), "", 2),
    (re.compile(r"put a (clean|hot|cool) (\w+) in (\w+)"), "treat", 1),
    (re.compile(r"(clean|heat|cool) some (\w+) and put it in (\w+)"), "treat", 1),
    (re.compile(r"put (?:a|some) (\w+) (?:in|on) (\w+)"), "", 1),
)

_USUAL_PLACES = {
    "apple bread egg lettuce potato tomato": (
        "countertop diningtable fridge sinkbasin garbagecan microwave sidetable"
    ),
    "bowl cup mug plate": (
        "countertop diningtable coffeemachine fridge cabinet sinkbasin shelf microwave sidetable "
        "desk"
    ),
    "kettle pan pot": "stoveburner countertop diningtable sinkbasin cabinet fridge",
    "butterknife fork knife ladle spatula spoon": (
        "countertop diningtable drawer sinkbasin sidetable"
    ),
    "glassbottle peppershaker saltshaker winebottle": (
        "countertop diningtable shelf fridge cabinet garbagecan drawer"
    ),
    "candle cloth dishsponge soapbar soapbottle spraybottle tissuebox toiletpaper": (
        "countertop toilet toiletpaperhanger bathtubbasin sinkbasin garbagecan shelf sidetable "
        "diningtable cabinet drawer cart"
    ),
    "handtowel towel": "handtowelholder towelholder countertop",
    "pillow": "bed sofa armchair",
    "alarmclock book cd cellphone laptop mug pen pencil": (
        "desk bed sidetable dresser shelf coffeetable diningtable sofa armchair tvstand drawer"
    ),
    "basketball baseballbat box creditcard keychain newspaper remotecontrol statue teddybear vase "
    "watch wateringcan": (
        "coffeetable sofa sidetable shelf dresser diningtable armchair tvstand desk bed drawer"
    ),
    "desklamp floorlamp": "sidetable desk dresser shelf floorlamp coffeetable diningtable",
}  # fmt: skip
"""Objects and where they are mostly found, the likeliest and easiest to look into first."""
USUAL_PLACES = {
    thing: tuple(places.split())
    for things, places in reversed(_USUAL_PLACES.items())
    for thing in things.split()
}
FITTING = {
    place.lower(): frozenset(thing.lower() for thing in things) for place, things in FITS.items()
}
"""Objects that fit in each type of receptacle: searched next, after the usual places."""
OFTEN_CLOSED = ("cabinet", "drawer", "safe", "fridge", "microwave", "laundryhamper", "box")


@dataclass(frozen=True, slots=True)
class Errand:
    """A task, as read from its text."""

    thing: str
    place: str
    """Type of receptacle, or of lamp."""
    verb: str = ""
    """`look`; or `clean`, `heat` or `cool` if the object must be treated first."""
    number: int = 1


def errand(task: str) -> Errand | None:
    """Read a task in the words of an official template; return None for other words."""
    for pattern, verb, number in _TASKS:
        if found := pattern.match(task):
            if verb == "treat":
                return Errand(found[2], found[3], found[1].replace("hot", "heat"))
            return Errand(found[1], found[2], verb, number)
    return None


def next_command(memory: Memory, admissible: Container[str]) -> str | None:
    """Return the next command; None for a task in unknown words, or after searching everywhere."""
    asked = errand(memory.task)
    if asked is None:
        return None
    return next((one for one in _candidates(memory, asked) if one in admissible), None)


def _candidates(memory: Memory, asked: Errand) -> Iterator[str]:
    """Yield helpful commands, the best first, whether or not they are admissible now."""
    if memory.held and kind(memory.held) == asked.thing:
        if asked.verb == "look":
            yield from _light(memory, asked.place)
        elif asked.verb and (asked.verb, memory.held) not in memory.treated:
            for place in _near_first(memory, APPLIANCES[asked.verb]):
                if (command := f"{asked.verb} {memory.held} with {place}") not in memory.refused:
                    yield from (command, "go to " + place)
        else:
            yield from _deliver(memory, _targets(memory, asked))
    if memory.held:
        places = sorted(
            memory.furniture, key=lambda one: (kind(one) == asked.place, one not in memory.here)
        )
        yield from _deliver(memory, places)
    yield from _fetch(memory, asked)
    # Everything seems done and the game goes on: a few tasks need everything closed as well.
    for place in sorted(memory.opened):
        yield from (f"close {place}", f"go to {place}")


def _near_first(memory: Memory, what: str) -> list[str]:
    """Return receptacles of a type, those within reach first."""
    return sorted(
        (place for place in memory.furniture if kind(place) == what),
        key=lambda place: place not in memory.here,
    )


def _targets(memory: Memory, asked: Errand) -> list[str]:
    """Return receptacles for the object; for two objects, first those that hold one already."""

    def count_in(place: str) -> int:
        return sum(kind(one) == asked.thing for one in memory.inside(place))

    places = _near_first(memory, asked.place)
    return sorted(places, key=lambda place: -count_in(place)) if asked.number > 1 else places


def _deliver(memory: Memory, places: list[str]) -> Iterator[str]:
    """Put what is held in the first of some receptacles that accepts it."""
    for place in places:
        command = memory.put.format(memory.held, place)
        if command not in memory.refused:
            yield from (command, *_reach(memory, place))


def _reach(memory: Memory, place: str) -> Iterator[str]:
    """Go to a receptacle and look into it."""
    verb = "open" if place in memory.closed else "examine"
    yield from (f"go to {place}", f"{verb} {place}")


def _light(memory: Memory, lamp: str) -> Iterator[str]:
    """Take what is held to a lamp and turn it on."""
    for place in memory.furniture:
        for obj in memory.inside(place):
            if kind(obj) == lamp:
                if obj not in memory.lit:
                    yield f"use {obj}"
                yield f"go to {place}"
    yield from _search(memory, lamp)


def _fetch(memory: Memory, asked: Errand) -> Iterator[str]:
    """Take an object that is not yet where it should be, or search for one."""
    # Two objects go to the same receptacle: those in it already are not to be taken again.
    full = set(_targets(memory, asked)[:1]) if asked.number > 1 else set()
    done = asked.verb if asked.verb in APPLIANCES else ""
    known = [
        (obj, place)
        for place in memory.furniture
        if place not in full
        for obj in memory.inside(place)
        if kind(obj) == asked.thing
    ]
    known = [pair for pair in known if "take {} from {}".format(*pair) not in memory.refused]
    known.sort(key=lambda pair: ((done, pair[0]) not in memory.treated, pair[1] not in memory.here))
    for obj, place in known:
        yield from (f"take {obj} from {place}", *_reach(memory, place))
    yield from _search(memory, asked.thing)


def _search(memory: Memory, thing: str) -> Iterator[str]:
    """Look into receptacles not seen yet: usual places, then where it fits, then the rest.

    Among equals, furniture that is mostly open comes first.
    """
    usual = USUAL_PLACES.get(thing, ())

    def rank(place: str) -> tuple[int, bool, bool]:
        what = kind(place)
        if what in usual:
            return usual.index(what), False, False
        return len(usual), thing not in FITTING.get(what, ()), what in OFTEN_CLOSED

    unseen = (place for place in memory.furniture if place not in memory.looked)
    for place in sorted(unseen, key=rank):
        yield from _reach(memory, place)
