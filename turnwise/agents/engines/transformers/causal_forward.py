"""One forward pass over slots for any causal language model, through transformers' own model and
cache interface.

New tokens of several rows go in left-padded, so that the last column is every row's newest token
and the head runs on that column alone. Padding repeats a row's first new token at that token's own
position: what it writes is what the token writes, no position is out of range and no mask row is
empty. The mask is additive and says only `key <= query` (within the window, for sliding layers),
because a slot's index is the token's position.

What is supported is decided by trying: `check` compares a sequence computed in pieces with the
model's plain forward.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.cache_utils import get_layer_types_and_kwargs

from turnwise.agents.engines.transformers.slot_table import Ints, SlotTable
from turnwise.agents.engines.transformers.slots import Plan, SlotCache
from turnwise.errors import EngineError

PAD = 8  # query lengths and row counts are padded to multiples of this, so that few shapes occur
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}


class CausalForward:
    """Runs `model` over slots.

    Raises:
        EngineError: for layers that keep more than keys and values per position, and for an
            attention implementation that takes no additive mask.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device = model, device
        self.dtype: torch.dtype = next(model.parameters()).dtype
        config = model.config.get_text_config(decoder=True)
        attention = getattr(config, "_attn_implementation", "eager")
        if attention not in ("sdpa", "eager"):
            raise EngineError(
                f"{type(model).__name__} uses the attention implementation {attention!r}, which takes no additive mask: "
                "load it with attn_implementation='sdpa'"
            )
        kinds, options = get_layer_types_and_kwargs(config)
        odd = sorted(set(kinds) - {"full_attention", "sliding_attention"})
        if odd:
            raise EngineError(
                f"{type(model).__name__} has layers of kind {', '.join(odd)}, and a slot keeps only keys and values of full or "
                "sliding attention: serve this model with a server and the `openai` engine"
            )
        self.windows: dict[str, int | None] = {
            kind: option.get("sliding_window") for kind, option in zip(kinds, options, strict=True)
        }
        self.cache = SlotCache(len(kinds))
        self.extra: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in inspect.signature(model.forward).parameters:
            self.extra["logits_to_keep"] = 1

    packed = False
    """Whether rows that read prompts and rows that decode may go in one call without padding."""

    def refresh(self) -> None:
        """Called before the model runs again after others may have touched it."""

    def __call__(self, table: SlotTable, rows: Ints, take: Ints, span: int) -> torch.Tensor:
        """Compute the next `take` tokens of some slots.

        Args:
            rows: [B] slots, ascending where every `take` is 1.
            take: [B] how many tokens after the `held` ones.
            span: positions of each row to read; at least the longest row's end.

        Returns:
            [B, V] logits after each row's last token.
        """
        if int(take.max()) > 1:
            width = -(-int(take.max()) // PAD) * PAD
            start = table.held[rows]
            # Left of a row's first new token its position repeats.
            positions = np.maximum(
                start[:, None], (start + take)[:, None] - width + np.arange(width)
            )
            return self._run(table.ids[rows[:, None], positions], positions, rows, True, span)
        count = min(
            -(-(int(rows[-1]) + 1) // PAD) * PAD if rows[-1] >= PAD else int(rows[-1]) + 1,
            self.cache.rows,
        )
        positions = table.held[
            :count, None
        ]  # idle rows in between compute garbage behind their end
        logits = self._run(
            np.take_along_axis(table.ids[:count], positions, 1),
            positions,
            np.arange(count),
            False,
            span,
        )
        return logits if len(rows) == count else logits[torch.from_numpy(rows).to(logits.device)]

    def _run(
        self, tokens: Ints, positions: Ints, rows: Ints, gather: bool, span: int
    ) -> torch.Tensor:
        """[B, V] logits after the last of [B, Q] tokens."""
        packed = torch.from_numpy(np.concatenate([tokens.reshape(-1), positions.reshape(-1), rows]))
        ids, where, slots = self._move(packed).split([tokens.size, tokens.size, len(rows)])
        where = where.view(positions.shape)
        self.cache.plan = Plan(slots, where, gather, span, self.cache.span)
        out = self.model(
            input_ids=ids.view(tokens.shape), position_ids=where, attention_mask=self._mask(where, span),
            past_key_values=self.cache, **self.extra,
        )  # fmt: skip
        return out.logits[:, -1]

    def _move(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _mask(self, positions: torch.Tensor, span: int) -> torch.Tensor | dict[str, torch.Tensor]:
        """[B, 1, Q, span] additive mask, by kind of layer where there are several kinds."""
        keys = torch.arange(span, device=self.device)
        queries = positions[:, None, :, None]
        masks = {}
        for kind, window in self.windows.items():
            seen = keys <= queries
            if window is not None:
                seen &= keys > queries - window
            masks[kind] = torch.zeros(
                seen.shape, dtype=self.dtype, device=self.device
            ).masked_fill_(~seen, float("-inf"))
        return masks if len(masks) > 1 else next(iter(masks.values()))

    @torch.inference_mode()
    def check(self, length: int = 12) -> None:
        """Compare a sequence computed in pieces in slots with the plain forward. Drops the cache.

        Raises:
            EngineError: when they differ: the architecture needs more than a mask and positions.
        """
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        ids = (np.arange(length, dtype=np.int64) * 7 + 1) % vocabulary
        name = type(self.model).__name__
        try:
            whole = (
                self.model(input_ids=self._move(torch.from_numpy(ids[None])), use_cache=False)
                .logits[0]
                .float()
            )
            self.cache.reserve(2, length)
            table = SlotTable(2, length)
            table.ids[1] = ids
            steps = []
            for take in (length // 2, 1, 1, length - length // 2 - 2):
                logits = self(table, np.array([1]), np.array([take]), length)
                table.held[1] += take
                steps.append((logits[0].float(), int(table.held[1]) - 1))
        except Exception as problem:
            raise EngineError(
                f"{name} cannot run on the slot cache ({type(problem).__name__}: {problem})"
            ) from problem
        finally:
            self.cache.drop()
        worst = float(
            torch.stack([(got - whole[k]).abs().max() for got, k in steps]).max()
        )  # NaN where any is
        if not worst <= _TOLERANCE.get(self.dtype, 1e-3) * max(1.0, float(whole.abs().max())):
            raise EngineError(
                f"{name} gives other logits on the slot cache than without a cache (by {worst:.2g}): its attention needs more "
                "than a mask and positions; serve it with a server and the `openai` engine"
            )
