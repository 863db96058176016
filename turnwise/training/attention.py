"""Attention within the rows of a pack.

The function is registered with transformers under one name and selected only during a forward pass,
so that an engine that shares the model keeps its own. No mask is built: on a GPU torch's
variable-length kernel takes the row boundaries, elsewhere each row is computed on its own. On a CPU
the queries of a row are multiplied in blocks with the keys before them, as plain matrix products:
at the head sizes of small models this takes half the time of the fused CPU kernel, most of it saved
in the backward pass (`benchmarks/learner.py`). Long rows use the fused kernel, which does not keep
the probabilities.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface

from turnwise.errors import ConfigError

ATTENTION_NAME = "turnwise_rows"
QUERY_BLOCK = 192
"""Queries multiplied at once on a CPU."""
FUSED_FROM_TOKENS = 2048
"""Longer rows use the fused kernel, whose memory does not grow with the square of the length."""


@contextmanager
def row_attention(model: nn.Module) -> Iterator[None]:
    """Make `model(..., row_lengths=…)` attend within rows while the context is open. Re-entrant.

    With gradient checkpointing it must stay open until the backward pass is done, because that
    computes activations again.
    """
    config: Any = model.config.get_text_config(decoder=True)
    before = config._attn_implementation
    config._attn_implementation = ATTENTION_NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor | None = None, *, row_lengths: Sequence[int],
    scaling: float | None = None, dropout: float = 0.0, sliding_window: int | None = None,
    softcap: float | None = None, **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Compute causal attention within rows: an attention function of transformers.

    Args:
        query: [1, H, T, D].
        key, value: [1, Hkv, T, D].
        row_lengths: tokens of each row; they sum to T.

    Returns:
        [1, T, H, D], and None in place of the attention probabilities.

    Raises:
        ConfigError: for soft-capped scores or attention dropout, which are not implemented.
    """
    if softcap is not None or dropout:
        raise ConfigError(
            "rows cannot be packed for a model with soft-capped scores or attention dropout: load "
            "another model, or set its attention_dropout to 0"
        )
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    window = (
        sliding_window if sliding_window is not None and sliding_window < max(row_lengths) else None
    )
    if query.is_cuda and query.dtype in (torch.float16, torch.bfloat16):
        return _varlen(query, key, value, row_lengths, scale, window), None
    lengths = list(row_lengths)
    parts = zip(
        query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True
    )
    outs = [_row(q, k, v, scale, window) for q, k, v in parts]
    return torch.cat(outs, 2).transpose(1, 2), None


AttentionInterface.register(ATTENTION_NAME, attend)


def _row(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, window: int | None
) -> torch.Tensor:
    if window is None and (query.is_cuda or query.shape[2] > FUSED_FROM_TOKENS):
        return F.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scale, enable_gqa=True
        )
    return _blocked(query, key, value, scale, window)


def _blocked(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, window: int | None
) -> torch.Tensor:
    """Attend within one row, block by block of queries; heads that share a key form one matrix."""
    _, heads, length, size = query.shape
    shared = key.shape[1]
    query = query.reshape(shared, heads // shared, length, size) * scale
    key, value = key[0].transpose(1, 2), value[0]
    outs = []
    for start in range(0, length, QUERY_BLOCK):
        end = min(length, start + QUERY_BLOCK)
        first = 0 if window is None else max(0, start - window + 1)
        scores = query[:, :, start:end].reshape(shared, -1, size) @ key[:, :, first:end]
        scores = scores.view(shared, heads // shared, end - start, end - first) + _bias(
            start, end, first, window, scores
        )
        chances = torch.softmax(scores, -1).view(shared, -1, end - first)
        outs.append((chances @ value[:, first:end]).view(heads, end - start, size))
    return torch.cat(outs, 1)[None]


def _bias(start: int, end: int, first: int, window: int | None, like: torch.Tensor) -> torch.Tensor:
    """Return 0 where query `start..end` may read key `first..end`, minus infinity elsewhere."""
    q = torch.arange(start, end, device=like.device)[:, None]
    k = torch.arange(first, end, device=like.device)[None]
    hidden = k > q if window is None else (k > q) | (k <= q - window)
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(
        hidden, float("-inf")
    )


def _varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: Sequence[int],
    scale: float, window: int | None,
) -> torch.Tensor:  # fmt: skip
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (t[0].transpose(0, 1) for t in (query, key, value))
    known = inspect.signature(varlen_attn).parameters
    # Between torch 2.10 and 2.13 the causal switch changed its name and grouped heads were added.
    how: dict[str, Any] = (
        {"window_size": ((window or 0) - 1, 0)} if "window_size" in known else {"is_causal": True}
    )
    if "window_size" not in known and window is not None:
        raise ConfigError("this torch cannot pack rows with a sliding window: install torch 2.13")
    if "enable_gqa" in known:
        how["enable_gqa"] = True
    else:
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
    edges = torch.tensor([0, *lengths], device=query.device).cumsum(0).to(torch.int32)
    longest = max(lengths)
    return varlen_attn(q, k, v, edges, edges, longest, longest, scale=scale, **how)[None]
