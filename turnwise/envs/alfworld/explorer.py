"""An expert who knows only what has been seen: searches where such things are usually found, then
does the task.

What it does next is a function of a `Memory`, which is made of the episode's text; it has no other
way to the game. So it plays what a person could play, and its episodes are worth imitating: a
reader of the same text can learn to do as it does.
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

_USUAL = {
    "apple bread egg lettuce potato tomato": "countertop diningtable fridge sinkbasin garbagecan microwave sidetable",
    "bowl cup mug plate": "countertop diningtable coffeemachine fridge cabinet sinkbasin shelf microwave sidetable desk",
    "kettle pan pot": "stoveburner countertop diningtable sinkbasin cabinet fridge",
    "butterknife fork knife ladle spatula spoon": "countertop diningtable drawer sinkbasin sidetable",
    "glassbottle peppershaker saltshaker winebottle": "countertop diningtable shelf fridge cabinet garbagecan drawer",
    "candle cloth dishsponge soapbar soapbottle spraybottle tissuebox toiletpaper": (
        "countertop toilet toiletpaperhanger bathtubbasin sinkbasin garbagecan shelf sidetable diningtable cabinet drawer cart"
    ),
    "handtowel towel": "handtowelholder towelholder countertop",
    "pillow": "bed sofa armchair",
    "alarmclock book cd cellphone laptop mug pen pencil": (
        "desk bed sidetable dresser shelf coffeetable diningtable sofa armchair tvstand drawer"
    ),
    "basketball baseballbat box creditcard keychain newspaper remotecontrol statue teddybear vase watch wateringcan": (
        "coffeetable sofa sidetable shelf dresser diningtable armchair tvstand desk bed drawer"
    ),
    "desklamp floorlamp": "sidetable desk dresser shelf floorlamp coffeetable diningtable",
}  # fmt: skip
"""For things of everyday life where they are mostly found, the likeliest and easiest to look at
first.
"""
USUAL = {
    thing: tuple(places.split())
    for things, places in reversed(_USUAL.items())
    for thing in things.split()
}
FITTING = {
    place.lower(): frozenset(thing.lower() for thing in things) for place, things in FITS.items()
}
"""What may stand where, in general: next after the usual places come those."""
OFTEN_CLOSED = ("cabinet", "drawer", "safe", "fridge", "microwave", "laundryhamper", "box")


@dataclass(frozen=True, slots=True)
class Errand:
    """What a task asks for, as its text says it."""

    thing: str
    place: str
    """Type of receptacle, or of lamp."""
    verb: str = ""
    """`look`, or what is done to the thing first: `clean`, `heat` or `cool`."""
    number: int = 1


def errand(task: str) -> Errand | None:
    """Read one of the official task templates; None for other words."""
    for pattern, verb, number in _TASKS:
        if found := pattern.match(task):
            if verb == "treat":
                return Errand(found[2], found[3], found[1].replace("hot", "heat"))
            return Errand(found[1], found[2], verb, number)
    return None


def next_command(memory: Memory, admissible: Container[str]) -> str | None:
    """What the explorer does now; None where the task is in words it does not know, or where it has
    searched everywhere.
    """
    asked = errand(memory.task)
    if asked is None:
        return None
    return next((command for command in _wishes(memory, asked) if command in admissible), None)


def _wishes(memory: Memory, asked: Errand) -> Iterator[str]:
    """Commands that help, the best first. Those that cannot be carried out here and now are passed
    over.
    """
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
        yield from _deliver(
            memory,
            sorted(
                memory.furniture, key=lambda one: (kind(one) == asked.place, one not in memory.here)
            ),
        )
    yield from _fetch(memory, asked)
    for place in sorted(
        memory.opened
    ):  # all is done, as far as one can see: a few tasks want everything closed as well
        yield from (f"close {place}", f"go to {place}")


def _near_first(memory: Memory, what: str) -> list[str]:
    """Receptacles of a type, those within reach first."""
    return sorted(
        (place for place in memory.furniture if kind(place) == what),
        key=lambda place: place not in memory.here,
    )


def _targets(memory: Memory, asked: Errand) -> list[str]:
    """Where the thing should go, fullest with such things first: two have to be in the same place."""

    def there(place: str) -> int:
        return sum(kind(one) == asked.thing for one in memory.inside(place))

    places = _near_first(memory, asked.place)
    return sorted(places, key=lambda place: -there(place)) if asked.number > 1 else places


def _deliver(memory: Memory, places: list[str]) -> Iterator[str]:
    """Put down what is held in the first of some receptacles that takes it."""
    for place in places:
        command = memory.put.format(memory.held, place)
        if command not in memory.refused:
            yield from (command, *_reach(memory, place))


def _reach(memory: Memory, place: str) -> Iterator[str]:
    """Come to a receptacle, see what is in it, have it open."""
    yield from (
        (f"go to {place}", f"open {place}")
        if place in memory.closed
        else (f"go to {place}", f"examine {place}")
    )


def _light(memory: Memory, lamp: str) -> Iterator[str]:
    """Bring what is held to a lamp that is on."""
    for place in memory.furniture:
        for one in memory.inside(place):
            if kind(one) == lamp:
                yield from (
                    (f"use {one}", f"go to {place}")
                    if one not in memory.lit
                    else (f"go to {place}",)
                )
    yield from _search(memory, lamp)


def _fetch(memory: Memory, asked: Errand) -> Iterator[str]:
    """Take one of the things that are not yet where they should be, or look for one."""
    full = set(_targets(memory, asked)[:1]) if asked.number > 1 else set()
    done = ("", asked.verb)[asked.verb in APPLIANCES]
    known = [
        (one, place)
        for place in memory.furniture
        if place not in full
        for one in memory.inside(place)
        if kind(one) == asked.thing
    ]
    known = [pair for pair in known if "take {} from {}".format(*pair) not in memory.refused]
    for one, place in sorted(
        known, key=lambda pair: ((done, pair[0]) not in memory.treated, pair[1] not in memory.here)
    ):
        yield from (f"take {one} from {place}", *_reach(memory, place))
    yield from _search(memory, asked.thing)


def _search(memory: Memory, thing: str) -> Iterator[str]:
    """Look into what was not looked into, in the order of `USUAL`; then where it fits, open
    furniture first; then anywhere.
    """
    usual = USUAL.get(thing, ())

    def rank(place: str) -> tuple[int, bool, bool]:
        what = kind(place)
        if what in usual:
            return usual.index(what), False, False
        return len(usual), thing not in FITTING.get(what, ()), what in OFTEN_CLOSED

    for place in sorted(
        (place for place in memory.furniture if place not in memory.looked), key=rank
    ):
        yield from _reach(memory, place)
