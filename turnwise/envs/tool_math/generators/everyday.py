"""Problems told as stories, in the manner of grade-school books: shopping, work, mixtures."""

from __future__ import annotations

from fractions import Fraction

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made, exact

_THINGS = (
    "apples",
    "notebooks",
    "candles",
    "mugs",
    "pencils",
    "lamps",
    "scarves",
    "plants",
    "maps",
    "loaves of bread",
    "tickets",
    "kites",
    "jars of honey",
    "stamps",
    "puzzles",
    "bells",
    "brushes",
    "chairs",
)


def shopping(draw: Draw, level: int) -> Made:
    """A bill of several lines, with a discount from level 3 on, and the change. In cents inside, in
    dollars outside.
    """
    lines = (1, 2, 3, 4, 6)[level - 1]
    size = (9, 12, 20, 40, 99)[level - 1]
    things = draw.sample(_THINGS, lines)
    bought = [(thing, draw.between(2, size), draw.between(1, 5 * size)) for thing in things]
    bill = sum(count * price for _, count, price in bought)
    percent = draw.pick((5, 10, 15, 20, 25, 30)) if level >= 3 else 0
    due = Fraction(bill * (100 - percent), 100)
    paid = int(due) + draw.between(1, 20 * level)
    parts = [f"{count} {thing} at \\${price} each" for thing, count, price in bought]
    listed = ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + parts[-1]
    off = f" The whole bill is reduced by {percent}\\%." if percent else ""
    asked = draw.pick(
        (
            "{n} buys {l}.{o} {n} pays with \\${p}. How many dollars of change are due?",
            "In a shop {n} takes {l}.{o} How much change, in dollars, does {n} get from \\${p}?",
            "{n} hands over \\${p} for {l}.{o} Find the change in dollars.",
        )
    )
    for name, value in (("n", draw.pick(NAMES)), ("l", listed), ("o", off), ("p", paid)):
        asked = asked.replace("{" + name + "}", str(value))
    bill_code = " + ".join(f"{count} * {price}" for _, count, price in bought)
    if not percent:
        return Made(asked, str(paid - bill), f"bill = {bill_code}\nprint({paid} - bill)")
    code = f"from fractions import Fraction\nbill = {bill_code}\nprint({paid} - bill + bill * Fraction({percent}, 100))"
    return Made(asked, exact(paid - due), code)


def work(draw: Draw, level: int) -> Made:
    """Several machines on one job, some of them starting later: how long until it is done."""
    count = (2, 2, 3, 3, 4)[level - 1]
    hours = [draw.between(2, (9, 20, 30, 60, 99)[level - 1]) for _ in range(count)]
    head_start = (
        Fraction(draw.between(1, min(hours) - 1)) if level >= 2 and min(hours) > 1 else Fraction(0)
    )
    head_start = min(head_start, Fraction(hours[0] - 1))
    together = 1 / sum((Fraction(1, value) for value in hours), Fraction(0))
    # What the first leaves undone is shared by all.
    answer = (1 - head_start / hours[0]) * together
    who = draw.pick(("pumps", "printers", "painters", "ovens", "tractors"))
    listed = ", ".join(map(str, hours[:-1])) + f" and {hours[-1]}"
    later = (
        f" The first works alone for {head_start} hours, then all work together until the end."
        if head_start
        else " They work together."
    )
    asked = draw.pick(
        (
            "Working alone, {c} {w} would need {l} hours for a job.{s} For how many hours do all of them work together?",
            "{C} {w} take {l} hours respectively to do a job alone.{s} How many hours do they work side by side?",
            "A job takes {c} {w}, each alone, {l} hours.{s} Find the number of hours that they all work at the same time.",
        )
    )
    number = ("two", "three", "four")[count - 2]
    for name, value in (
        ("C", number.capitalize()),
        ("c", number),
        ("w", who),
        ("l", listed),
        ("s", later),
    ):
        asked = asked.replace("{" + name + "}", value)
    asked += " Give an exact fraction or integer."
    code = (
        f"from fractions import Fraction\nhours, alone = {hours}, {head_start}\nleft = 1 - Fraction(alone, hours[0])\n"
        "print(left / sum(Fraction(1, h) for h in hours))"
    )
    return Made(asked, exact(answer), code)


def mixture(draw: Draw, level: int) -> Made:
    """Litres of a strong solution to add to a weak one for a wanted strength; built around the
    answer.
    """
    weak = draw.between(1, 10 + 8 * level)
    strong = draw.between(weak + 10, 99)
    wanted = draw.between(weak + 1, strong - 1)
    amount = draw.between(2, (10, 30, 60, 200, 999)[level - 1])
    # amount * weak + added * strong = (amount + added) * wanted
    answer = Fraction(amount * (wanted - weak), strong - wanted)
    stuff = draw.pick(("salt", "sugar", "acid", "alcohol", "copper"))
    asked = draw.pick(
        (
            "How many litres of a {s}\\% {x} solution must be added to {a} litres of a {w}\\% one to make it {m}\\%?",
            "{n} has {a} litres of a solution with {w}\\% {x} and wants {m}\\%. How many litres with {s}\\% "
            "{x} have to be poured in?",
            "A tank holds {a} litres with {w}\\% {x}. Liquid with {s}\\% {x} flows in until it has {m}\\%. "
            "How many litres flowed in?",
        )
    )
    pairs = (
        ("s", strong),
        ("x", stuff),
        ("a", amount),
        ("w", weak),
        ("m", wanted),
        ("n", draw.pick(NAMES)),
    )
    for name, value in pairs:
        asked = asked.replace("{" + name + "}", str(value))
    asked += " Give an exact fraction or integer."
    code = (
        f"from fractions import Fraction\namount, weak, strong, wanted = {amount}, {weak}, {strong}, {wanted}\n"
        "# the lever rule: parts are as the distances from the wanted strength\n"
        "parts_weak, parts_strong = strong - wanted, wanted - weak\n"
        "print(Fraction(amount, parts_weak) * parts_strong)"
    )
    return Made(asked, exact(answer), code)
