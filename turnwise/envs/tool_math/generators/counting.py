"""Counting arrangements, choices and paths; the answers are formulas, the programs count."""

from __future__ import annotations

import math

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made

_LETTERS = "ABCDEFGHIKLMNOPRSTUVW"


def words(draw: Draw, level: int) -> Made:
    """Arrangements of letters of which some repeat: a multinomial coefficient, counted by placing
    letters one after another.
    """
    kinds = draw.between((2, 2, 3, 3, 4)[level - 1], (4, 4, 5, 6, 8)[level - 1])
    counts = [draw.between(1, (2, 3, 3, 4, 5)[level - 1]) for _ in range(kinds)]
    letters = "".join(
        letter * count for letter, count in zip(draw.sample(_LETTERS, kinds), counts, strict=True)
    )
    word = "".join(draw.shuffled(letters))
    answer = math.factorial(len(word))
    for count in counts:
        answer //= math.factorial(count)
    asked = draw.pick(
        (
            "In how many different orders can the letters of {} be written?",
            "How many distinct arrangements do the letters {} have?",
            draw.pick(NAMES)
            + " lays cards with the letters {} in a row. How many different rows are possible?",
        )
    )
    code = (
        "from collections import Counter\nfrom functools import cache\n\n@cache\ndef ways(left):\n    if not any(left):\n"
        "        return 1\n"
        "    return sum(ways(tuple(sorted(left[:i] + (n - 1,) + left[i + 1:]))) for i, n in enumerate(left) if n)\n\n"
        f'print(ways(tuple(sorted(Counter("{word}").values()))))'
    )
    return Made(asked.replace("{}", word), str(answer), code)


def committees(draw: Draw, level: int) -> Made:
    """Choices of a committee with at least so many from one of two groups."""
    most = (4, 6, 9, 14, 40)[level - 1]
    first, second = draw.between(2, most), draw.between(2, most)
    size = draw.between(2, min(first + second - 1, (3, 4, 5, 7, 12)[level - 1]))
    least = draw.between(1, min(first, size))
    # All choices, less those with too few of the first group.
    answer = math.comb(first + second, size) - sum(
        math.comb(first, k) * math.comb(second, size - k) for k in range(least)
    )
    one, other = draw.pick(
        (
            ("teachers", "students"),
            ("poets", "painters"),
            ("red marbles", "blue marbles"),
            ("cats", "dogs"),
            ("cooks", "waiters"),
        )
    )
    asked = draw.pick(
        (
            "From {a} different {one} and {b} different {other}, in how many ways can {k} be chosen with at "
            "least {m} of the {one}?",
            "A group of {k} is picked from {a} {one} and {b} {other}, all of them distinguishable. "
            "How many groups have {m} or more {one}?",
            "How many sets of {k} with at least {m} {one} can be formed from {a} {one} and {b} {other}, all different?",
        )
    )
    for name, value in (
        ("a", first),
        ("b", second),
        ("k", size),
        ("m", least),
        ("one", one),
        ("other", other),
    ):
        asked = asked.replace("{" + name + "}", str(value))
    code = (
        f"from math import comb\na, b, size, least = {first}, {second}, {size}, {least}\n"
        "print(sum(comb(a, k) * comb(b, size - k) for k in range(least, size + 1)))"
    )
    return Made(asked, str(answer), code)


def paths(draw: Draw, level: int) -> Made:
    """Shortest paths on a grid that avoid one crossing: paths through it are taken from all, the
    program walks.
    """
    most = (4, 6, 9, 14, 30)[level - 1]
    width, height = draw.between(2, most), draw.between(2, most)
    while True:
        x, y = draw.between(0, width), draw.between(0, height)
        if (x, y) not in ((0, 0), (width, height)):
            break
    through = math.comb(x + y, x) * math.comb(width - x + height - y, width - x)
    answer = math.comb(width + height, width) - through
    asked = draw.pick(
        (
            "How many paths lead from $(0,0)$ to $({w},{h})$ in steps of one to the right or one up, without visiting $({x},{y})$?",
            "An ant walks from $(0,0)$ to $({w},{h})$, always one unit right or one unit up. It must not step on $({x},{y})$. "
            "How many routes does it have?",
            "Streets form a grid. Going only east or north, in how many ways can one get from the crossing "
            "$(0,0)$ to $({w},{h})$ when the crossing "
            "$({x},{y})$ is closed?",
        )
    )
    for name, value in (("w", width), ("h", height), ("x", x), ("y", y)):
        asked = asked.replace("{" + name + "}", str(value))
    code = (
        f"w, h, closed = {width}, {height}, ({x}, {y})\nways = {{(0, 0): 1}}\nfor x in range(w + 1):\n    for y in range(h + 1):\n"
        "        if (x, y) != (0, 0):\n            ways[x, y] = 0 if (x, y) == closed "
        "else ways.get((x - 1, y), 0) + ways.get((x, y - 1), 0)\n"
        "print(ways[w, h])"
    )
    return Made(asked, str(answer), code)
