"""Word problems of grade-school books (shopping, work, mixtures) and calendar dates."""

from __future__ import annotations

from fractions import Fraction

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, GeneratedProblem, exact

_THINGS = (
    "apples", "notebooks", "candles", "mugs", "pencils", "lamps", "scarves", "plants", "maps",
    "loaves of bread", "tickets", "kites", "jars of honey", "stamps", "puzzles", "bells",
    "brushes", "chairs",
)  # fmt: skip


def shopping(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the change on a bill of several lines, with a discount from level 3 on."""
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
        code = f"bill = {bill_code}\nprint({paid} - bill)"
        return GeneratedProblem(asked, str(paid - bill), code)
    code = (
        f"from fractions import Fraction\nbill = {bill_code}\n"
        f"print({paid} - bill + bill * Fraction({percent}, 100))"
    )
    return GeneratedProblem(asked, exact(paid - due), code)


def work(draw: Draw, level: int) -> GeneratedProblem:
    """Ask how long several machines work together on one job, after a head start of the first."""
    count = (2, 2, 3, 3, 4)[level - 1]
    hours = [draw.between(2, (9, 20, 30, 60, 99)[level - 1]) for _ in range(count)]
    head_start = (
        Fraction(draw.between(1, min(hours) - 1)) if level >= 2 and min(hours) > 1 else Fraction(0)
    )
    head_start = min(head_start, Fraction(hours[0] - 1))
    together = 1 / sum((Fraction(1, value) for value in hours), Fraction(0))
    # All share what the first has left undone.
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
            "Working alone, {c} {w} would need {l} hours for a job.{s} For how many hours do all "
            "of them work together?",
            "{C} {w} take {l} hours respectively to do a job alone.{s} How many hours do they "
            "work side by side?",
            "A job takes {c} {w}, each alone, {l} hours.{s} Find the number of hours that they "
            "all work at the same time.",
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
        f"from fractions import Fraction\nhours, alone = {hours}, {head_start}\nleft = 1 - "
        "Fraction(alone, hours[0])\n"
        "print(left / sum(Fraction(1, h) for h in hours))"
    )
    return GeneratedProblem(asked, exact(answer), code)


def mixture(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the litres of a strong solution to add to a weak one for a wanted strength."""
    weak = draw.between(1, 10 + 8 * level)
    strong = draw.between(weak + 10, 99)
    wanted = draw.between(weak + 1, strong - 1)
    amount = draw.between(2, (10, 30, 60, 200, 999)[level - 1])
    # amount * weak + added * strong = (amount + added) * wanted
    answer = Fraction(amount * (wanted - weak), strong - wanted)
    stuff = draw.pick(("salt", "sugar", "acid", "alcohol", "copper"))
    asked = draw.pick(
        (
            "How many litres of a {s}\\% {x} solution must be added to {a} litres of a {w}\\% "
            "one to make it {m}\\%?",
            "{n} has {a} litres of a solution with {w}\\% {x} and wants {m}\\%. How many litres "
            "with {s}\\% {x} have to be poured in?",
            "A tank holds {a} litres with {w}\\% {x}. Liquid with {s}\\% {x} flows in until it "
            "has {m}\\%. How many litres flowed in?",
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
        f"from fractions import Fraction\namount, weak, strong, wanted = {amount}, {weak}, "
        f"{strong}, {wanted}\n"
        "# the lever rule: parts are as the distances from the wanted strength\nparts_weak, "
        "parts_strong = strong - wanted, wanted - weak\nprint(Fraction(amount, parts_weak) * "
        "parts_strong)"
    )
    return GeneratedProblem(asked, exact(answer), code)


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
Date = tuple[int, int, int]


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _ordinal(date: Date) -> int:
    """Return the day number of a date: 1 for 1 January of year 1, which was a Monday."""
    year, month, day = date
    past = year - 1
    days = 365 * past + past // 4 - past // 100 + past // 400
    return days + sum(_LENGTHS[: month - 1]) + (month > 2 and _leap(year)) + day


def _date(draw: Draw, level: int) -> Date:
    spread = (1, 5, 30, 120, 400)[level - 1]
    return draw.between(2026 - spread, 2026 + spread), draw.between(1, 12), draw.between(1, 28)


def _written(date: Date) -> str:
    return f"{date[2]} {_MONTHS[date[1] - 1]} {date[0]}"


def weekday(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the day of the week of a date.

    The answer counts days; the program asks `datetime`, as in the other families of dates.
    """
    date = _date(draw, level)
    asked = draw.pick(
        (
            "On which day of the week does {} fall?",
            "What day of the week is {}, by the Gregorian calendar?",
            draw.pick(NAMES) + " marks {} in a calendar. Which day of the week is it?",
        )
    )
    code = f'import datetime\nprint(datetime.date{date}.strftime("%A"))'
    return GeneratedProblem(
        asked.replace("{}", _written(date)),
        f"\\text{{{_WEEKDAYS[(_ordinal(date) - 1) % 7]}}}",
        code,
    )


def distance(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the number of days between two dates."""
    one, other = sorted((_date(draw, level), _date(draw, level)))
    asked = draw.pick(
        (
            "How many days after {a} is {b}?",
            "How many nights are there from {a} to {b}?",
            draw.pick(NAMES) + " was away from {a} to {b}. How many days later is the second date?",
        )
    )
    code = f"import datetime\nprint((datetime.date{other} - datetime.date{one}).days)"
    return GeneratedProblem(
        asked.replace("{a}", _written(one)).replace("{b}", _written(other)),
        str(_ordinal(other) - _ordinal(one)),
        code,
    )


def thirteenths(draw: Draw, level: int) -> GeneratedProblem:
    """Ask how often a day of the month falls on a weekday in a span of years."""
    first = draw.between(1900, 2050)
    last = first + draw.between(0, (0, 2, 9, 40, 200)[level - 1])
    day, which = draw.between(1, 28), draw.below(7)
    dates = ((year, month, day) for year in range(first, last + 1) for month in range(1, 13))
    answer = sum((_ordinal(date) - 1) % 7 == which for date in dates)
    span = (
        f"in the year {first}" if first == last else f"from {first} to {last} (both years included)"
    )
    asked = draw.pick(
        (
            "How many months have a {w} as day {d} {s}?",
            "Count the months {s} in which day {d} is a {w}.",
            "Find the number of months {s} whose day {d} falls on a {w}.",
        )
    )
    asked = asked.replace("{d}", str(day)).replace("{w}", _WEEKDAYS[which]).replace("{s}", span)
    code = (
        f"import datetime\nprint(sum(datetime.date(year, month, {day}).weekday() == {which} "
        f"for year in range({first}, {last} + 1) for month in range(1, 13)))"
    )
    return GeneratedProblem(asked, str(answer), code)
