"""Paths of the official ALFWorld games, and an invented household in the same format."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

DEFAULT_DIRECTORY = Path(__file__).parents[4] / "shared" / "data" / "alfworld"

PUT_211 = (
    'action PutObject {{ template :: "put {{o}} in/on {{r}}"; }} "rhs": "Your task is to: {task}"'
)
PUT_04 = (
    'action PutObject {{ template :: "move {{o}} to {{r}}"; }} "rhs": "Your task is to: {task}"'
)
FRIDGE, SINK, STOVE = (
    "Fridge_bar__plus_01",
    "Sink_bar__plus_01_bar_SinkBasin",
    "Microwave_bar__plus_02",
)
TABLE, DESK, TABLE_2 = "Table_bar__plus_03", "Desk_bar__plus_04", "Table_bar__plus_05"
APPLE, APPLE_2, KNIFE = "Apple_bar__plus_01", "Apple_bar__plus_02", "Knife_bar__plus_03"
LAMP, PAN = "DeskLamp_bar__plus_04", "Pan_bar__plus_05"
PLACES = {FRIDGE: 1, SINK: 2, STOVE: 3, TABLE: 4, DESK: 5, TABLE_2: 4}
INSIDE = {APPLE: FRIDGE, APPLE_2: TABLE, KNIFE: TABLE, LAMP: DESK, PAN: TABLE}
GOALS = {
    "pick_and_place_simple": "(exists (?o - object) (and (inReceptacle ?o ?r) "
    "(objectType ?o AppleType) (receptacleType ?r DeskType)))",
    "pick_two_obj_and_place": "(exists (?o1 - object) (and (objectType ?o1 AppleType) "
    "(receptacleType ?r DeskType) (inReceptacle ?o1 ?r) (exists (?o2 - object) "
    "(and (not (= ?o1 ?o2)) (objectType ?o2 AppleType)))))",
    "look_at_obj_in_light": "(exists (?ot - object) "
    "(and (objectType ?ot DeskLampType) (isToggled ?ot))) "
    "(exists (?o - object) (objectType ?o AppleType))",
} | {
    f"pick_{verb}_then_place_in_recep": f"(exists (?o - object) (and ({verb}able ?o) "
    f"(objectType ?o AppleType) (receptacleType ?r DeskType) ({done} ?o)))"
    for verb, done in (("clean", "isClean"), ("heat", "isHot"), ("cool", "isCool"))
}  # fmt: skip


def _kind(one: str) -> str:
    return one.split("_bar_")[0] + ("Basin" if "Basin" in one else "") + "Type"


def household(
    kind: str = "pick_and_place_simple",
    grammar: str = PUT_211,
    extra: Iterable[str] = (),
    goal: str = "",
) -> dict[str, Any]:
    """Return the content of a game file: a kitchen with two apples, a knife, a pan, a lamp."""
    facts = [
        "(atLocation agent1 loc_bar_0)",
        f"(openable {FRIDGE})",
        f"(openable {STOVE})",
        f"(toggleable {LAMP})",
    ]
    for place, spot in PLACES.items():
        facts += [
            f"(receptacleType {place} {_kind(place)})",
            f"(receptacleAtLocation {place} loc_bar_{spot})",
        ]
    for one, place in INSIDE.items():
        facts += [
            f"(objectType {one} {_kind(one)})",
            f"(inReceptacle {one} {place})",
            f"(objectAtLocation {one} loc_bar_{PLACES[place]})",
        ]
        facts += [
            f"(canContain {holder} {_kind(one)})"
            for holder in sorted({_kind(place) for place in PLACES})
        ]
        facts += [f"(pickupable {one})"] * (one != LAMP)
    for apple in (APPLE, APPLE_2):
        facts += [
            f"({able} {apple})" for able in ("cleanable", "heatable", "coolable", "sliceable")
        ]
    facts += [f"(isReceptacleObject {PAN})", *extra]
    wanted = f"(and (exists (?r - receptacle) {GOALS[kind]}) {goal})"
    pddl = f"(define (problem p) (:init {' '.join(facts)} (= (totalCost) 0)) (:goal {wanted}))"
    return {
        "pddl_problem": pddl,
        "grammar": grammar.format(task=f"{kind} of an apple."),
        "solvable": True,
    }


def official_directory() -> Path:
    """Return the directory of official games and recorded transcripts; skip the test if absent."""
    directory = Path(os.environ.get("TURNWISE_ALFWORLD_DATA", DEFAULT_DIRECTORY))
    if not (directory / "golden" / "real_engine_valid_seen.jsonl.gz").is_file():
        pytest.skip(
            "golden/real_engine_valid_seen.jsonl.gz of the ALFWorld data is absent: set "
            "TURNWISE_ALFWORLD_DATA to its directory"
        )
    return directory


def recorded(directory: Path) -> list[dict[str, Any]]:
    """Return every transcript of the original engine."""
    found = []
    for path in sorted((directory / "golden").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf8") as lines:
            found += [json.loads(line) for line in lines]
    return found


def unpacked(directory: Path, target: Path) -> Path:
    """Return a directory of official games: beside the archive, or unpacked into `target`."""
    if (directory / "json_2.1.1").is_dir():
        return directory / "json_2.1.1"
    if not (directory / "games.tar.xz").is_file():
        pytest.skip(
            "games.tar.xz of the ALFWorld data is absent: set TURNWISE_ALFWORLD_DATA to its "
            "directory"
        )
    with tarfile.open(directory / "games.tar.xz") as archive:
        archive.extractall(
            target,
            [member for member in archive if member.name.endswith("game.tw-pddl")],
            filter="data",
        )
    return target / "json_2.1.1"
