"""Problems, and their generation from families and levels.

`problem(family, level, index, split, seed)` is a pure function of its arguments. Splits are
disjoint by content: a hash of its program decides the split of a problem, and the program contains
every number of it, so no question of the test split occurs in training in other words. Families are
in `turnwise.envs.tool_math.generators`; those of reasoning-gym, if it is installed, are named
`reasoning_gym/<name>`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from turnwise.envs.seeding import Draw
from turnwise.errors import ConfigError, TaskError, unknown

if TYPE_CHECKING:
    from turnwise.envs.tool_math.generators.family import Family

SPLITS = {"train": range(0, 16), "dev": range(16, 18), "test": range(18, 20)}
"""Twentieths of all possible problems, by split."""
LEVELS = (1, 2, 3, 4, 5)
_MAX_DRAWS = 2_000
"""Draws after which a level of a family counts as having no problem of the split."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with its reference answer."""

    id: str
    question: str
    answer: str
    """The reference answer in LaTeX, without a box."""
    level: int = 0
    """1 (easy) to 5; 0 if unknown."""
    source: str = ""
    """The generator or the data set it is from."""
    code: str = ""
    """A Python program that prints the answer and nothing else; empty if there is none."""
    tags: tuple[str, ...] = ()


def problem(family: str, level: int, index: int, split: str = "train", seed: int = 0) -> Problem:
    """Return the problem of a family and level at an index of a split.

    Different indices of a small level may give the same problem.

    Raises:
        ConfigError: for an unknown family, or a level without problems or not from 1 to 5.
        TaskError: for an unknown split.
    """
    found = next(_drawn(family, level, split, seed, index), None)
    if found is None:
        raise ConfigError(
            f"family {family!r} has no problems of level {level} in split {split!r}: choose "
            "another level"
        )
    return found


def generate(
    count: int, split: str = "train", *, families: Sequence[str] = (),
    levels: Sequence[int] = (), seed: int = 0,
) -> tuple[Problem, ...]:  # fmt: skip
    """Generate different problems of a split; families and levels take turns.

    A smaller count is a prefix of a larger one. Families that run out of problems leave the rest to
    the others.

    Args:
        count: number of problems.
        split: `train`, `dev` or `test`.
        families: names of families; none for all of our own.
        levels: from 1 to 5; none for all.
        seed: seed of the problems; splits stay disjoint across seeds.

    Raises:
        ConfigError: for unknown families or levels, a negative count, or more problems than there
            are.
        TaskError: for an unknown split.
    """
    from turnwise.envs.tool_math.generators import FAMILIES

    if count < 0:
        raise ConfigError(f"count={count} problems cannot be generated: give 0 or more")
    pairs = [(family, level) for level in (levels or LEVELS) for family in (families or FAMILIES)]
    streams = [_drawn(family, level, split, seed, 0) for family, level in pairs]
    problems: dict[str, Problem] = {}
    while streams and len(problems) < count:
        left = []
        for stream in streams:
            drawn = islice(stream, 200)
            new = next((one for one in drawn if (one.code or one.question) not in problems), None)
            if new is not None and len(problems) < count:
                problems[new.code or new.question] = new
            if new is not None:
                left.append(stream)
        streams = left
    if len(problems) < count:
        raise ConfigError(
            f"only {len(problems)} different problems of split {split!r} were found for "
            f"{len(pairs)} families and levels, but {count} are needed: add families or levels"
        )
    return tuple(problems.values())


def _drawn(family: str, level: int, split: str, seed: int, start: int) -> Iterator[Problem]:
    """Yield problems of a family, level and split from an index on, without end.

    Ends at once if the level has no problems in the split.
    """
    make = _maker(family)
    if level not in LEVELS:
        raise ConfigError(f"there is no level {level!r}: choose 1 (easy) to 5")
    if split not in SPLITS:
        raise TaskError(
            f"there is no split {split!r} of generated problems: choose {', '.join(SPLITS)}"
        )
    index = start
    while True:
        for attempt in range(_MAX_DRAWS):
            draft = make(Draw("math", family, level, split, seed, index, attempt), level)
            if part_of(draft.code or draft.question) in SPLITS[split]:
                break
        else:
            return
        name = f"{family}/{level}/{split}/{seed}/{index}"
        tags = (f"family={family}", f"level={level}")
        source = "turnwise" if draft.code else "reasoning-gym"
        yield Problem(name, draft.question, draft.answer, level, source, draft.code, tags)
        index += 1


def part_of(content: str) -> int:
    """Return the twentieth of all problems that a problem belongs to, by its content."""
    return int(hashlib.sha256(content.encode()).hexdigest()[:12], 16) % 20


def _maker(family: str) -> Family:
    from turnwise.envs.tool_math.generators import FAMILIES, reasoning

    if family.startswith(reasoning.PREFIX):
        return reasoning.maker(family)
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES, "the generated problems")
    return FAMILIES[family]
