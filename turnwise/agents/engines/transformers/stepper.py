"""One step of continuous batching: seat who waits, compute what prompts lack, draw a token for
everyone who runs.

A packed forward takes everyone at once. A padded one takes either rows that decode or rows that
read new prompt tokens. Decoding runs over the first n slots as a view of the cache; when few of
them are busy, busy rows are moved down, so that the tail of a rollout is as cheap as its beginning.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from turnwise.agents.engines.transformers.causal_forward import PAD, CausalForward
from turnwise.agents.engines.transformers.sampling import Draws, draw, uniforms
from turnwise.agents.engines.transformers.slot_table import Ints, Request, SlotTable

_SPAN, _ROWS, _READ = (
    64,
    8,
    32,
)  # the cache grows in steps of the first two; what is read back is padded to the third
_FIRST = 256  # and begins with this span, because growing copies it


class Stepper:
    """Steps the requests in `table` through `forward`.

    Args:
        prefill_tokens: most new prompt tokens, padding included, in one forward.
    """

    def __init__(self, forward: CausalForward, table: SlotTable, prefill_tokens: int) -> None:
        self.forward, self.table, self.prefill_tokens = forward, table, prefill_tokens
        self.version = 0
        self._patience = 0

    @torch.inference_mode()
    def step(self, waiting: deque[Request]) -> None:
        """Seat, compute, draw. Requests that end have their future set."""
        self._abandon(waiting)
        self._seat(waiting)
        self._compact()
        rows = np.array(self.table.busy(), dtype=np.int64)
        if not len(rows):
            return
        lack = self.table.wanted[rows] - self.table.held[rows]
        chosen = self._everyone(lack) if self.forward.packed else self._alike(lack)
        self._advance(rows[chosen], np.minimum(lack[chosen], self.prefill_tokens))

    def _everyone(self, lack: Ints) -> Ints:
        """Indices of the rows of one packed forward: all that decode, and readers up to the budget,
        shortest first.
        """
        order = np.argsort(lack, kind="stable")
        fits = np.cumsum(np.where(lack[order] > 1, lack[order], 0)) <= self.prefill_tokens
        fits[min(int((lack == 1).sum()), len(fits) - 1)] = True  # at least one reader
        return np.sort(order[fits])

    def _alike(self, lack: Ints) -> Ints:
        """Indices of the rows of one padded forward: all that decode, or readers of similar
        lengths.

        Readers wait until they are a quarter of those that decode, or have waited three steps: a
        forward over few rows costs hardly less than one over many.
        """
        readers, decoders = np.flatnonzero(lack > 1), np.flatnonzero(lack == 1)
        self._patience = self._patience + 1 if len(readers) else 0
        if len(decoders) and len(readers) * 4 < len(decoders) and self._patience <= 3:
            return decoders
        if not len(readers):
            return decoders
        self._patience = 0
        order = readers[np.argsort(lack[readers], kind="stable")]
        padded = -(-lack[order] // PAD) * PAD
        fits = (padded * np.arange(1, len(order) + 1) <= self.prefill_tokens) & (
            lack[order] <= 2 * lack[order[0]] + 4 * PAD
        )
        fits[0] = True
        return order[fits]

    def _abandon(self, waiting: deque[Request]) -> None:
        """Forget requests whose caller has gone."""
        for slot in self.table.busy():
            request = self.table.request[slot]
            if request is not None and request.future.done():
                self.table.leave(slot)
        if any(request.future.done() for request in waiting):
            alive = [request for request in waiting if not request.future.done()]
            waiting.clear()
            waiting.extend(alive)

    def _seat(self, waiting: deque[Request]) -> None:
        """Give slots to as many as possible, in order; who waits for another's prefix lets others
        pass.
        """
        passed: list[Request] = []
        while waiting:
            request = waiting.popleft()
            seat = self.table.admit(request)
            if seat is None:
                passed.append(request)
                continue
            slot, donor, length = seat
            if length:
                cache = self.forward.cache
                cache.reserve(min(_up(slot + 1, _ROWS), len(self.table.ids)), cache.span)
                cache.copy(donor, slot, length)
        waiting.extend(passed)

    def _advance(self, rows: Ints, take: Ints) -> None:
        """Compute the next `take` tokens of `rows`, and draw for those that lack nothing then."""
        table, cache = self.table, self.forward.cache
        slots, context = table.ids.shape
        ends = table.held[rows] + take
        last = _up(int(rows.max()) + 1, _ROWS)
        room = max(int(ends.max()), int(table.held[:last].max()) + 1)
        if min(last, slots) > cache.rows or room > cache.span:
            cache.reserve(
                min(last, slots), min(max(_up(room, _SPAN), _FIRST, cache.span * 5 // 4), context)
            )
        logits = self.forward(table, rows, take, min(_up(int(ends.max()), _READ), cache.span))
        table.held[rows] = ends
        done = np.flatnonzero(ends == table.wanted[rows])
        if len(done):
            chosen = (
                logits
                if len(done) == len(rows)
                else logits[torch.from_numpy(done).to(logits.device)]
            )
            self._draw(chosen, rows[done])

    def _draw(self, logits: torch.Tensor, rows: Ints) -> None:
        """Draw for `rows` from `logits`, note the tokens, end who is done."""
        requests = [self._at(slot) for slot in rows]
        asked = [request.sampling for request in requests]
        how = Draws(
            temperature=np.array([s.temperature for s in asked], dtype=np.float32),
            top_p=np.array([s.top_p for s in asked], dtype=np.float32),
            top_k=np.array([s.top_k for s in asked], dtype=np.int64),
            uniform=uniforms(
                np.array([r.seed for r in requests], dtype=np.uint64),
                np.array([len(r.ids) for r in requests], dtype=np.int64),
            ),
            entropies=any(s.entropies for s in asked),
        )
        drawn = draw(logits, how).cpu().numpy()
        tokens = drawn[0].astype(np.int64)
        table = self.table
        table.ids[rows, np.minimum(table.wanted[rows], table.ids.shape[1] - 1)] = tokens
        table.wanted[rows] += 1
        logprobs = drawn[1].tolist()
        entropies = drawn[2].tolist() if how.entropies else logprobs
        for slot, request, token, logprob, entropy in zip(
            rows, requests, tokens.tolist(), logprobs, entropies, strict=True
        ):
            request.ids.append(token)
            request.logprobs.append(logprob)
            request.entropies.append(entropy)
            ended = request.sampling.stop_when
            stopped = token in request.stop or (ended is not None and ended(request.ids))
            if stopped or len(request.ids) >= request.limit:
                self._end(int(slot), request, "stop" if stopped else "length")

    def _at(self, slot: int) -> Request:
        request = self.table.request[slot]
        assert request is not None
        return request

    def _end(self, slot: int, request: Request, reason: str) -> None:
        request.reason, request.version = reason, self.version
        self.table.leave(slot)
        if not request.future.done():
            request.future.set_result(None)

    def _compact(self) -> None:
        """Move busy rows down while a quarter or more of the rows passed over would be idle."""
        busy = self.table.busy()
        if not busy or busy[-1] + 1 <= max(_ROWS, len(busy) * 4 / 3):
            return
        # A row that was seated just now may lie beyond what the cache has: idle sessions keep the
        # lower slots.
        cache = self.forward.cache
        cache.reserve(min(_up(busy[-1] + 1, _ROWS), len(self.table.ids)), cache.span)
        free = [slot for slot in range(len(busy)) if self.table.request[slot] is None]
        for low, high in zip(free, reversed(busy), strict=False):
            if low >= high:
                break
            length = int(max(self.table.held[low], self.table.held[high]))
            cache.swap(low, high, length)
            self.table.swap(low, high)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
