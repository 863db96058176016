"""Numbers: averages, rounding, number systems, primes."""

from collections.abc import Sequence

_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    return sum(values) / len(values)


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def variance(values: Sequence[float], sample: bool = False) -> float:
    """The mean square distance from the mean; for a sample, over one fewer than there are values."""
    centre = mean(values)
    count = len(values) - 1 if sample else len(values)
    if count < 1:
        raise ValueError("a sample needs two values")
    return sum((value - centre) ** 2 for value in values) / count


def clamp(value: float, low: float, high: float) -> float:
    """The nearest number to `value` between `low` and `high`. Raises ValueError where low is above high."""
    if low > high:
        raise ValueError("low is above high")
    if value < low:
        return low
    if value > high:
        return high
    return value


def round_to(value: float, step: float) -> float:
    """The multiple of `step` nearest to `value`, halves upwards."""
    if step <= 0:
        raise ValueError("the step must be positive")
    whole = value // step
    rest = value - whole * step
    if rest * 2 >= step:
        whole += 1
    return whole * step


def to_roman(number: int) -> str:
    """Roman numerals of 1 to 3999. Raises ValueError for others."""
    if not 1 <= number <= 3999:
        raise ValueError("only 1 to 3999 can be written")
    written = ""
    for value, letters in _ROMAN:
        while number >= value:
            written += letters
            number -= value
    return written


def from_roman(text: str) -> int:
    """The number that Roman numerals write, in either case. Raises ValueError where they are not written as `to_roman` does."""
    values = {letters: value for value, letters in _ROMAN if len(letters) == 1}
    total = 0
    before = 0
    for letter in reversed(text.upper()):
        if letter not in values:
            raise ValueError(f"{letter!r} is no Roman numeral")
        value = values[letter]
        if value < before:
            total -= value
        else:
            total += value
            before = value
    if not 1 <= total <= 3999 or to_roman(total) != text.upper():
        raise ValueError(f"{text!r} is no Roman number")
    return total


def digits(number: int, base: int = 10) -> list[int]:
    """The digits of a number that is not negative, the highest first."""
    if number < 0 or base < 2:
        raise ValueError("wanted: a number >= 0 and a base >= 2")
    found = []
    while number >= base:
        number, rest = divmod(number, base)
        found.append(rest)
    found.append(number)
    return found[::-1]


def primes(limit: int) -> list[int]:
    """The prime numbers up to and including `limit`."""
    marked = [True] * (limit + 1)
    found = []
    for number in range(2, limit + 1):
        if not marked[number]:
            continue
        found.append(number)
        for multiple in range(number * number, limit + 1, number):
            marked[multiple] = False
    return found
