"""Drawing tokens from logits so that a request's seed alone decides what it draws.

The k-th token of a request is the inverse of the cumulative distribution at a uniform number hashed
from (seed, k): no generator state is shared between requests, so the rest of the batch changes a
draw only through float noise in the logits. Log-probabilities and entropies are those of the
softmax at the request's temperature, before top-p and top-k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

# u * total then never rounds up to total in float64, so the draw always lands on a token with mass
_BITS = 40


def uniforms(
    seeds: npt.NDArray[np.uint64], counters: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """[B] numbers in (0, 1) for seeds [B] and positions [B]: two rounds of SplitMix64 (Steele, Lea
    and Flood 2014).
    """
    mixed = _splitmix(_splitmix(seeds) ^ counters.astype(np.uint64))
    return ((mixed >> np.uint64(64 - _BITS)).astype(np.float64) + 0.5) * 2.0**-_BITS


def _splitmix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Draws:
    """How each of B rows is drawn; numpy arrays [B]."""

    temperature: npt.NDArray[np.float32]
    top_p: npt.NDArray[np.float32]
    top_k: npt.NDArray[np.int64]
    uniform: npt.NDArray[np.float64]
    entropies: bool = False


def draw(logits: torch.Tensor, how: Draws) -> torch.Tensor:
    """Draw one token per row.

    Args:
        logits: [B, V], any float dtype; computed with in float32.

    Returns:
        [2 or 3, B] float64 on the device of `logits`: token ids, log-probabilities (nats) and, when
        asked for, entropies (nats). One tensor, so that one copy brings a step's results to the
        host.
    """
    device = logits.device
    scaled = logits.float()
    if not bool(np.all((how.temperature == 1) | (how.temperature == 0))):
        divisor = np.where(how.temperature == 0, 1, how.temperature).astype(np.float32)
        scaled = scaled / torch.from_numpy(divisor).to(device, non_blocking=True)[:, None]
    logp = torch.log_softmax(scaled, dim=-1)
    probs = logp.exp()
    greedy = how.temperature == 0
    if bool(greedy.all()):
        tokens = logp.argmax(-1)
    else:
        tokens = _invert(probs, how)
        if bool(greedy.any()):
            tokens = torch.where(torch.from_numpy(greedy).to(device), logp.argmax(-1), tokens)
    out = [tokens.double(), logp.gather(-1, tokens[:, None])[:, 0].double()]
    if how.entropies:
        # Where the mass is zero the logarithm may be -inf, and the product must be zero.
        out.append(
            -torch.linalg.vecdot(probs, logp.clamp_(min=torch.finfo(logp.dtype).min)).double()
        )
    return torch.stack(out)


def _invert(probs: torch.Tensor, how: Draws) -> torch.Tensor:
    """[B] the tokens at which the cumulative (truncated) distributions pass `uniform`."""
    cut = np.flatnonzero((how.temperature > 0) & ((how.top_p < 1) | (how.top_k > 0)))
    if len(cut):
        rows = torch.from_numpy(cut).to(probs.device)
        probs = probs.index_copy(0, rows, _truncate(probs[rows], how.top_p[cut], how.top_k[cut]))
    cumulative = probs.cumsum(-1, dtype=torch.float64)
    level = (
        torch.from_numpy(how.uniform).to(probs.device, non_blocking=True)[:, None]
        * cumulative[:, -1:]
    )
    return torch.searchsorted(cumulative, level, right=True)[:, 0].clamp_(max=probs.shape[-1] - 1)


def _truncate(
    probs: torch.Tensor, top_p: npt.NDArray[np.float32], top_k: npt.NDArray[np.int64]
) -> torch.Tensor:
    """Zero what top-k, then top-p of what is left, cuts off. The most probable token always stays."""
    ordered, order = probs.sort(dim=-1, descending=True, stable=True)
    ranks = torch.arange(probs.shape[-1], device=probs.device)
    size = torch.from_numpy(np.where(top_k > 0, top_k, probs.shape[-1])).to(probs.device)[:, None]
    ordered = torch.where(ranks < size, ordered, 0.0).double()
    before = ordered.cumsum(-1) - ordered
    nucleus = torch.from_numpy(top_p.astype(np.float64)).to(probs.device)[:, None] * ordered.sum(
        -1, keepdim=True
    )
    kept = torch.where((before < nucleus) | (ranks == 0), ordered, 0.0)
    return torch.zeros_like(probs).scatter_(-1, order, kept.to(probs.dtype))
