"""The Gregorian calendar, as numbers: (year, month, day)."""

Day = tuple[int, int, int]

_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def is_leap(year: int) -> bool:
    """Whether a year has a 29th of February."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_length(year: int, month: int) -> int:
    """Days of a month, which is 1 to 12."""
    if not 1 <= month <= 12:
        raise ValueError(f"there is no month {month}")
    return 29 if month == 2 and is_leap(year) else _LENGTHS[month - 1]


def is_valid(day: Day) -> bool:
    """Whether there is such a day."""
    year, month, number = day
    return 1 <= month <= 12 and 1 <= number <= month_length(year, month)


def day_of_year(day: Day) -> int:
    """1 for the first of January."""
    year, month, number = day
    return sum(month_length(year, before) for before in range(1, month)) + number


def ordinal(day: Day) -> int:
    """Days since the first of January of year 1, which is 1."""
    before = day[0] - 1
    return before * 365 + before // 4 - before // 100 + before // 400 + day_of_year(day)


def days_between(first: Day, second: Day) -> int:
    """How many days later the second is; negative where it is earlier."""
    return ordinal(second) - ordinal(first)


def weekday(day: Day) -> str:
    """The name of the day of the week."""
    return _NAMES[(ordinal(day) - 1) % 7]


def add_months(day: Day, months: int) -> Day:
    """The same day some months later; where that month is too short, its last day."""
    year, month, number = day
    count = year * 12 + (month - 1) + months
    year, month = count // 12, count % 12 + 1
    return year, month, min(number, month_length(year, month))


def next_day(day: Day) -> Day:
    """The day after."""
    year, month, number = day
    if number < month_length(year, month):
        return year, month, number + 1
    if month < 12:
        return year, month + 1, 1
    return year + 1, 1, 1


def parse(text: str) -> Day:
    """`2024-02-29` as a day. Raises ValueError for another form or a day that there is not."""
    parts = text.strip().split("-")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"{text!r} is not of the form year-month-day")
    year, month, number = (int(part) for part in parts)
    if not is_valid((year, month, number)):
        raise ValueError(f"{text!r} is no day")
    return year, month, number
