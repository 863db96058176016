r"""Where an answer stands in a text: the last balanced ``\boxed{}``.

The scan reads the text once with a stack of open braces, so its time is linear in the text whatever
a model writes, and two boxes that stand side by side stay two. Braces with a backslash are printed
characters and do not count.
"""

from __future__ import annotations

import re

_MARK = re.compile(r"\\(?:boxed|fbox)\s*\{|\\\\(?!boxed|fbox)|\\[{}]|[{}]")
_UNBRACED = re.compile(r"\\(?:boxed|fbox)\s+([^\s${}\\][^$\n{}]*)")
_HASHES = re.compile(r"^####[ \t]*(\S.*?)\s*$", re.MULTILINE)


def last_boxed(text: str) -> str | None:
    r"""What the last balanced ``\boxed{}`` (or ``\fbox{}``) of a text holds, stripped; None where
    there is none.

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
        elif what[-1] == "{" and len(what) > 2:
            opened.append(mark.end())
    return text[best[0] : best[1]].strip() if best is not None else None


def solution_answer(solution: str) -> str | None:
    r"""The answer at the end of a reference solution, as data sets write them.

    MATH boxes it, now and then without braces (``\boxed 5$``); GSM8K ends in a line ``#### 1,080``.
    None where there is neither.
    """
    boxed = last_boxed(solution)
    if boxed is not None:
        return boxed
    bare = _UNBRACED.findall(solution)
    if bare:
        return str(bare[-1]).strip()
    return gsm8k_answer(solution)


def gsm8k_answer(solution: str) -> str | None:
    """What follows the last ``####`` at the start of a line; None where no line starts so."""
    found = _HASHES.findall(solution)
    return str(found[-1]) if found else None
