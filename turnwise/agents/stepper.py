"""One step of continuous batching: seat who waits, compute what prompts lack, draw a token for everyone who runs.

Prompts go first, several in one forward, because rows that decode together cost little more than one. Decoding runs over
the first n slots as a view of the cache; when few of them are busy, busy rows are moved down, so that the tail of a
rollout is as cheap as its beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch

from turnwise.agents.causal_forward import CausalForward, Ints
from turnwise.agents.sampling import Draws, draw, uniforms
from turnwise.agents.slot_table import Request, SlotTable

_SPAN, _ROWS = 64, 8  # the cache grows, and shapes are padded, in steps of these
_QUERY = 16


class Stepper:
    """Steps the requests in `table` through `forward`.

    Args:
        prefill_tokens: most new prompt tokens, padding included, in one forward.
    """

    def __init__(self, forward: CausalForward, table: SlotTable, prefill_tokens: int) -> None:
        self.forward, self.table, self.prefill_tokens = forward, table, prefill_tokens
        self.version = 0

    @torch.inference_mode()
    def step(self, waiting: deque[Request]) -> None:
        """Seat, read, decode. Requests that end have their future set."""
        self._abandon(waiting)
        self._seat(waiting)
        lacking = [slot for slot in self.table.busy() if self.table.wanted[slot] - self.table.held[slot] > 1]
        if lacking:
            self._read(lacking)
            return
        self._compact()
        running = self.table.busy()
        if running:
            self._decode(running)

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
        """Give slots to as many as possible, in order; who waits for another's prefix lets others pass."""
        passed: list[Request] = []
        while waiting:
            request = waiting.popleft()
            seat = self.table.admit(request)
            if seat is None:
                passed.append(request)
                continue
            slot, donor, length = seat
            if length:
                self.forward.cache.copy(donor, slot, length)
        waiting.extend(passed)

    def _reserve(self, rows: int, span: int) -> int:
        """Make room; returns the span to read."""
        table = self.table
        padded = min(-(-span // _SPAN) * _SPAN, table.ids.shape[1])
        self.forward.cache.reserve(min(-(-rows // _ROWS) * _ROWS, len(table.request)), padded)
        return padded

    def _read(self, lacking: Sequence[int]) -> None:
        """Compute new prompt tokens of some rows: the shortest first, so that padding is small."""
        table = self.table
        order = sorted(lacking, key=lambda slot: int(table.wanted[slot] - table.held[slot]))
        need = int(table.wanted[order[0]] - table.held[order[0]])
        chosen: list[int] = []
        for slot in order:
            lack = int(table.wanted[slot] - table.held[slot])
            if chosen and (_padded(lack) * (len(chosen) + 1) > self.prefill_tokens or lack > 2 * need + 4 * _QUERY):
                break
            chosen.append(slot)
        rows = np.array(chosen)
        start = table.held[rows]
        take = np.minimum(table.wanted[rows] - start, self.prefill_tokens)
        width = _padded(int(take.max()))
        positions = np.maximum(start[:, None], (start + take)[:, None] - width + np.arange(width))
        tokens = table.ids[rows[:, None], positions]
        span = self._reserve(int(rows.max()) + 1, int((start + take).max()))
        logits = self.forward(tokens, positions, rows, span)
        table.held[rows] = start + take
        done = np.flatnonzero(table.held[rows] == table.wanted[rows])
        if len(done):
            self._draw(logits if len(done) == len(rows) else logits[torch.from_numpy(done)], rows[done])

    def _decode(self, running: Sequence[int]) -> None:
        """One token for every running row. Idle rows in between compute garbage behind their end."""
        table = self.table
        count = min(-(-(running[-1] + 1) // _ROWS) * _ROWS if running[-1] >= _ROWS else running[-1] + 1, len(table.request))
        positions = table.held[:count, None]
        tokens = np.take_along_axis(table.ids[:count], positions, 1)
        rows = np.asarray(running)
        span = self._reserve(count, int(positions[rows].max()) + 1)
        self._reserve(count, int(positions.max()) + 1)
        logits = self.forward(tokens, positions, None, span)
        table.held[rows] += 1
        self._draw(logits if len(rows) == count else logits[torch.from_numpy(rows)], rows)

    def _draw(self, logits: torch.Tensor, rows: Ints) -> None:
        """Draw for `rows` from `logits`, note the tokens, end who is done."""
        requests = [self._at(slot) for slot in rows]
        asked = [request.sampling for request in requests]
        how = Draws(
            temperature=np.array([s.temperature for s in asked], dtype=np.float32),
            top_p=np.array([s.top_p for s in asked], dtype=np.float32),
            top_k=np.array([s.top_k for s in asked], dtype=np.int64),
            uniform=uniforms(
                np.array([r.seed for r in requests], dtype=np.uint64), np.array([len(r.ids) for r in requests], dtype=np.int64)
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
        for slot, request, token, logprob, entropy in zip(rows, requests, tokens.tolist(), logprobs, entropies, strict=True):
            request.ids.append(token)
            request.logprobs.append(logprob)
            request.entropies.append(entropy)
            if token in request.stop or len(request.ids) >= request.limit:
                self._end(int(slot), request, "stop" if token in request.stop else "length")

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
        free = [slot for slot in range(len(busy)) if self.table.request[slot] is None]
        for low, high in zip(free, reversed(busy), strict=False):
            if low >= high:
                break
            length = int(max(self.table.held[low], self.table.held[high]))
            self.forward.cache.swap(low, high, length)
            self.table.swap(low, high)


def _padded(length: int) -> int:
    return -(-length // _QUERY) * _QUERY
