"""Probabilities as exact fractions, and one expectation."""

from __future__ import annotations

from fractions import Fraction
from math import comb

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made, exact

_AS_FRACTION = "Give an exact fraction in lowest terms."


def dice(draw: Draw, level: int) -> Made:
    """The probability of a sum of several dice, by inclusion and exclusion; the program convolves."""
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
                "{c} fair dice with faces 1 to {s} are rolled. What is the probability that they add up to {t}? ",
                draw.pick(NAMES)
                + " rolls {c} fair {s}-sided dice, numbered from 1. How likely is a total of exactly {t}? ",
                "Find the probability that the sum of {c} fair dice, each numbered 1 to {s}, is {t}. ",
            )
        )
        + _AS_FRACTION
    )
    for name, value in (("c", count), ("s", sides), ("t", total)):
        asked = asked.replace("{" + name + "}", str(value))
    code = (
        "from collections import Counter\nfrom fractions import Fraction\nways = Counter({0: 1})\n"
        f"for _ in range({count}):\n    new = Counter()\n    for s, w in ways.items():\n"
        f"        for face in range(1, {sides} + 1):\n"
        f"            new[s + face] += w\n    ways = new\nprint(Fraction(ways[{total}], {sides} ** {count}))"
    )
    return Made(asked, exact(answer), code)


def urn(draw: Draw, level: int) -> Made:
    """The probability of exactly so many of one colour among balls drawn without putting back; the
    program draws one by one.
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
                "A bag holds {r} {one} and {b} {other} balls. {d} are drawn at random without putting any "
                "back. What is the probability that "
                "exactly {w} are {one}? ",
                draw.pick(NAMES)
                + " draws {d} balls at once from a box with {r} {one} and {b} {other} ones. "
                "How likely is it that {w} of them are {one}? ",
                "From {r} {one} and {b} {other} socks, {d} are taken at random. Find the probability of exactly {w} {one} ones. ",
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
        "from fractions import Fraction\nfrom functools import cache\n\n@cache\ndef chance(red, blue, draws, wanted):\n"
        "    if draws == 0:\n        return Fraction(wanted == 0)\n    total = Fraction(0)\n"
        "    if red:\n        total += Fraction(red, red + blue) * chance(red - 1, blue, draws - 1, wanted - 1)\n"
        "    if blue:\n        total += Fraction(blue, red + blue) * chance(red, blue - 1, draws - 1, wanted)\n    return total\n\n"
        f"print(chance({red}, {blue}, {drawn}, {wanted}))"
    )
    return Made(asked, exact(answer), code)


def collector(draw: Draw, level: int) -> Made:
    """The expected number of packets until so many of n different cards are owned."""
    kinds = draw.between(3, (6, 10, 16, 30, 60)[level - 1])
    owned = draw.between(2, kinds)
    # By the ratio of two products rather than a running sum: H(kinds) - H(kinds - owned) over a
    # common denominator.
    common = 1
    for left in range(kinds - owned + 1, kinds + 1):
        common *= left
    answer = Fraction(
        kinds * sum(common // left for left in range(kinds - owned + 1, kinds + 1)), common
    )
    asked = (
        draw.pick(
            (
                "Each packet holds one of {n} different cards, all equally likely. How many packets does one "
                "need on average to own {k} different cards? ",
                draw.pick(NAMES)
                + " buys boxes, each with one of {n} equally likely toys. What is the expected number of boxes until there are {k} "
                "different toys? ",
                "A fair die with {n} faces is rolled until {k} different faces have come up. Find the expected number of rolls. ",
            )
        )
        + _AS_FRACTION
    )
    code = f"from fractions import Fraction\nprint(sum(Fraction({kinds}, {kinds} - owned) for owned in range({owned})))"
    return Made(asked.replace("{n}", str(kinds)).replace("{k}", str(owned)), exact(answer), code)
