"""Types and text helpers shared by the families of problems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from turnwise.envs.seeding import Draw


@dataclass(frozen=True, slots=True)
class GeneratedProblem:
    """A question, its exact answer, and a program that computes it from the question's numbers.

    The answer is computed in another way than the program's wherever there is one (from the
    solution the problem was built around, by a formula), so that running the program checks both.
    """

    question: str
    answer: str
    code: str


Family: TypeAlias = Callable[[Draw, int], GeneratedProblem]
"""Generator of one problem, from random draws and a level from 1 (easy) to 5."""

NAMES = (
    "Ada", "Bruno", "Chidi", "Dana", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kiri",
    "Lena", "Mateo", "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Sven", "Tala", "Umar", "Vera",
    "Wanda", "Yusuf", "Zoe",
)  # fmt: skip


def exact(value: Fraction | int) -> str:
    r"""Return a value in LaTeX: an integer, or a fraction in lowest terms after its sign."""
    value = Fraction(value)
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def signed(draw: Draw, size: int) -> int:
    """Draw an integer from -size to size, other than 0."""
    return draw.between(1, size) * (1 if draw.chance(0.5) else -1)


def term(coefficient: int, name: str, first: bool = False) -> str:
    """Return a term of a sum: `+ 3x`, `- y`, or nothing for a coefficient of 0."""
    if coefficient == 0:
        return ""
    size = "" if abs(coefficient) == 1 and name else str(abs(coefficient))
    if first:
        return f"{'-' if coefficient < 0 else ''}{size}{name}"
    return f" {'-' if coefficient < 0 else '+'} {size}{name}"


def polynomial(coefficients: list[int], name: str = "x") -> str:
    """Return a polynomial in LaTeX, from its coefficients with the highest power first."""
    degree = len(coefficients) - 1
    parts = ""
    for k, coefficient in enumerate(coefficients):
        power = degree - k
        if power > 1:
            letter = f"{name}^{{{power}}}" if power > 9 else f"{name}^{power}"
        else:
            letter = name if power else ""
        parts += term(coefficient, letter, first=not parts)
    return parts or "0"
