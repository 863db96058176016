"""One step of continuous batching.

Seat waiting requests, run one forward pass, sample one token for every request whose prompt is
computed.

A packed forward takes all rows at once. A padded one takes either rows that decode or rows that
read prompt tokens. Decoding uses the first n slots as a view of the cache; when few of them are
busy, busy rows are moved down, so that the end of a rollout costs no more per row than its start.

The k-th token of a request is the inverse of the cumulative distribution at a uniform number hashed
from (seed, k). Requests share no generator state, so the rest of the batch changes a token only
through floating-point noise in the logits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from turnwise.agents.engines.transformers.causal_forward import PAD, CausalForward
from turnwise.agents.engines.transformers.slot_table import GenerationRequest, Ints, SlotTable

Floats: TypeAlias = npt.NDArray[np.float64]

ROW_STEP = 8
"""The cache grows by multiples of this many rows."""
SPAN_STEP, FIRST_SPAN = 64, 256
"""Positions by which the cache grows, and its first size: growing copies the cache."""
READ_STEP = 32
"""Positions read back are padded to multiples of this."""
MAX_READER_WAIT_STEPS = 3
UNIFORM_BITS = 40
"""Few enough that `u * total` never rounds up to `total` in float64, so that the inverse always
falls on a token with mass."""


class Stepper:
    """Steps the requests in `table` through `forward`.

    Args:
        prefill_tokens: most new prompt tokens, padding included, in one forward pass.
    """

    def __init__(self, forward: CausalForward, table: SlotTable, prefill_tokens: int) -> None:
        self.forward, self.table, self.prefill_tokens = forward, table, prefill_tokens
        self.version = 0
        self._reader_wait = 0

    @torch.inference_mode()
    def step(self, waiting: deque[GenerationRequest]) -> None:
        """Run one step. The futures of requests that end are set."""
        self._drop_cancelled(waiting)
        self._seat(waiting)
        self._compact()
        rows = np.array(self.table.busy(), dtype=np.int64)
        if not len(rows):
            return
        lack = self.table.wanted[rows] - self.table.held[rows]
        chosen = self._packed_rows(lack) if self.forward.packed else self._padded_rows(lack)
        self._advance(rows[chosen], np.minimum(lack[chosen], self.prefill_tokens))

    def _packed_rows(self, lack: Ints) -> Ints:
        """Return the rows of one packed forward, as indices into `lack`.

        All that decode, and readers up to the token budget, shortest first.
        """
        order = np.argsort(lack, kind="stable")
        fits = np.cumsum(np.where(lack[order] > 1, lack[order], 0)) <= self.prefill_tokens
        fits[min(int((lack == 1).sum()), len(fits) - 1)] = True  # at least one reader
        return np.sort(order[fits])

    def _padded_rows(self, lack: Ints) -> Ints:
        """Return the rows of one padded forward, as indices into `lack`.

        All that decode, or readers of similar lengths. Readers wait until they are a quarter of the
        rows that decode, or have waited three steps: a forward over few rows costs hardly less than
        one over many.
        """
        readers, decoders = np.flatnonzero(lack > 1), np.flatnonzero(lack == 1)
        self._reader_wait = self._reader_wait + 1 if len(readers) else 0
        few = len(decoders) and len(readers) * 4 < len(decoders)
        if not len(readers) or (few and self._reader_wait <= MAX_READER_WAIT_STEPS):
            return decoders
        self._reader_wait = 0
        order = readers[np.argsort(lack[readers], kind="stable")]
        padded = -(-lack[order] // PAD) * PAD
        fits = padded * np.arange(1, len(order) + 1) <= self.prefill_tokens
        fits &= lack[order] <= 2 * lack[order[0]] + 4 * PAD
        fits[0] = True
        return order[fits]

    def _drop_cancelled(self, waiting: deque[GenerationRequest]) -> None:
        """Remove requests whose caller no longer waits."""
        for slot in self.table.busy():
            request = self.table.request[slot]
            if request is not None and request.future.done():
                self.table.leave(slot)
        # This runs at every step: rebuild the queue only when something in it was cancelled.
        if any(request.future.done() for request in waiting):
            alive = [request for request in waiting if not request.future.done()]
            waiting.clear()
            waiting.extend(alive)

    def _seat(self, waiting: deque[GenerationRequest]) -> None:
        """Give slots to as many requests as possible, in order.

        A request that waits for another to compute their common prefix lets later ones pass.
        """
        passed: list[GenerationRequest] = []
        while waiting:
            request = waiting.popleft()
            seat = self.table.admit(request)
            if seat is None:
                passed.append(request)
                continue
            slot, donor, length = seat
            if length:
                cache = self.forward.cache
                cache.reserve(min(_round_up(slot + 1, ROW_STEP), len(self.table.ids)), cache.span)
                cache.copy(donor, slot, length)
        waiting.extend(passed)

    def _advance(self, rows: Ints, take: Ints) -> None:
        """Compute the next `take` tokens of `rows`, and sample for those that then lack none."""
        table, cache = self.table, self.forward.cache
        slots, context = table.ids.shape
        ends = table.held[rows] + take
        count = _round_up(int(rows.max()) + 1, ROW_STEP)
        room = max(int(ends.max()), int(table.held[:count].max()) + 1)
        if min(count, slots) > cache.rows or room > cache.span:
            span = max(_round_up(room, SPAN_STEP), FIRST_SPAN, cache.span * 5 // 4)
            cache.reserve(min(count, slots), min(span, context))
        span = min(_round_up(int(ends.max()), READ_STEP), cache.span)
        logits = self.forward(table, rows, take, span)
        table.held[rows] = ends
        done = np.flatnonzero(ends == table.wanted[rows])
        if len(done) == len(rows):
            self._sample(logits, rows)
        elif len(done):
            self._sample(logits[torch.from_numpy(done).to(logits.device)], rows[done])

    def _sample(self, logits: torch.Tensor, rows: Ints) -> None:
        """Sample a token for each of `rows` and end the requests that are complete."""
        requests = [self._request(slot) for slot in rows]
        asked = [request.sampling for request in requests]
        draws = Draws(
            temperature=np.array([s.temperature for s in asked], dtype=np.float32),
            top_p=np.array([s.top_p for s in asked], dtype=np.float32),
            top_k=np.array([s.top_k for s in asked], dtype=np.int64),
            uniform=uniforms(
                np.array([r.seed for r in requests], dtype=np.uint64),
                np.array([len(r.ids) for r in requests], dtype=np.int64),
            ),
            entropies=any(s.entropies for s in asked),
        )
        drawn = draw(logits, draws).cpu().numpy()
        tokens = drawn[0].astype(np.int64)
        table = self.table
        # The token that fills the context is never fed back, so its place does not matter.
        table.ids[rows, np.minimum(table.wanted[rows], table.ids.shape[1] - 1)] = tokens
        table.wanted[rows] += 1
        logprobs = drawn[1].tolist()
        entropies = drawn[2].tolist() if draws.entropies else logprobs
        for slot, request, token, logprob, entropy in zip(
            rows, requests, tokens.tolist(), logprobs, entropies, strict=True
        ):
            request.ids.append(token)
            request.logprobs.append(logprob)
            request.entropies.append(entropy)
            stop_when = request.sampling.stop_when
            stopped = token in request.stop or (stop_when is not None and stop_when(request.ids))
            if stopped or len(request.ids) >= request.limit:
                self._end(int(slot), request, "stop" if stopped else "length")

    def _request(self, slot: int) -> GenerationRequest:
        request = self.table.request[slot]
        assert request is not None
        return request

    def _end(self, slot: int, request: GenerationRequest, stop_reason: str) -> None:
        request.stop_reason, request.version = stop_reason, self.version
        self.table.leave(slot)
        if not request.future.done():
            request.future.set_result(None)

    def _compact(self) -> None:
        """Move busy rows down while a quarter or more of the rows below the last are idle."""
        busy = self.table.busy()
        if not busy or busy[-1] + 1 <= max(ROW_STEP, len(busy) * 4 / 3):
            return
        # A row seated just now may lie beyond the cache: idle sessions hold the lower slots.
        cache = self.forward.cache
        cache.reserve(min(_round_up(busy[-1] + 1, ROW_STEP), len(self.table.ids)), cache.span)
        free = [slot for slot in range(len(busy)) if self.table.request[slot] is None]
        for low, high in zip(free, reversed(busy), strict=False):
            if low >= high:
                break
            length = int(max(self.table.held[low], self.table.held[high]))
            cache.swap(low, high, length)
            self.table.swap(low, high)


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


# Sampling from logits


@dataclass(frozen=True, slots=True)
class Draws:
    """Sampling parameters of B rows; numpy arrays [B]."""

    temperature: npt.NDArray[np.float32]
    top_p: npt.NDArray[np.float32]
    top_k: Ints
    uniform: Floats
    entropies: bool = False


def uniforms(seeds: npt.NDArray[np.uint64], counters: Ints) -> Floats:
    """Hash seeds [B] and positions [B] to numbers [B] in (0, 1).

    Two rounds of SplitMix64 (Steele, Lea and Flood 2014).
    """
    mixed = _splitmix(_splitmix(seeds) ^ counters.astype(np.uint64))
    return ((mixed >> np.uint64(64 - UNIFORM_BITS)).astype(np.float64) + 0.5) * 2.0**-UNIFORM_BITS


def _splitmix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def draw(logits: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Sample one token per row.

    Args:
        logits: [B, V], any float dtype; the computation is in float32.

    Returns:
        [2 or 3, B] float64 on the device of `logits`: token ids, log-probabilities (nats) and, when
        asked for, entropies (nats), both of the softmax at the row's temperature before top-p and
        top-k. One tensor, so that one copy brings a step's results to the host.
    """
    device = logits.device
    scaled = logits.float()
    greedy = draws.temperature == 0
    if not bool(np.all((draws.temperature == 1) | greedy)):
        divisor = np.where(greedy, 1, draws.temperature).astype(np.float32)
        scaled = scaled / torch.from_numpy(divisor).to(device, non_blocking=True)[:, None]
    logp = torch.log_softmax(scaled, dim=-1)
    probs = logp.exp()
    if bool(greedy.all()):
        tokens = logp.argmax(-1)
    else:
        tokens = _invert(probs, draws)
        if bool(greedy.any()):
            tokens = torch.where(torch.from_numpy(greedy).to(device), logp.argmax(-1), tokens)
    out = [tokens.double(), logp.gather(-1, tokens[:, None])[:, 0].double()]
    if draws.entropies:
        # A log-probability may be -inf where the mass is zero, and the product must be zero.
        finite = logp.clamp_(min=torch.finfo(logp.dtype).min)
        out.append(-torch.linalg.vecdot(probs, finite).double())
    return torch.stack(out)


