import datetime

import pytest

from pocketkit import calendars


@pytest.mark.parametrize(("year", "leap"), [(2024, True), (2023, False), (1900, False), (2000, True)])
def test_leap_years(year, leap):
    assert calendars.is_leap(year) is leap


def test_month_length():
    assert [calendars.month_length(2023, month) for month in (1, 2, 4, 12)] == [31, 28, 30, 31]
    assert calendars.month_length(2024, 2) == 29


@pytest.mark.parametrize("month", [0, 13])
def test_month_length_of_no_month(month):
    with pytest.raises(ValueError):
        calendars.month_length(2023, month)


def test_is_valid():
    assert calendars.is_valid((2024, 2, 29))
    assert calendars.is_valid((2023, 12, 31))
    assert not calendars.is_valid((2023, 2, 29))
    assert not calendars.is_valid((2023, 13, 1))
    assert not calendars.is_valid((2023, 1, 0))


def test_day_of_year():
    assert calendars.day_of_year((2023, 1, 1)) == 1
    assert calendars.day_of_year((2024, 3, 1)) == 61
    assert calendars.day_of_year((2023, 12, 31)) == 365


@pytest.mark.parametrize("day", [(1, 1, 1), (1900, 3, 1), (2000, 12, 31), (2024, 2, 29)])
def test_ordinal_is_that_of_the_library(day):
    assert calendars.ordinal(day) == datetime.date(*day).toordinal()


def test_days_between():
    assert calendars.days_between((2023, 12, 31), (2024, 1, 1)) == 1
    assert calendars.days_between((2024, 3, 1), (2024, 2, 1)) == -29


def test_weekday():
    assert calendars.weekday((2024, 2, 29)) == "Thursday"
    assert calendars.weekday((2024, 3, 4)) == "Monday"


def test_add_months_over_the_year():
    assert calendars.add_months((2023, 11, 5), 3) == (2024, 2, 5)
    assert calendars.add_months((2023, 1, 5), -1) == (2022, 12, 5)


def test_add_months_stays_in_the_month():
    assert calendars.add_months((2024, 1, 31), 1) == (2024, 2, 29)
    assert calendars.add_months((2024, 1, 31), 11) == (2024, 12, 31)


def test_next_day():
    assert calendars.next_day((2024, 2, 28)) == (2024, 2, 29)
    assert calendars.next_day((2023, 2, 28)) == (2023, 3, 1)
    assert calendars.next_day((2023, 12, 31)) == (2024, 1, 1)
    assert calendars.next_day((2023, 11, 30)) == (2023, 12, 1)


def test_parse():
    assert calendars.parse(" 2024-02-29 ") == (2024, 2, 29)


@pytest.mark.parametrize("text", ["2023-02-29", "2023-2", "2023-xx-01", "2023-13-01"])
def test_parse_refuses(text):
    with pytest.raises(ValueError):
        calendars.parse(text)
