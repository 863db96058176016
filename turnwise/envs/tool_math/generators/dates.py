"""The Gregorian calendar: weekdays, distances, months. The programs ask Python's `datetime`; the
answers count days.
"""

from __future__ import annotations

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
Date = tuple[int, int, int]


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _ordinal(date: Date) -> int:
    """Days since the day before 1 January of year 1, which was a Monday."""
    year, month, day = date
    past = year - 1
    days = 365 * past + past // 4 - past // 100 + past // 400
    return days + sum(_LENGTHS[: month - 1]) + (month > 2 and _leap(year)) + day


def _date(draw: Draw, level: int) -> Date:
    spread = (1, 5, 30, 120, 400)[level - 1]
    return draw.between(2026 - spread, 2026 + spread), draw.between(1, 12), draw.between(1, 28)


def _written(date: Date) -> str:
    return f"{date[2]} {_MONTHS[date[1] - 1]} {date[0]}"


def weekday(draw: Draw, level: int) -> Made:
    """The day of the week of a date."""
    date = _date(draw, level)
    asked = draw.pick(
        (
            "On which day of the week does {} fall?",
            "What day of the week is {}, by the Gregorian calendar?",
            draw.pick(NAMES) + " marks {} in a calendar. Which day of the week is it?",
        )
    )
    code = f'import datetime\nprint(datetime.date{date}.strftime("%A"))'
    return Made(
        asked.replace("{}", _written(date)),
        f"\\text{{{_WEEKDAYS[(_ordinal(date) - 1) % 7]}}}",
        code,
    )


def distance(draw: Draw, level: int) -> Made:
    """The number of days from one date to another."""
    one, other = sorted((_date(draw, level), _date(draw, level)))
    asked = draw.pick(
        (
            "How many days after {a} is {b}?",
            "How many nights are there from {a} to {b}?",
            draw.pick(NAMES) + " was away from {a} to {b}. How many days later is the second date?",
        )
    )
    code = f"import datetime\nprint((datetime.date{other} - datetime.date{one}).days)"
    return Made(
        asked.replace("{a}", _written(one)).replace("{b}", _written(other)),
        str(_ordinal(other) - _ordinal(one)),
        code,
    )


def thirteenths(draw: Draw, level: int) -> Made:
    """How often a day of the month falls on a weekday in a span of years."""
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
    return Made(asked, str(answer), code)
