"""What a family of problems makes, and the few things all families write in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from turnwise.envs.seeding import Draw


@dataclass(frozen=True, slots=True)
class Made:
    """One problem: what is asked, the exact answer, and a program that finds it from the numbers in
    the question.

    The answer is computed as the problem is made, by another way than the program's wherever there
    is one (from the solution it was built around, by a formula), so that running the program checks
    both.
    """

    question: str
    answer: str
    code: str


Family: TypeAlias = Callable[[Draw, int], Made]
"""Makes a problem from a draw and a level from 1 (easy) to 5."""

NAMES = (
    "Ada", "Bruno", "Chidi", "Dana", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kiri", "Lena", "Mateo", "Noor", "Oskar",
    "Priya", "Quentin", "Rosa", "Sven", "Tala", "Umar", "Vera", "Wanda", "Yusuf", "Zoe",
)  # fmt: skip


def exact(value: Fraction | int) -> str:
    r"""An exact value in LaTeX: an integer, or a fraction in lowest terms with its sign in front."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def signed(draw: Draw, size: int) -> int:
    """An integer other than 0 from -size to size."""
    return draw.between(1, size) * (1 if draw.chance(0.5) else -1)


def term(coefficient: int, name: str, first: bool = False) -> str:
    """One term of a sum as it is written: `+ 3x`, `- y`, and nothing for a coefficient of 0."""
    if coefficient == 0:
        return ""
    size = "" if abs(coefficient) == 1 and name else str(abs(coefficient))
    if first:
        return f"{'-' if coefficient < 0 else ''}{size}{name}"
    return f" {'-' if coefficient < 0 else '+'} {size}{name}"


def polynomial(coefficients: list[int], name: str = "x") -> str:
    """A polynomial from its coefficients, the highest power first, as LaTeX."""
    degree = len(coefficients) - 1
    parts = ""
    for k, coefficient in enumerate(coefficients):
        power = degree - k
        letter = (
            ""
            if power == 0
            else name
            if power == 1
            else f"{name}^{{{power}}}"
            if power > 9
            else f"{name}^{power}"
        )
        parts += term(coefficient, letter, first=not parts)
    return parts or "0"
