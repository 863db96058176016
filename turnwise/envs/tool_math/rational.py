r"""Exact reading and comparison of numbers.

Most answers to competition problems are integers, and most of the others are decimals or fractions.
They are compared here as `fractions.Fraction`, in microseconds, with no algebra and no process. The
spellings cover LaTeX (``1{,}080``, ``-\frac{3}{4}``, ``\dfrac34``, ``\$5``), text (``1,080.50``,
``5.``) and what a Python tool prints (``1e3``, ``Fraction(5, 3)``, ``16.0000000001``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_MAX_DIGITS = 400
"""Characters of a number, and size of an exponent, that are read at most."""
TOLERANCE = Fraction(1, 10**6)
"""Largest error of a float with at least `_FLOAT_DECIMALS` decimals."""
_FLOAT_DECIMALS = 6
_WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"
_DECIMAL = re.compile(rf"([+-]?)(?:({_WHOLE})(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{{1,4}}))?")
_TEX_FRACTION = re.compile(r"([+-]?)\\[dtc]?frac(?:\{([+-]?\d+)\}|(\d))(?:\{([+-]?\d+)\}|(\d))")
_PLAIN_FRACTION = re.compile(
    r"([+-]?)(?:\(?([+-]?\d+)\)?/\(?([+-]?\d+)\)?"
    r"|(?:Fraction|Rational|Integer)\(([+-]?\d+)(?:,([+-]?\d+))?\))"
)
_SPACING = re.compile(r"\\[!,;:> ]|\{,\}|\\(?:left|right)(?![a-zA-Z])|~|(?<!\d)\s+|\s+(?!\d)")


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value, and the number of decimals it was written with."""

    value: Fraction
    decimals: int = 0

    @property
    def is_float(self) -> bool:
        """Whether it has so many decimals that it is most likely a float."""
        return self.decimals >= _FLOAT_DECIMALS


def number(text: str) -> Number | None:
    """Read a text that is a number; return None for any other."""
    if len(text) > _MAX_DIGITS:
        return None
    # `{,}` separates thousands anywhere; a bare comma only between groups of three digits.
    bare = _SPACING.sub(
        lambda found: "," if found.group() == "{,}" else "", text.strip().strip("$")
    )
    bare = re.sub(r"^([+-]?)\\?\$", r"\1", bare.replace("−", "-"))
    found = _DECIMAL.fullmatch(bare)
    if found:
        return _decimal(*found.groups())
    found = _TEX_FRACTION.fullmatch(bare)
    if found:
        sign, long_top, top, long_bottom, bottom = found.groups()
        return _fraction(sign, long_top or top, long_bottom or bottom)
    found = _PLAIN_FRACTION.fullmatch(bare)
    if found:
        sign, top, bottom, called_top, called_bottom = found.groups()
        return _fraction(sign, top or called_top, bottom or called_bottom or "1")
    return None


def _decimal(
    sign: str, whole: str | None, part: str | None, only_part: str | None, exponent: str | None
) -> Number | None:
    digits = (whole or "").replace(",", "")
    after = part or only_part or ""
    power = int(exponent or 0)
    if abs(power) > _MAX_DIGITS:
        return None
    value = Fraction(int(digits + after or "0"), 10 ** len(after)) * Fraction(10) ** power
    return Number(-value if sign == "-" else value, max(len(after) - power, 0))


def _fraction(sign: str, top: str, bottom: str) -> Number | None:
    if int(bottom) == 0:
        return None
    value = Fraction(int(top), int(bottom))
    return Number(-value if sign == "-" else value)


def same(gold: Number, given: Number) -> bool:
    """Return whether two numbers are equal, exactly or up to the error of a float.

    Tools print 16.0000000000001 for 16 and 0.333333 for 1/3. A number with six or more decimals may
    be off by one in the sixth, and by no more than a hundred-thousandth of a small value.
    """
    if gold.value == given.value:
        return True
    if not (gold.is_float or given.is_float):
        return False
    allowed = min(TOLERANCE, abs(gold.value) / 10**5) if gold.value else TOLERANCE
    return abs(gold.value - given.value) <= allowed
