"""One forward pass over slots for any causal language model.

It uses transformers' own model and cache interfaces.

The key-value cache is one row of preallocated tensors per slot: a layer holds keys and values
[rows, heads, span, dim], and the index in a row is the position in the sequence. Before each
forward a `CachePlan` says which row and position every new token is written to, and which rows are
read: the first n (a view, for decoding) or a few chosen ones (gathered, for reading prompts).

New tokens of several rows are left-padded, so that the last column is every row's newest token and
the head runs on that column alone. Padding repeats a row's first new token at its own position: it
writes what the token writes, no position is out of range and no mask row is empty. The additive
mask says only `key <= query` (within the window, for sliding layers).

Whether a model is supported is tested, not listed: `check` compares a sequence computed in pieces
with the model's plain forward.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.cache_utils import Cache, CacheLayerMixin, get_layer_types_and_kwargs

from turnwise.agents.engines.transformers.slot_table import Ints, SlotTable
from turnwise.errors import EngineError

PAD = 8
"""Query lengths and row counts are padded to multiples of this, so that few shapes occur."""
DEFAULT_TOLERANCE = 1e-3
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}
"""Largest difference of logits, relative to the largest logit."""


@dataclass(slots=True)
class CachePlan:
    """Rows and positions that one forward over [B, Q] tokens writes and reads."""

    rows: torch.Tensor
    """[B] slots."""
    positions: torch.Tensor
    """[B, Q]."""
    gather: bool
    """Whether `rows` are gathered; otherwise they are the first B and are read in place."""
    span: int
    """Positions read: keys are [B, heads, span, dim]."""
    room: int
    """Positions that a row of the cache has."""
    _index: dict[int, torch.Tensor] = field(default_factory=dict)

    def index(self, heads: int) -> torch.Tensor:
        """Return where new states go in a layer seen as [rows * heads * room, dim].

        [B * heads * Q], computed once for all layers with as many heads.
        """
        if heads not in self._index:
            lanes = self.rows[:, None] * heads + torch.arange(heads, device=self.rows.device)
            index = lanes[:, :, None] * self.room + self.positions[:, None, :]
            self._index[heads] = index.view(-1)
        return self._index[heads]


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer."""

    is_sliding = False

    def __init__(self, owner: SlotCache) -> None:
        super().__init__()
        self.owner = owner

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate for the present size of the cache."""
        self.keys = _blank(key_states, self.owner.rows, self.owner.span)
        self.values = _blank(value_states, self.owner.rows, self.owner.span)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        """Write new states [B, heads, Q, dim] as planned; return the keys and values to read."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        plan = self.owner.plan
        return (
            _write_and_read(self.keys, key_states, plan),
            _write_and_read(self.values, value_states, plan),
        )

    def resize(self, rows: int, span: int) -> None:
        """Grow to [rows, span], keeping the contents."""
        if self.is_initialized:
            self.keys = _grown(self.keys, rows, span)
            self.values = _grown(self.values, rows, span)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return (length, offset) of the keys that `update` returns."""
        return self.owner.plan.span, 0

    def get_seq_length(self) -> int:
        """Return the number of positions read; masks and positions are always passed explicitly."""
        return self.owner.plan.span

    def get_max_length(self) -> int:
        """Return -1: rows grow without a maximum."""
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
        self.plan = CachePlan(nothing, nothing[None], gather=False, span=0, room=0)

    def reserve(self, rows: int, span: int) -> None:
        """Make room for `rows` rows of `span` positions."""
        if rows > self.rows or span > self.span:
            self.rows, self.span = max(rows, self.rows), max(span, self.span)
            for layer in self.layers:
                layer.resize(self.rows, self.span)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of row `source` to row `target`."""
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
        """Free the memory."""
        self.rows = self.span = 0
        for layer in self.layers:
            layer.keys = layer.values = None
            layer.is_initialized = False


def _blank(like: torch.Tensor, rows: int, span: int) -> torch.Tensor:
    return like.new_zeros((rows, like.shape[1], span, like.shape[3]))


def _grown(states: torch.Tensor, rows: int, span: int) -> torch.Tensor:
    old_rows, heads, old_span, dim = states.shape
    grown = states.new_zeros((rows, heads, span, dim))
    grown[:old_rows, :, :old_span] = states
    return grown


def _write_and_read(states: torch.Tensor, new: torch.Tensor, plan: CachePlan) -> torch.Tensor:
    heads, dim = new.shape[1], new.shape[3]
    states.view(-1, dim).index_copy_(0, plan.index(heads), new.reshape(-1, dim))
    if plan.gather:
        return states[:, :, : plan.span].index_select(0, plan.rows)
    return states[: len(plan.rows), :, : plan.span]


