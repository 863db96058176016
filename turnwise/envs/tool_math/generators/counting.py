"""Arrangements, choices, paths and probabilities: answers are formulas, programs count."""

from __future__ import annotations

import math
from fractions import Fraction
from math import comb

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, GeneratedProblem, exact

_LETTERS = "ABCDEFGHIKLMNOPRSTUVW"


def words(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the number of arrangements of letters, some of which repeat.

    The answer is a multinomial coefficient; the program places one letter after another.
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
        "from collections import Counter\nfrom functools import cache\n\n@cache\ndef ways(left):\n"
        "    if not any(left):\n        return 1\n    return sum(ways(tuple(sorted(left[:i] + (n "
        "- 1,) + left[i + 1:]))) for i, n in enumerate(left) if n)\n\n"
        f'print(ways(tuple(sorted(Counter("{word}").values()))))'
    )
    return GeneratedProblem(asked.replace("{}", word), str(answer), code)


def committees(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the number of committees with at least so many members from one of two groups."""
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
            "From {a} different {one} and {b} different {other}, in how many ways can {k} be "
            "chosen with at least {m} of the {one}?",
            "A group of {k} is picked from {a} {one} and {b} {other}, all of them distinguishable. "
            "How many groups have {m} or more {one}?",
            "How many sets of {k} with at least {m} {one} can be formed from {a} {one} and {b} "
            "{other}, all different?",
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
    return GeneratedProblem(asked, str(answer), code)


def paths(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the number of shortest paths on a grid that avoid one crossing.

    The answer subtracts the paths through it from all; the program walks.
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
            "How many paths lead from $(0,0)$ to $({w},{h})$ in steps of one to the right or one "
            "up, without visiting $({x},{y})$?",
            "An ant walks from $(0,0)$ to $({w},{h})$, always one unit right or one unit up. It "
            "must not step on $({x},{y})$. How many routes does it have?",
            "Streets form a grid. Going only east or north, in how many ways can one get from "
            "the crossing $(0,0)$ to $({w},{h})$ when the crossing $({x},{y})$ is closed?",
        )
    )
    for name, value in (("w", width), ("h", height), ("x", x), ("y", y)):
        asked = asked.replace("{" + name + "}", str(value))
    code = (
        f"w, h, closed = {width}, {height}, ({x}, {y})\nways = {{(0, 0): 1}}\nfor x in range(w + "
        "1):\n    for y in range(h + 1):\n"
        "        if (x, y) != (0, 0):\n            ways[x, y] = 0 if (x, y) == closed else "
        "ways.get((x - 1, y), 0) + ways.get((x, y - 1), 0)\nprint(ways[w, h])"
    )
    return GeneratedProblem(asked, str(answer), code)


_AS_FRACTION = "Give an exact fraction in lowest terms."


def dice(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the probability of a sum of dice.

    The answer is by inclusion and exclusion; the program convolves.
    """
    count = draw.between(2, (2, 3, 4, 6, 12)[level - 1])
    sides = draw.between(4, (8, 10, 12, 20, 30)[level - 1])
    total = draw.between(count + 1, count * sides - 1)
    ways = sum(
        (-1) ** k * comb(count, k) * comb(total - sides * k - 1, count - 1)
        for k in range((total - count) // sides + 1)
    )
    answer = Fraction(ways, sides**count)
    asked = (
        draw.pick(
            (
                "{c} fair dice with faces 1 to {s} are rolled. What is the probability that they "
                "add up to {t}? ",
                draw.pick(NAMES)
                + " rolls {c} fair {s}-sided dice, numbered from 1. How likely is a total of "
                "exactly {t}? ",
                "Find the probability that the sum of {c} fair dice, each numbered 1 to {s}, is "
                "{t}. ",
            )
        )
        + _AS_FRACTION
    )
    for name, value in (("c", count), ("s", sides), ("t", total)):
        asked = asked.replace("{" + name + "}", str(value))
    code = (
        "from collections import Counter\nfrom fractions import Fraction\nways = Counter({0: 1})\n"
        f"for _ in range({count}):\n    new = Counter()\n    for s, w in ways.items():\n"
        f"        for face in range(1, {sides} + 1):\n            new[s + face] += w\n    ways = "
        f"new\nprint(Fraction(ways[{total}], {sides} ** {count}))"
    )
    return GeneratedProblem(asked, exact(answer), code)


def urn(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the probability of exactly so many balls of a colour, drawn without replacement.

    The answer is a quotient of binomials; the program draws one by one.
    """
    most = (5, 8, 12, 25, 60)[level - 1]
    red, blue = draw.between(2, most), draw.between(2, most)
    drawn = draw.between(2, min(red + blue - 1, (2, 3, 4, 6, 10)[level - 1]))
    wanted = draw.between(max(0, drawn - blue), min(red, drawn))
    answer = Fraction(comb(red, wanted) * comb(blue, drawn - wanted), comb(red + blue, drawn))
    one, other = draw.sample(("red", "blue", "green", "white", "black", "yellow"), 2)
    asked = (
        draw.pick(
            (
                "A bag holds {r} {one} and {b} {other} balls. {d} are drawn at random without "
                "putting any back. What is the probability that exactly {w} are {one}? ",
                draw.pick(NAMES)
                + " draws {d} balls at once from a box with {r} {one} and {b} {other} ones. "
                "How likely is it that {w} of them are {one}? ",
                "From {r} {one} and {b} {other} socks, {d} are taken at random. Find the "
                "probability of exactly {w} {one} ones. ",
            )
        )
        + _AS_FRACTION
    )
    for name, value in (
        ("r", red),
        ("b", blue),
        ("d", drawn),
        ("w", wanted),
        ("one", one),
        ("other", other),
    ):
        asked = asked.replace("{" + name + "}", str(value))
    code = (
        "from fractions import Fraction\nfrom functools import cache\n\n@cache\ndef chance(red, "
        "blue, draws, wanted):\n    if draws == 0:\n        return Fraction(wanted == 0)\n"
        "    total = Fraction(0)\n    if red:\n        total += Fraction(red, red + blue) * "
        "chance(red - 1, blue, draws - 1, wanted - 1)\n    if blue:\n        total += "
        "Fraction(blue, red + blue) * chance(red, blue - 1, draws - 1, wanted)\n    return total\n"
        "\n"
        f"print(chance({red}, {blue}, {drawn}, {wanted}))"
    )
    return GeneratedProblem(asked, exact(answer), code)


def collector(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the expected number of packets until so many of n different cards are owned."""
    kinds = draw.between(3, (6, 10, 16, 30, 60)[level - 1])
    owned = draw.between(2, kinds)
    # H(kinds) - H(kinds - owned) over a common denominator; the program uses a running sum.
    common = 1
    for left in range(kinds - owned + 1, kinds + 1):
        common *= left
    answer = Fraction(
        kinds * sum(common // left for left in range(kinds - owned + 1, kinds + 1)), common
    )
    asked = (
        draw.pick(
            (
                "Each packet holds one of {n} different cards, all equally likely. How many "
                "packets does one need on average to own {k} different cards? ",
                draw.pick(NAMES)
                + " buys boxes, each with one of {n} equally likely toys. What is the expected "
                "number of boxes until there are {k} different toys? ",
                "A fair die with {n} faces is rolled until {k} different faces have come up. "
                "Find the expected number of rolls. ",
            )
        )
        + _AS_FRACTION
    )
    code = (
        "from fractions import Fraction\n"
        f"print(sum(Fraction({kinds}, {kinds} - owned) for owned in range({owned})))"
    )
    question = asked.replace("{n}", str(kinds)).replace("{k}", str(owned))
    return GeneratedProblem(question, exact(answer), code)
