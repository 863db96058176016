r"""Spellings of answers: what is the same answer written otherwise, and what algebra would misread.

`canonical` takes away what carries no meaning; the predicates after it recognise the few kinds of
answers that must be compared as text (number bases, words) or counted (lists); `latex` puts what a
Python tool prints into the form that math-verify reads.
"""

from __future__ import annotations

import re

from turnwise.envs.tool_math import rational

_SPACING = re.compile(r"(\\\\)|\\[!,;:> ]|\\(?:left|right|displaystyle|limits)(?![a-zA-Z])|~|\s+")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_THOUSANDS = re.compile(r"(?<![\d,(\[{._])\d{1,3}(?:,\d{3})+(?![\d,)\]}])")
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|mbox|mathrm|textrm|operatorname|mathbf)\s*\{([^{}]*)\}"
)
_BASE = re.compile(r"(?:\d|\\(?:text|mathrm)\{\w+\})_(?:\{?\d+\}?|\{?\\text\{\w+\}\}?)")
_OPEN, _CLOSE = "([{", ")]}"
_TWO_SIGNS = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])|±")


def canonical(text: str) -> str:
    """`text` without dollars around it, spacing commands, sizes of brackets, thousands separators
    and a full stop at its end.
    """
    bare = text.strip().strip("$").strip()
    bare = _FRACTION.sub(r"\\frac", bare).replace("{,}", ",").replace("−", "-")
    # A space matters after a command (`\sqrt 2`, `\text{a b}`), and between digits it would join
    # two numbers.
    bare = _SPACING.sub(
        lambda found: found.group(1) or (" " if found.group().isspace() else ""), bare
    )
    bare = re.sub(r"(?<![\w}]) | (?![\w\\])", "", bare)
    bare = _THOUSANDS.sub(lambda found: found.group().replace(",", ""), bare)
    return bare.removesuffix(".") if not bare.endswith("..") else bare


def has_base(text: str) -> bool:
    r"""Whether a number with a base stands in `text`: ``4210_5``, ``\text{A5}_{11}``."""
    return _BASE.search(text) is not None


def same_base(gold: str, answer: str) -> bool:
    """Equal digits in an equal base; base ten may be left unsaid."""
    plain = [
        _TEXT.sub(r"\1", text).replace("{", "").replace("}", "").replace(" ", "")
        for text in (gold, answer)
    ]
    return plain[0].removesuffix("_10") == plain[1].removesuffix("_10")


def words(text: str) -> str | None:
    r"""The words of an answer that is nothing but words, in lower case without brackets and spaces;
    None for any other.

    ``\text{(C)}``, ``(C)`` and ``C`` are one, ``\text{Yes}`` and ``yes`` too. What may be a product
    of variables is not words: plain letters count from the third on, or as one capital letter.
    """
    inner, count = _TEXT.subn(r"\1", text.strip().strip("$"))
    bare = re.sub(r"[\s()\"'.]|\\[ !,;]", "", inner)
    if not re.fullmatch(r"[A-Za-z]+(?:,[A-Za-z]+)*", bare):
        return None
    if not count and not (len(bare) >= 3 or re.fullmatch(r"[A-Z]", bare) or bare.lower() == "no"):
        return None
    return bare.lower()


def entries(text: str, inside: bool = False) -> int:
    """How many entries a list or a set at the top level has; algebra makes a set of it, in which
    repeated ones vanish.

    With `inside` also those of a tuple or an interval: a gold `(5,12)` may be answered by `5,12`.
    """
    if _TWO_SIGNS.search(text):
        return 2 * (1 + text.count(","))
    depth, count = 0, 1
    inner = text[2:-2] if text.startswith("\\{") and text.endswith("\\}") else text
    if inside and inner[:1] in "([" and inner[-1:] in ")]":
        inner = inner[1:-1]
    inner = re.sub(r"\\text\{ ?(?:and|or) ?\}", ",", inner)
    for letter in inner:
        depth += (letter in _OPEN) - (letter in _CLOSE)
        count += letter == "," and depth == 0
    return count


def depth(text: str) -> int:
    """How deep brackets and braces nest."""
    deepest = now = 0
    for letter in text:
        now += (letter in _OPEN) - (letter in _CLOSE)
        deepest = max(deepest, now)
    return deepest


def contradicts(text: str) -> bool:
    """Whether `text` is a chain of equations between numbers that are not equal: `7=5`, of which
    algebra reads the last.
    """
    sides = [rational.number(side) for side in text.split("=")]
    values = {side.value for side in sides if side is not None}
    return len(sides) > 1 and len(values) > 1


def latex(text: str) -> str:
    """`text` as math-verify reads it.

    Python's powers, roots and constants become LaTeX where there is no LaTeX yet, and an imaginary
    unit stands apart from the digits before it: math-verify takes the i of `4i` for a variable and
    that of `4*i` for the unit.
    """
    plain = re.sub(r"(?<=\d)i(?![A-Za-z])", " i", canonical(text))
    if "\\" in plain:
        return plain
    plain = re.sub(r"\b(?:Fraction|Rational)\(([^(),]+),([^(),]+)\)", r"\\frac{\1}{\2}", plain)
    plain = re.sub(r"\*\*\s*\(([^()]*)\)", r"^{\1}", plain)
    plain = re.sub(r"\*\*\s*(-?\w+)", r"^{\1}", plain)
    plain = re.sub(r"\bpi\b", r"\\pi ", plain)
    plain = re.sub(r"\boo\b", r"\\infty ", plain)
    plain = re.sub(r"(?<![A-Za-z])I(?![A-Za-z])", " i", plain)
    return re.sub(r"\bsqrt\(([^()]*)\)", r"\\sqrt{\1}", plain)
