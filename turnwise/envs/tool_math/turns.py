"""What one turn of a model is: code to run, an answer, both, or neither.

A turn goes up to and including its first complete Python block (SimpleTIR, arXiv 2509.02479,
section 3); what follows is left out of account. Where `\\boxed{` stands outside the code the turn
answers, also when the box is never closed. A turn that has neither is *void*: prose alone, a fence
that is not closed, a reply that was cut off.
"""

from __future__ import annotations

from dataclasses import dataclass

from turnwise.envs.tool_math.fences import first_code

BOX = "\\boxed{"


@dataclass(frozen=True, slots=True)
class Move:
    """One turn, read."""

    code: str | None
    """Of the first complete block."""
    answer: str | None
    """The text in which the answer stands, boxed; None where there is no box."""
    end: int
    """Where the turn ends in the text: behind the block, or at the end of the text."""
    cut: bool
    """Something other than blanks follows the block."""

    @property
    def void(self) -> bool:
        return self.code is None and self.answer is None


def read_turn(text: str) -> Move:
    """What `text` says. Never raises."""
    block = first_code(text)
    if block is None:
        return Move(None, text if BOX in text else None, len(text), cut=False)
    prose = text[: block.start]
    return Move(
        block.code, prose if BOX in prose else None, block.end, cut=bool(text[block.end :].strip())
    )