def _invert(probs: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Return the tokens [B] at which the truncated cumulative distributions pass `uniform`."""
    cut = np.flatnonzero((draws.temperature > 0) & ((draws.top_p < 1) | (draws.top_k > 0)))
    if len(cut):
        rows = torch.from_numpy(cut).to(probs.device)
        kept = _truncate(probs[rows], draws.top_p[cut], draws.top_k[cut])
        probs = probs.index_copy(0, rows, kept)
    cumulative = probs.cumsum(-1, dtype=torch.float64)
    uniform = torch.from_numpy(draws.uniform).to(probs.device, non_blocking=True)
    level = uniform[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, level, right=True)[:, 0].clamp_(max=probs.shape[-1] - 1)


def _truncate(probs: torch.Tensor, top_p: npt.NDArray[np.float32], top_k: Ints) -> torch.Tensor:
    """Zero what top-k, then top-p of the rest, cut off. The most probable token always stays."""
    device, size = probs.device, probs.shape[-1]
    ordered, order = probs.sort(dim=-1, descending=True, stable=True)
    ranks = torch.arange(size, device=device)
    limit = torch.from_numpy(np.where(top_k > 0, top_k, size)).to(device)[:, None]
    ordered = torch.where(ranks < limit, ordered, 0.0).double()
    before = ordered.cumsum(-1) - ordered
    share = torch.from_numpy(top_p.astype(np.float64)).to(device)[:, None]
    nucleus = share * ordered.sum(-1, keepdim=True)
    kept = torch.where((before < nucleus) | (ranks == 0), ordered, 0.0)
    return torch.zeros_like(probs).scatter_(-1, order, kept.to(probs.dtype))
