r"""Is an answer right? ``grade(gold, text)``: the last box of a text against a reference answer.

The order is cheap and certain first: find the answer; refuse what is too long; equal text is equal;
numbers are compared exactly (`rational`); spellings that algebra reads wrongly are decided here
(number bases, words, lists with repeated or extra entries); and only what is left goes to
math-verify, in a process of its own (`grading_pool`).

Traps this page is about, each reproduced against math-verify 0.9 and each a test: a gold that is
not wrapped is read in part; boxes near one another merge into a set; floats differ from integers in
the last digit; ``277_8`` equals ``277``; ``5,5`` equals 5; ``1e3``, ``Fraction(5,3)``, ``5.``,
``x**2`` and other Python spellings are not understood; comparing is not symmetric; it fails outside
the main thread; and an answer of ten characters can cost all the time there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from turnwise.envs.tool_math import rational
from turnwise.envs.tool_math.boxed import gsm8k_answer, last_boxed
from turnwise.envs.tool_math.grading_pool import GraderError, Verdict, shared_pool
from turnwise.envs.tool_math.spelling import (
    canonical,
    contradicts,
    depth,
    entries,
    has_base,
    latex,
    same_base,
    words,
)

Status = Literal["graded", "no_answer", "too_long", "timeout", "died"]
How = Literal[
    "text",
    "base",
    "number",
    "words",
    "entries",
    "spelling",
    "algebra",
    "no_answer",
    "too_long",
    "timeout",
    "died",
]
LENGTH_CAP = 300
"""Characters of an answer, or twice the gold's where that is more. The longest answer in MATH has
159.
"""
DEPTH_CAP = 24
"""Brackets within brackets, or as many as the gold has. A parser's time can grow exponentially with
them.
"""


@dataclass(frozen=True, slots=True)
class Grade:
    """What became of one answer."""

    correct: bool
    answer: str | None
    """What was graded; None where the text has no answer."""
    status: Status
    """`graded`; or why it counts as wrong unread: `no_answer`, `too_long` (or too deep), and
    `timeout` or `died` where comparing it used up its time or killed the worker, which a gold that
    is fine does not do by itself."""
    how: How = "text"
    """What decided: equal text, number bases, exact numbers, words, the count of entries, a
    spelling that differs while algebra is switched off, algebra; or the status."""


def grade(gold: str, text: str) -> bool:
    r"""Whether `text` answers `gold`. See `graded`."""
    return graded(gold, text).correct


def graded(gold: str, text: str, *, algebra: bool = True) -> Grade:
    r"""Grade a text against a reference answer.

    Args:
        gold: the reference, with or without ``\boxed{}`` or ``$…$`` around it.
        text: a reply. The answer is its last balanced ``\boxed{}``; else, as GSM8K's solutions end,
            what follows ``####`` at the beginning of a line; else the whole text where it is one
            line without a ``\boxed``, so that a bare answer is graded as it stands. Nothing is
            searched for in prose.
        algebra: whether what is no number may be compared by math-verify. Without it such answers
            are right only where they are spelled as the gold is, and the extra `[math]` is not
            needed.

    Raises:
        GraderError: for an empty gold, and where nothing can be said about the answer: `[math]` is
            not installed, or no worker can run. Such an error is never a wrong answer.
    """
    reference = reference_answer(gold)
    answer = reference if text.strip() == gold.strip() else given_answer(text)
    if answer is None:
        return Grade(False, None, "no_answer", "no_answer")
    if len(answer) > max(LENGTH_CAP, 2 * len(reference)) or depth(answer) > max(
        DEPTH_CAP, depth(reference)
    ):
        return Grade(False, answer, "too_long", "too_long")
    decided = _decide(reference, answer)
    if decided is not None:
        return Grade(decided[0], answer, "graded", decided[1])
    if not algebra:
        return Grade(False, answer, "graded", "spelling")
    verdict = _compare(latex(reference), latex(answer))
    if verdict == "timeout" or verdict == "died":
        return Grade(False, answer, verdict, verdict)
    return Grade(verdict == "equal", answer, "graded", "algebra")


def reference_answer(gold: str) -> str:
    """The gold without the box or the dollars around it. Raises `GraderError` where nothing is
    left.
    """
    stripped = gold.strip()
    if "\\boxed" in stripped or "\\fbox" in stripped:
        stripped = last_boxed(stripped) or ""
    if len(stripped) > 1 and stripped[0] == stripped[-1] == "$":
        stripped = stripped.strip("$").strip()
    if not stripped:
        raise GraderError(
            f"the reference answer {gold!r} is empty: nothing can be right, so drop the problem or correct it"
        )
    return stripped


def given_answer(text: str) -> str | None:
    """The answer a text gives, as `graded` finds it; None where it gives none."""
    boxed = last_boxed(text)
    if boxed is not None:
        return boxed or None
    marked = gsm8k_answer(text)
    if marked is not None:
        return marked
    bare = text.strip()
    if not bare or "\n" in bare or "\\boxed" in bare or "\\fbox" in bare:
        return None
    return bare


def _decide(gold: str, answer: str) -> tuple[bool, How] | None:
    """What can be said without algebra, and by what; None where nothing can."""
    plain_gold, plain_answer = canonical(gold), canonical(answer)
    if plain_gold == plain_answer:
        return True, "text"
    # A base is part of the answer, and algebra drops it.
    if has_base(plain_gold) or has_base(plain_answer):
        return same_base(plain_gold, plain_answer), "base"
    wanted, given = rational.number(plain_gold), rational.number(plain_answer)
    if wanted is not None and given is not None:
        return rational.same(wanted, given), "number"
    if contradicts(plain_answer):
        return False, "number"
    said, meant = words(answer), words(gold)
    if said is not None and meant is not None:
        return said == meant, "words"
    if given is None and entries(plain_answer) > entries(plain_gold, inside=True):
        return False, "entries"
    return None


@lru_cache(maxsize=8192)
def _compare(gold: str, answer: str) -> Verdict:
    """Rollouts of one group give the same answers again and again, and a costly one should cost
    once.
    """
    return shared_pool().compare(gold, answer)
