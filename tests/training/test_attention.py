"""Attention inside rows against the plainest formula there is, for any rows, heads, windows and
blocks.
"""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.made_training import qwen
from turnwise.errors import ConfigError
from turnwise.training import attention
from turnwise.training.attention import attend, row_attention


def dense(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    lengths: list[int],
    scale: float,
    window: int | None,
) -> torch.Tensor:
    """softmax(q k') v with every forbidden score at minus infinity. Shapes as `attend`'s."""
    shared = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(shared, 1), v.repeat_interleave(shared, 1)
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    place = torch.arange(len(row))
    allowed = (row[:, None] == row[None]) & (place[None] <= place[:, None])
    if window is not None:
        allowed &= place[None] > place[:, None] - window
    scores = (q @ k.transpose(2, 3) * scale).masked_fill(~allowed, float("-inf"))
    return (torch.softmax(scores, -1) @ v).transpose(1, 2)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    heads=st.sampled_from([(1, 1), (4, 2), (4, 1), (3, 3)]),
    window=st.none() | st.integers(1, 12),
    block=st.integers(1, 12),
    long=st.sampled_from([3, 100]),
    scale=st.sampled_from([None, 0.3]),
)
def test_any_rows(
    lengths: list[int], heads: tuple[int, int], window: int | None, block: int, long: int,
    scale: float | None
) -> None:  # fmt: skip
    drawn = torch.Generator().manual_seed(sum(lengths))
    q, k, v = (
        torch.randn(1, h, sum(lengths), 4, generator=drawn) for h in (heads[0], heads[1], heads[1])
    )
    with (
        patch.object(attention, "QUERY_BLOCK", block),
        patch.object(attention, "FUSED_FROM_TOKENS", long),
    ):
        found, nothing = attend(
            torch.nn.Module(), q, k, v, row_lengths=lengths, scaling=scale, sliding_window=window
        )
    assert nothing is None and found.shape == (1, sum(lengths), heads[0], 4)
    assert torch.allclose(
        found, dense(q, k, v, lengths, 0.5 if scale is None else scale, window), atol=1e-5
    )


def test_dropout_is_refused() -> None:
    q = torch.zeros(1, 2, 4, 8)
    with pytest.raises(ConfigError, match="attention dropout"):
        attend(torch.nn.Module(), q, q, q, row_lengths=(4,), dropout=0.1)


def test_it_may_be_opened_within_itself() -> None:
    model = qwen()
    before = model.config._attn_implementation
    with row_attention(model):
        with row_attention(model):
            pass
        assert model.config._attn_implementation == attention.ATTENTION_NAME, (
            "the inner one closed the outer one"
        )
    assert model.config._attn_implementation == before
