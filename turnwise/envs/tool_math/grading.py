r"""Grading: ``grade(gold, text)`` compares the last box of a text with a reference answer.

Cheap and certain checks come first: find the answer; refuse what is too long; accept equal text;
compare numbers exactly (`rational`); decide spellings that algebra misreads (number bases, words,
lists with repeated or extra entries). Only the rest goes to math-verify, in a process of its own
(`grading_pool`).

This avoids several traps of math-verify 0.9, each reproduced and each a test: a gold that is not
wrapped is read in part; adjacent boxes merge into a set; floats differ from integers in the last
digit; ``277_8`` equals ``277``; ``5,5`` equals 5; ``1e3``, ``Fraction(5,3)``, ``5.``, ``x**2`` and
other Python spellings are not understood; comparison is not symmetric; it fails outside the main
thread; and an answer of ten characters can take unlimited time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from turnwise.envs.tool_math import rational
from turnwise.envs.tool_math.answers import (
    canonical,
    contradicts,
    depth,
    entries,
    gsm8k_answer,
    has_base,
    last_boxed,
    latex,
    same_base,
    words,
)
from turnwise.envs.tool_math.grading_pool import GraderError, Verdict, shared_pool

Status = Literal["graded", "no_answer", "too_long", "timeout", "died"]
How = Literal[
    "text", "base", "number", "words", "entries", "spelling", "algebra",
    "no_answer", "too_long", "timeout", "died",
]  # fmt: skip
MAX_ANSWER_CHARS = 300
"""Characters of an answer, or twice the gold's if that is more. MATH's longest answer has 159."""
MAX_ANSWER_DEPTH = 24
"""Nesting of brackets, or the gold's if that is more: parsing can take exponential time in it."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The result of grading one text."""

    correct: bool
    answer: str | None
    """The answer graded; None if the text has none."""
    status: Status
    """`graded`, or why the answer counts as wrong: `no_answer`; `too_long` (or too deep); `timeout`
    or `died` if comparing it exceeded the time or killed the worker, not by the gold's fault."""
    how: How = "text"
    """The check that decided: equal text, number bases, exact numbers, words, number of entries, a
    different spelling with algebra switched off, algebra; or the status."""


def grade(gold: str, text: str) -> bool:
    """Return whether `text` answers `gold`. See `graded`."""
    return graded(gold, text).correct


def graded(gold: str, text: str, *, algebra: bool = True) -> Grade:
    r"""Grade a text against a reference answer.

    Args:
        gold: the reference, with or without ``\boxed{}`` or ``$…$`` around it.
        text: a reply. The answer is its last balanced ``\boxed{}``; else what follows ``####`` at
            the beginning of a line, as in GSM8K's solutions; else the whole text if it is one line
            without a ``\boxed``. Prose is not searched for answers.
        algebra: whether answers other than numbers may be compared by math-verify. If not, they
            are right only if spelled like the gold, and the extra `[math]` is not needed.

    Raises:
        GraderError: for an empty gold, or if the answer cannot be judged because `[math]` is not
            installed or no worker can run. This never means that the answer is wrong.
    """
    reference = reference_answer(gold)
    answer = reference if text.strip() == gold.strip() else given_answer(text)
    if answer is None:
        return Grade(False, None, "no_answer", "no_answer")
    too_long = len(answer) > max(MAX_ANSWER_CHARS, 2 * len(reference))
    if too_long or depth(answer) > max(MAX_ANSWER_DEPTH, depth(reference)):
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
    """Return the gold without its box or dollars. Raises `GraderError` if nothing is left."""
    stripped = gold.strip()
    if "\\boxed" in stripped or "\\fbox" in stripped:
        stripped = last_boxed(stripped) or ""
    if len(stripped) > 1 and stripped[0] == stripped[-1] == "$":
        stripped = stripped.strip("$").strip()
    if not stripped:
        raise GraderError(
            f"the reference answer {gold!r} is empty: nothing can be right, "
            "so drop the problem or correct it"
        )
    return stripped


def given_answer(text: str) -> str | None:
    """Return the answer in a text, as `graded` finds it, or None."""
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
    """Decide without algebra; return the decision and the check behind it, or None."""
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
    given_words, wanted_words = words(answer), words(gold)
    if given_words is not None and wanted_words is not None:
        return given_words == wanted_words, "words"
    # Algebra makes sets of lists, in which repeated or extra entries can vanish.
    if given is None and entries(plain_answer) > entries(plain_gold, inside=True):
        return False, "entries"
    return None


@lru_cache(maxsize=8192)
def _compare(gold: str, answer: str) -> Verdict:
    """Compare by algebra. Cached, because the rollouts of a group repeat their answers."""
    return shared_pool().compare(gold, answer)
