"""Text as a Gymnasium space: every Python string belongs to it.

Gymnasium's own `Text` rejects blanks, newlines and Unicode by default, and `AsyncVectorEnv` with
its default `shared_memory=True` returns garbage for it; a space of our own makes that constructor
ask for `shared_memory=False`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gymnasium.spaces import Space

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789 []-,.'"


class TextSpace(Space[str]):
    """All strings. Samples are short random strings, for `check_env` and fuzzing."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(shape=(), dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        return False

    def contains(self, x: Any) -> bool:
        return isinstance(x, str)

    def sample(self, mask: None = None, probability: None = None) -> str:
        length = int(self.np_random.integers(1, 24))
        return "".join(
            _ALPHABET[int(i)] for i in self.np_random.integers(len(_ALPHABET), size=length)
        )

    def to_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        return list(sample_n)

    def from_jsonable(self, sample_n: list[Any]) -> list[str]:
        return [str(x) for x in sample_n]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace)

    def __hash__(self) -> int:
        return hash(TextSpace)

    def __repr__(self) -> str:
        return "TextSpace()"
