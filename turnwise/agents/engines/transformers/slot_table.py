"""Who sits in which slot: requests, the tokens each slot's cache stands for, and which slot a new
request gets.

Pure bookkeeping in numpy, no tensors. A slot keeps its tokens after a request ends, so the next
turn of the same session computes only what is new, and a new session copies the longest prefix that
any slot holds (episodes of one task share their first prompt). When no slot is free the idle
session used longest ago is evicted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from turnwise.agents.engines.base import Sampling

Ints: TypeAlias = npt.NDArray[np.int64]

_WORTH_COPYING = 8  # a shared prefix shorter than this is computed again rather than copied


@dataclass(slots=True, eq=False)
class Request:
    """One call of `generate`."""

    prompt: Ints
    sampling: Sampling
    session: str | None
    future: asyncio.Future[None]
    seed: int
    limit: int
    """Tokens it may still produce: `max_tokens`, or fewer where the context ends first."""
    stop: frozenset[int]
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    reason: str = ""
    version: int = 0


class SlotTable:
    """The slots' tokens and owners.

    Args:
        slots: how many there are.
        context: the longest sequence one may hold.
    """

    def __init__(self, slots: int, context: int) -> None:
        self.ids = np.zeros((slots, context), dtype=np.int64)
        """[slots, context] tokens; the first `wanted` are meaningful."""
        self.held = np.zeros(slots, dtype=np.int64)
        """[slots] how many of them the cache has computed."""
        self.wanted = np.zeros(slots, dtype=np.int64)
        """[slots] how many of them the request needs computed before it can draw its next token."""
        self.used = np.zeros(slots, dtype=np.int64)
        self.request: list[Request | None] = [None] * slots
        self.session: list[str | None] = [None] * slots
        self.where: dict[str, int] = {}
        self._clock = 0

    def busy(self) -> list[int]:
        """Slots with a request, lowest first."""
        return [k for k, request in enumerate(self.request) if request is not None]

    def admit(self, request: Request) -> tuple[int, int, int] | None:
        """Give `request` a slot: (slot, donor, length) where `length` tokens of slot `donor` are to
        be copied (0: none).

        None when every slot is busy, or when another request that shares its beginning is about to
        compute it.
        """
        own = self.where.get(request.session) if request.session is not None else None
        slot = own if own is not None and self.request[own] is None else self._free()
        if slot is None:
            return None
        most = (
            len(request.prompt) - 1
        )  # the last token is always computed: its logits are what is asked for
        mine = min(self.common(slot, request.prompt), int(self.held[slot]), most)
        donor, length = slot, 0
        if own != slot or mine < most // 2:
            shared = self._shared(request.prompt)
            ready = np.minimum(np.minimum(shared, self.held), most)
            if min(int(shared.max()), most) >= max(int(ready.max()), mine) + _WORTH_COPYING:
                return None
            donor = int(ready.argmax())
            if ready[donor] >= mine + _WORTH_COPYING:
                length = int(ready[donor])
        self._seat(request, slot, max(mine, length), keep_session=own == slot)
        return slot, donor, length

    def common(self, slot: int, prompt: Ints) -> int:
        """Length of the common beginning of `prompt` and what `slot` is to hold."""
        size = min(len(prompt), int(self.wanted[slot]))
        different = self.ids[slot, :size] != prompt[:size]
        return int(different.argmax()) if different.any() else size

    def _shared(self, prompt: Ints) -> Ints:
        """[slots] `common` for all of them at once."""
        size = min(len(prompt), int(self.wanted.max()))
        equal = self.ids[:, :size] == prompt[:size]
        equal &= np.arange(size) < self.wanted[:, None]
        return (
            np.where(equal.all(1), size, (~equal).argmax(1))
            if size
            else np.zeros(len(equal), dtype=np.int64)
        )

    def _free(self) -> int | None:
        """A slot without a request: unowned ones first, then the idle session used longest ago."""
        idle = [k for k, request in enumerate(self.request) if request is None]
        if not idle:
            return None
        return min(
            idle,
            key=lambda k: (
                self.session[k] is not None,
                self.used[k] if self.session[k] else self.held[k] > 0,
                k,
            ),
        )

    def _seat(self, request: Request, slot: int, kept: int, keep_session: bool) -> None:
        if not keep_session:
            self.forget(slot)
            if request.session is not None and request.session not in self.where:
                self.session[slot] = request.session
                self.where[request.session] = slot
        self.ids[slot, : len(request.prompt)] = request.prompt
        self.held[slot], self.wanted[slot] = kept, len(request.prompt)
        self.request[slot] = request
        self.touch(slot)

    def touch(self, slot: int) -> None:
        """Note that `slot` is used now."""
        self._clock += 1
        self.used[slot] = self._clock

    def leave(self, slot: int) -> None:
        """The request of `slot` has ended; what the cache holds stays."""
        self.request[slot] = None
        # One position stays free: a decoding step passes over idle rows too and writes behind their
        # end.
        self.held[slot] = self.wanted[slot] = min(self.held[slot], self.ids.shape[1] - 1)
        self.touch(slot)

    def forget(self, slot: int) -> None:
        """Take the slot from its session; its tokens stay as a prefix for others."""
        session = self.session[slot]
        if session is not None:
            del self.where[session]
            self.session[slot] = None

    def drop(self) -> None:
        """Nothing is computed any more: running requests compute their tokens again, idle slots are
        empty.
        """
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
                self.where[session] = slot


def as_prompt(ids: Sequence[int]) -> Ints:
    """[T] the tokens as an array."""
    return np.asarray(ids, dtype=np.int64)
