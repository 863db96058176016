import pytest

from pocketkit import numbers


def test_mean():
    assert numbers.mean([1, 2, 6]) == 3
    with pytest.raises(ValueError):
        numbers.mean([])


def test_median_of_odd_and_even_counts():
    assert numbers.median([9, 1, 5]) == 5
    assert numbers.median([4, 1, 3, 2]) == 2.5


def test_median_of_nothing():
    with pytest.raises(ValueError):
        numbers.median([])


def test_variance():
    assert numbers.variance([1, 3]) == 1
    assert numbers.variance([2, 2, 2]) == 0


def test_variance_of_a_sample():
    assert numbers.variance([1, 3], sample=True) == 2
    with pytest.raises(ValueError):
        numbers.variance([1], sample=True)


def test_clamp():
    assert [numbers.clamp(value, 0, 10) for value in (-1, 0, 5, 10, 11)] == [0, 0, 5, 10, 10]
    assert numbers.clamp(3, 2, 2) == 2


def test_clamp_refuses_an_empty_range():
    with pytest.raises(ValueError):
        numbers.clamp(1, 3, 2)


def test_round_to_the_nearest_step():
    assert numbers.round_to(7, 5) == 5
    assert numbers.round_to(8, 5) == 10
    assert numbers.round_to(-8, 5) == -10


def test_round_to_takes_halves_upwards():
    assert numbers.round_to(5, 10) == 10
    assert numbers.round_to(15, 10) == 20


def test_round_to_needs_a_step():
    with pytest.raises(ValueError):
        numbers.round_to(1, 0)


@pytest.mark.parametrize(
    ("number", "written"), [(1, "I"), (4, "IV"), (9, "IX"), (14, "XIV"), (1994, "MCMXCIV"), (3999, "MMMCMXCIX")]
)
def test_roman_both_ways(number, written):
    assert numbers.to_roman(number) == written
    assert numbers.from_roman(written.lower()) == number


@pytest.mark.parametrize("number", [0, 4000])
def test_roman_has_limits(number):
    with pytest.raises(ValueError):
        numbers.to_roman(number)


@pytest.mark.parametrize("written", ["IIII", "IC", "X1", "", "VX"])
def test_roman_refuses_other_spellings(written):
    with pytest.raises(ValueError):
        numbers.from_roman(written)


def test_digits():
    assert numbers.digits(120) == [1, 2, 0]
    assert numbers.digits(0) == [0]
    assert numbers.digits(10) == [1, 0]


def test_digits_in_other_bases():
    assert numbers.digits(5, 2) == [1, 0, 1]
    assert numbers.digits(2, 2) == [1, 0]
    with pytest.raises(ValueError):
        numbers.digits(5, 1)
    with pytest.raises(ValueError):
        numbers.digits(-1)


def test_primes():
    assert numbers.primes(11) == [2, 3, 5, 7, 11]
    assert numbers.primes(1) == []
    assert numbers.primes(25)[-1] == 23
