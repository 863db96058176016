r"""Find the answer in a text, and bring its spelling into one form.

The answer is the last balanced ``\boxed{}``. The scan reads the text once with a stack of open
braces, so its time is linear in the text, and boxes side by side stay apart. Escaped braces are
printed characters and do not count.

`canonical` drops what carries no meaning. The predicates after it recognise answers that algebra
would misread and that have to be compared as text (number bases, words) or counted (lists); `latex`
converts Python's spellings into the form that math-verify reads.
"""

from __future__ import annotations

import re

from turnwise.envs.tool_math import rational

# In order: a box opens, a line break (so that its backslashes escape nothing), an escaped brace, a
# brace.
_MARK = re.compile(r"\\(?:boxed|fbox)\s*\{|\\\\(?!boxed|fbox)|\\[{}]|[{}]")
_UNBRACED = re.compile(r"\\(?:boxed|fbox)\s+([^\s${}\\][^$\n{}]*)")
_HASHES = re.compile(r"^####[ \t]*(\S.*?)\s*$", re.MULTILINE)
_SPACING = re.compile(r"(\\\\)|\\[!,;:> ]|\\(?:left|right|displaystyle|limits)(?![a-zA-Z])|~|\s+")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
# Not inside brackets, where `1,080` may be two entries.
_THOUSANDS = re.compile(r"(?<![\d,(\[{._])\d{1,3}(?:,\d{3})+(?![\d,)\]}])")
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|mbox|mathrm|textrm|operatorname|mathbf)\s*\{([^{}]*)\}"
)
_BASE = re.compile(r"(?:\d|\\(?:text|mathrm)\{\w+\})_(?:\{?\d+\}?|\{?\\text\{\w+\}\}?)")
_OPEN, _CLOSE = "([{", ")]}"
_TWO_SIGNS = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])|±")


def last_boxed(text: str) -> str | None:
    r"""Return the stripped content of the last balanced ``\boxed{}`` or ``\fbox{}``, or None.

    "Last" is the one that opens last: of ``\boxed{x = \boxed{5}}`` it is 5. A box that is never
    closed does not count.
    """
    opened: list[int | None] = []
    best: tuple[int, int] | None = None
    for mark in _MARK.finditer(text):
        what = mark.group()
        if what == "}":
            start = opened.pop() if opened else None
            if start is not None and (best is None or start > best[0]):
                best = (start, mark.start())
        elif what == "{":
            opened.append(None)
        elif what[-1] == "{" and len(what) > 2:  # a box, not an escaped brace
            opened.append(mark.end())
    return text[best[0] : best[1]].strip() if best is not None else None


def solution_answer(solution: str) -> str | None:
    r"""Return the answer at the end of a data set's reference solution, or None.

    MATH boxes it, sometimes without braces (``\boxed 5$``); GSM8K ends in a line ``#### 1,080``.
    """
    boxed = last_boxed(solution)
    if boxed is not None:
        return boxed
    bare = _UNBRACED.findall(solution)
    if bare:
        return str(bare[-1]).strip()
    return gsm8k_answer(solution)


def gsm8k_answer(solution: str) -> str | None:
    """Return what follows the last ``####`` at the start of a line, or None."""
    found = _HASHES.findall(solution)
    return str(found[-1]) if found else None


# Spelling
# --------


def canonical(text: str) -> str:
    """Return a text without what carries no meaning.

    That is surrounding dollars, spacing, bracket sizes, thousands separators and a final full stop.
    """
    bare = text.strip().strip("$").strip()
    bare = _FRACTION.sub(r"\\frac", bare).replace("{,}", ",").replace("−", "-")
    # A space has a meaning after a command (`\sqrt 2`, `\text{a b}`); between digits, dropping it
    # would join two numbers.
    bare = _SPACING.sub(
        lambda found: found.group(1) or (" " if found.group().isspace() else ""), bare
    )
    bare = re.sub(r"(?<![\w}]) | (?![\w\\])", "", bare)
    bare = _THOUSANDS.sub(lambda found: found.group().replace(",", ""), bare)
    return bare.removesuffix(".") if not bare.endswith("..") else bare


def has_base(text: str) -> bool:
    r"""Return whether a text has a number with a base: ``4210_5``, ``\text{A5}_{11}``."""
    return _BASE.search(text) is not None


def same_base(gold: str, answer: str) -> bool:
    """Return whether digits and base are equal; base ten may be left out."""
    plain = [
        _TEXT.sub(r"\1", text).replace("{", "").replace("}", "").replace(" ", "")
        for text in (gold, answer)
    ]
    return plain[0].removesuffix("_10") == plain[1].removesuffix("_10")


def words(text: str) -> str | None:
    r"""Return an answer of words only, in lower case without brackets and spaces; None for others.

    ``\text{(C)}``, ``(C)`` and ``C`` are the same, and so are ``\text{Yes}`` and ``yes``.
    Outside of ``\text`` a word has three letters or more, or is one capital: anything else may be a
    product of variables.
    """
    inner, count = _TEXT.subn(r"\1", text.strip().strip("$"))
    bare = re.sub(r"[\s()\"'.]|\\[ !,;]", "", inner)
    if not re.fullmatch(r"[A-Za-z]+(?:,[A-Za-z]+)*", bare):
        return None
    if not count and not (len(bare) >= 3 or re.fullmatch(r"[A-Z]", bare) or bare.lower() == "no"):
        return None
    return bare.lower()


def entries(text: str, inside: bool = False) -> int:
    """Count the entries of a list or set at the top level.

    Algebra makes a set of it, in which repeated entries vanish. With `inside`, the entries of a
    tuple or interval count too: a gold `(5,12)` may be answered by `5,12`.
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
    """Return the nesting depth of brackets and braces."""
    deepest = now = 0
    for letter in text:
        now += (letter in _OPEN) - (letter in _CLOSE)
        deepest = max(deepest, now)
    return deepest


def contradicts(text: str) -> bool:
    """Return whether a text equates different numbers: `7=5`, of which algebra reads the last."""
    sides = [rational.number(side) for side in text.split("=")]
    values = {side.value for side in sides if side is not None}
    return len(sides) > 1 and len(values) > 1


def latex(text: str) -> str:
    """Return a text in the form that math-verify reads.

    Python's powers, roots and constants become LaTeX if the text has no LaTeX yet. An imaginary
    unit is set apart from the digits before it, because math-verify takes the i of `4i` for a
    variable and that of `4*i` for the unit.
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