class CausalForward:
    """Runs `model` over slots.

    Raises:
        EngineError: for layers that keep more than keys and values per position, and for an
            attention implementation without an additive mask.
    """

    packed = False
    """Whether rows that read prompts and rows that decode may share a call, without padding."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device = model, device
        self.dtype: torch.dtype = next(model.parameters()).dtype
        config = model.config.get_text_config(decoder=True)
        attention = getattr(config, "_attn_implementation", "eager")
        if attention not in ("sdpa", "eager"):
            raise EngineError(
                f"{type(model).__name__} uses the attention implementation {attention!r}, which "
                "takes no additive mask: load it with attn_implementation='sdpa'"
            )
        kinds, options = get_layer_types_and_kwargs(config)
        odd = sorted(set(kinds) - {"full_attention", "sliding_attention"})
        if odd:
            raise EngineError(
                f"{type(model).__name__} has layers of kind {', '.join(odd)}, and the transformers "
                "engine caches full and sliding attention only: serve this model from a server, "
                "with the openai engine"
            )
        self.windows: dict[str, int | None] = {
            kind: option.get("sliding_window") for kind, option in zip(kinds, options, strict=True)
        }
        self.cache = SlotCache(len(kinds))
        self.extra: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in inspect.signature(model.forward).parameters:
            self.extra["logits_to_keep"] = 1

    def refresh(self) -> None:
        """Prepare to run after others may have changed the model."""

    def __call__(self, table: SlotTable, rows: Ints, take: Ints, span: int) -> torch.Tensor:
        """Compute the next `take` tokens of some slots.

        Args:
            rows: [B] slots, ascending where every `take` is 1.
            take: [B] number of tokens after the `held` ones.
            span: positions of each row to read; at least the longest row's end.

        Returns:
            [B, V] logits after each row's last token.
        """
        if int(take.max()) > 1:
            width = -(-int(take.max()) // PAD) * PAD
            start = table.held[rows]
            # To the left of a row's first new token its position repeats.
            offset = (start + take)[:, None] - width + np.arange(width)
            positions = np.maximum(start[:, None], offset)
            return self._run(table.ids[rows[:, None], positions], positions, rows, True, span)
        count = int(rows[-1]) + 1
        if count > PAD:
            count = -(-count // PAD) * PAD
        count = min(count, self.cache.rows)
        # Idle rows in between compute values that nothing reads, behind their end.
        positions = table.held[:count, None]
        tokens = np.take_along_axis(table.ids[:count], positions, 1)
        logits = self._run(tokens, positions, np.arange(count), False, span)
        return logits if len(rows) == count else logits[torch.from_numpy(rows).to(logits.device)]

    def _run(
        self, tokens: Ints, positions: Ints, rows: Ints, gather: bool, span: int
    ) -> torch.Tensor:
        """Return the logits [B, V] after the last of [B, Q] tokens."""
        packed = torch.from_numpy(np.concatenate([tokens.reshape(-1), positions.reshape(-1), rows]))
        ids, where, slots = self._move(packed).split([tokens.size, tokens.size, len(rows)])
        where = where.view(positions.shape)
        self.cache.plan = CachePlan(slots, where, gather, span, self.cache.span)
        out = self.model(
            input_ids=ids.view(tokens.shape), position_ids=where,
            attention_mask=self._mask(where, span), past_key_values=self.cache, **self.extra,
        )  # fmt: skip
        return out.logits[:, -1]

    def _move(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _mask(self, positions: torch.Tensor, span: int) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return the additive mask [B, 1, Q, span], by kind of layer where there are several."""
        keys = torch.arange(span, device=self.device)
        queries = positions[:, None, :, None]
        masks = {}
        for kind, window in self.windows.items():
            visible = keys <= queries
            if window is not None:
                visible &= keys > queries - window
            mask = torch.zeros(visible.shape, dtype=self.dtype, device=self.device)
            masks[kind] = mask.masked_fill_(~visible, float("-inf"))
        return masks if len(masks) > 1 else next(iter(masks.values()))

    @torch.inference_mode()
    def check(self, length: int = 12) -> None:
        """Compare a sequence computed in pieces over slots with the plain forward.

        Drops the cache.

        Raises:
            EngineError: when they differ: the architecture needs more than a mask and positions.
        """
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        ids = (np.arange(length, dtype=np.int64) * 7 + 1) % vocabulary
        name = type(self.model).__name__
        try:
            inputs = self._move(torch.from_numpy(ids[None]))
            whole = self.model(input_ids=inputs, use_cache=False).logits[0].float()
            self.cache.reserve(2, length)
            table = SlotTable(2, length)
            table.ids[1] = ids
            differences = []
            for take in (length // 2, 1, 1, length - length // 2 - 2):
                logits = self(table, np.array([1]), np.array([take]), length)
                table.held[1] += take
                differences.append((logits[0].float() - whole[int(table.held[1]) - 1]).abs().max())
        except Exception as problem:
            raise EngineError(
                f"{name} cannot run on the slot cache ({type(problem).__name__}: {problem})"
            ) from problem
        finally:
            self.cache.drop()
        worst = float(torch.stack(differences).max())  # NaN where any is
        tolerance = TOLERANCE.get(self.dtype, DEFAULT_TOLERANCE)
        if not worst <= tolerance * max(1.0, float(whole.abs().max())):
            raise EngineError(
                f"{name} gives other logits with the slot cache than without a cache (by "
                f"{worst:.2g}): serve this model from a server, with the openai engine"
            )
