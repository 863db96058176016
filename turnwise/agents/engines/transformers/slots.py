"""The key-value cache as slots: one row of preallocated tensors for each episode, under
transformers' own cache interface.

A layer holds keys and values [rows, heads, span, dim]. Before each forward the engine sets a
`Plan`: which row and position each new token is written to, and which rows are read back, either
the first n (a view, nothing is copied: decoding) or a few chosen ones (gathered: reading new
prompts). Index in a row is position in the sequence, so one causal mask over the row serves every
architecture. Rows and span grow in steps as they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


@dataclass(slots=True)
class Plan:
    """Where one forward over [B, Q] tokens writes and reads."""

    rows: torch.Tensor
    """[B] slots."""
    positions: torch.Tensor
    """[B, Q]."""
    gather: bool
    """Whether `rows` are to be gathered; otherwise they are the first B and are read in place."""
    span: int
    """Positions read back: keys are [B, heads, span, dim]."""
    room: int
    """Positions a row of the cache has."""
    _index: dict[int, torch.Tensor] = field(default_factory=dict)

    def index(self, heads: int) -> torch.Tensor:
        """[B * heads * Q] where the new states go in a layer seen as [rows * heads * room, dim]."""
        if heads not in self._index:
            lanes = self.rows[:, None] * heads + torch.arange(heads, device=self.rows.device)
            self._index[heads] = (lanes[:, :, None] * self.room + self.positions[:, None, :]).view(
                -1
            )
        return self._index[heads]


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer."""

    is_sliding = False

    def __init__(self, owner: SlotCache) -> None:
        super().__init__()
        self.owner = owner

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate for the sizes the cache has now."""
        self.keys = _blank(key_states, self.owner.rows, self.owner.span)
        self.values = _blank(value_states, self.owner.rows, self.owner.span)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        """Write the new states [B, heads, Q, dim] where the plan says; return what it reads."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        plan = self.owner.plan
        return _pass(self.keys, key_states, plan), _pass(self.values, value_states, plan)

    def resize(self, rows: int, span: int) -> None:
        """Grow to [rows, span], keeping what is there."""
        if self.is_initialized:
            self.keys = _grown(self.keys, rows, span)
            self.values = _grown(self.values, rows, span)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(length, offset) of the keys that `update` returns."""
        return self.owner.plan.span, 0

    def get_seq_length(self) -> int:
        """Positions read back. Per-row lengths are the engine's; it always passes masks and
        positions.
        """
        return self.owner.plan.span

    def get_max_length(self) -> int:
        """No maximum: rows grow."""
        return -1


class SlotCache(Cache):
    """A `transformers` cache of slots.

    Args:
        layers: number of attention layers.
    """

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[SlotLayer(self) for _ in range(layers)])
        self.rows = self.span = 0
        nothing = torch.empty(0, dtype=torch.long)
        self.plan = Plan(nothing, nothing[None], gather=False, span=0, room=0)

    def reserve(self, rows: int, span: int) -> None:
        """Make room for `rows` rows of `span` positions."""
        if rows > self.rows or span > self.span:
            self.rows, self.span = max(rows, self.rows), max(span, self.span)
            for layer in self.layers:
                layer.resize(self.rows, self.span)

    def copy(self, source: int, target: int, length: int) -> None:
        """Give row `target` the first `length` positions of row `source`."""
        for layer in self.layers:
            if layer.is_initialized:
                layer.keys[target, :, :length] = layer.keys[source, :, :length]
                layer.values[target, :, :length] = layer.values[source, :, :length]

    def swap(self, one: int, other: int, length: int) -> None:
        """Exchange the first `length` positions of two rows."""
        for layer in self.layers:
            if layer.is_initialized:
                for states in (layer.keys, layer.values):
                    kept = states[one, :, :length].clone()
                    states[one, :, :length] = states[other, :, :length]
                    states[other, :, :length] = kept

    def drop(self) -> None:
        """Give the memory back."""
        self.rows = self.span = 0
        for layer in self.layers:
            layer.keys = layer.values = None
            layer.is_initialized = False


def _blank(like: torch.Tensor, rows: int, span: int) -> torch.Tensor:
    return like.new_zeros((rows, like.shape[1], span, like.shape[3]))


def _grown(states: torch.Tensor, rows: int, span: int) -> torch.Tensor:
    had, heads, room, dim = states.shape
    new = states.new_zeros((rows, heads, span, dim))
    new[:had, :, :room] = states
    return new


def _pass(states: torch.Tensor, new: torch.Tensor, plan: Plan) -> torch.Tensor:
    heads, dim = new.shape[1], new.shape[3]
    states.view(-1, dim).index_copy_(0, plan.index(heads), new.reshape(-1, dim))
    if plan.gather:
        return states[:, :, : plan.span].index_select(0, plan.rows)
    return states[: len(plan.rows), :, : plan.span]
