"""Bookkeeping of the slots: their requests and tokens, and which slot a new request gets.

Numpy only, no tensors. A slot keeps its tokens after a request ends, so the next turn of the same
session computes only what is new, and a new session copies the longest prefix that any slot holds
(episodes of one task share their first prompt). When no slot is free, the idle session used longest
ago is evicted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from turnwise.agents.engines.base import Sampling

Ints: TypeAlias = npt.NDArray[np.int64]

MIN_COPIED_TOKENS = 8
"""A shared prefix shorter than this is computed again rather than copied."""


@dataclass(slots=True, eq=False)
class GenerationRequest:
    """One call of `generate`, and its result as it grows."""

    prompt: Ints
    sampling: Sampling
    session: str | None
    future: asyncio.Future[None]
    seed: int
    limit: int
    """Most tokens to produce: `max_tokens`, or fewer where the context ends first."""
    stop: frozenset[int]
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    stop_reason: str = ""
    version: int = 0


class SlotTable:
    """Tokens and requests of every slot.

    Args:
        slots: number of slots.
        context: most tokens of a sequence.
    """

    def __init__(self, slots: int, context: int) -> None:
        self.ids = np.zeros((slots, context), dtype=np.int64)
        """[slots, context] tokens, of which the first `wanted` are meaningful."""
        self.held = np.zeros(slots, dtype=np.int64)
        """[slots] number of tokens whose keys and values are in the cache."""
        self.wanted = np.zeros(slots, dtype=np.int64)
        """[slots] number of tokens that must be in the cache before the next one is sampled."""
        self.used = np.zeros(slots, dtype=np.int64)
        """[slots] counter value of the last use."""
        self.request: list[GenerationRequest | None] = [None] * slots
        self.session: list[str | None] = [None] * slots
        self.slot_of: dict[str, int] = {}
        self._counter = 0

    def busy(self) -> list[int]:
        """Return the slots with a request, lowest first."""
        return [k for k, request in enumerate(self.request) if request is not None]

    def admit(self, request: GenerationRequest) -> tuple[int, int, int] | None:
        """Give `request` a slot.

        Returns:
            (slot, donor, length), where the first `length` tokens of slot `donor` are to be copied
            (0 for none). None when every slot is busy, or when another request is about to compute
            a prefix worth waiting for.
        """
        own = self.slot_of.get(request.session) if request.session is not None else None
        slot = own if own is not None and self.request[own] is None else self._free()
        if slot is None:
            return None
        # The last prompt token is always computed, because its logits are needed.
        most = len(request.prompt) - 1
        kept = min(self.common(slot, request.prompt), int(self.held[slot]), most)
        donor, length = slot, 0
        # A session that keeps half of its prompt is not worth the search for a longer prefix.
        if own != slot or kept < most // 2:
            shared = self._shared(request.prompt)
            ready = np.minimum(np.minimum(shared, self.held), most)
            if min(int(shared.max()), most) >= max(int(ready.max()), kept) + MIN_COPIED_TOKENS:
                return None
            donor = int(ready.argmax())
            if ready[donor] >= kept + MIN_COPIED_TOKENS:
                length = int(ready[donor])
        self._seat(request, slot, max(kept, length), keep_session=own == slot)
        return slot, donor, length

    def common(self, slot: int, prompt: Ints) -> int:
        """Return the length of the common prefix of `prompt` and the tokens of `slot`."""
        size = min(len(prompt), int(self.wanted[slot]))
        different = self.ids[slot, :size] != prompt[:size]
        return int(different.argmax()) if different.any() else size

    def _shared(self, prompt: Ints) -> Ints:
        """Return `common` of every slot, [slots]."""
        size = min(len(prompt), int(self.wanted.max()))
        if not size:
            return np.zeros(len(self.ids), dtype=np.int64)
        equal = self.ids[:, :size] == prompt[:size]
        equal &= np.arange(size) < self.wanted[:, None]
        return np.where(equal.all(1), size, (~equal).argmax(1))

    def _free(self) -> int | None:
        """Return an idle slot: one without a session first, then the one used longest ago."""
        idle = [k for k, request in enumerate(self.request) if request is None]

        def cost(k: int) -> tuple[bool, int, int]:
            session = self.session[k]
            return session is not None, int(self.used[k] if session else self.held[k] > 0), k

        return min(idle, key=cost, default=None)

    def _seat(self, request: GenerationRequest, slot: int, kept: int, keep_session: bool) -> None:
        if not keep_session:
            self.forget(slot)
            if request.session is not None and request.session not in self.slot_of:
                self.session[slot] = request.session
                self.slot_of[request.session] = slot
        self.ids[slot, : len(request.prompt)] = request.prompt
        self.held[slot], self.wanted[slot] = kept, len(request.prompt)
        self.request[slot] = request
        self.touch(slot)

    def touch(self, slot: int) -> None:
        """Mark `slot` as the one used last."""
        self._counter += 1
        self.used[slot] = self._counter

    def leave(self, slot: int) -> None:
        """Remove the request of `slot`; its tokens stay."""
        self.request[slot] = None
        # A decoding step also passes over idle rows and writes one position behind their end.
        self.held[slot] = self.wanted[slot] = min(self.held[slot], self.ids.shape[1] - 1)
        self.touch(slot)

    def forget(self, slot: int) -> None:
        """Take the slot from its session; its tokens stay as a prefix for others."""
        session = self.session[slot]
        if session is not None:
            del self.slot_of[session]
            self.session[slot] = None

    def invalidate(self) -> None:
        """Mark the whole cache as stale: running requests compute their tokens again."""
        self.held[:] = 0
        for slot, request in enumerate(self.request):
            if request is None:
                self.wanted[slot] = 0

    def swap(self, one: int, other: int) -> None:
        """Exchange two slots."""
        pair, turned = [one, other], [other, one]
        for values in (self.ids, self.held, self.wanted, self.used):
            values[pair] = values[turned]
        self.request[one], self.request[other] = self.request[other], self.request[one]
        self.session[one], self.session[other] = self.session[other], self.session[one]
        for slot in pair:
            session = self.session[slot]
            if session is not None:
                self.slot_of[session] = slot
