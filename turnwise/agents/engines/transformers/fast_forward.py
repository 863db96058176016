"""The forward pass of Llama-shaped models over slots, written out, because on a CPU it pays.

For small models much of a step is spent around the matrix products: in modules, masks, padding and
copies of the cache. Here the new tokens of every row, whether it reads an observation or decodes,
are packed into one sequence without padding; only attention looks at rows. Decoding rows read the
cache in place, in one call per layer; a row that reads attends alone. Query heads that share a key
head are folded into the query length, so keys are never repeated.

Covers Llama, Qwen2, Qwen3 and Mistral without sliding layers, and rotary embeddings whose
frequencies do not depend on the length. `benchmarks/rollout.py` measures what it saves; the generic
`CausalForward` is the reference in its test. The model's own parameters are used, never copies, so
weights updated in place are seen at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from turnwise.agents.engines.transformers.causal_forward import CausalForward
from turnwise.agents.engines.transformers.slot_table import Ints, SlotTable

_SHAPES = ("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "MistralForCausalLM")
_FIXED_ROPE = ("default", "linear", "llama3", "yarn")


@dataclass(slots=True)
class _Attention:
    """What attention needs to know of one forward over N packed tokens."""

    rows: torch.Tensor
    """[N] slot of every token."""
    positions: torch.Tensor
    """[N]."""
    cos: torch.Tensor
    """[N, 1, dim]."""
    sin: torch.Tensor
    """[N, 1, dim], negated where the rotation subtracts."""
    decoding: torch.Tensor
    """Indices of the tokens that decode."""
    slots: torch.Tensor | None
    """Their slots, or None when these are the first ones, in order."""
    count: int
    """How many slots the decoding view has."""
    mask: torch.Tensor
    """[count, 1, 1, span] additive."""
    reading: list[tuple[int, int, int, int, torch.Tensor]]
    """(first token, one past the last, slot, end, additive mask [groups * Q, end]) of each row that
    reads.
    """


class PackedForward(CausalForward):
    """`CausalForward` for the models named above, on a CPU."""

    packed = True

    def __init__(self, model: nn.Module, device: torch.device, context: int) -> None:
        super().__init__(model, device)
        self.context = context
        self.refresh()

    @staticmethod
    def covers(model: nn.Module, device: torch.device) -> bool:
        """Whether this forward computes what `model` does."""
        config: Any = model.config
        if (
            device.type != "cpu"
            or type(model).__name__ not in _SHAPES
            or getattr(config, "hidden_act", "") != "silu"
        ):
            return False
        first = model.model.layers[0]
        plain = all(
            type(layer) is nn.Linear
            for layer in (first.self_attn.q_proj, first.mlp.down_proj, model.lm_head)
        )
        kinds = getattr(config, "layer_types", None) or ()
        full = "sliding_attention" not in kinds and (
            bool(kinds) or getattr(config, "sliding_window", None) is None
        )
        rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
        return plain and full and rope in _FIXED_ROPE

    def refresh(self) -> None:
        """Look up parameters and rotary tables again: they may have been replaced or moved."""
        base: Any = self.model.model
        config: Any = self.model.config
        self.layers = [_parts(layer) for layer in base.layers]
        self.eps: float = config.rms_norm_eps
        self.heads, self.kv = config.num_attention_heads, config.num_key_value_heads
        positions = torch.arange(self.context, device=self.device)[None]
        with torch.inference_mode():
            cos, sin = base.rotary_emb(base.embed_tokens.weight[:1], positions)
        self.dim = cos.shape[-1]
        half = self.dim // 2
        self.cos, self.sin = cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], -1)

    def __call__(self, table: SlotTable, rows: Ints, take: Ints, span: int) -> torch.Tensor:
        """[B, V] logits; see `CausalForward`. Any mixture of `take` is welcome."""
        base: Any = self.model.model
        plan, tokens, last = self._plan(table, rows, take, span)
        hidden = base.embed_tokens(tokens)
        for index, layer in enumerate(self.layers):
            normed = F.rms_norm(hidden, hidden.shape[-1:], layer["input_norm"], self.eps)
            mixed = self._attend(index, layer, normed, plan)
            hidden = hidden + F.linear(mixed, layer["o"], layer["o_bias"])
            normed = F.rms_norm(hidden, hidden.shape[-1:], layer["post_norm"], self.eps)
            gate = F.silu(F.linear(normed, layer["gate"], layer["gate_bias"]), inplace=True)
            hidden = hidden + F.linear(
                gate.mul_(F.linear(normed, layer["up"], layer["up_bias"])),
                layer["down"],
                layer["down_bias"],
            )
        final = F.rms_norm(hidden[last], hidden.shape[-1:], base.norm.weight, self.eps)
        return self.model.lm_head(final)

    def _plan(
        self, table: SlotTable, rows: Ints, take: Ints, span: int
    ) -> tuple[_Attention, torch.Tensor, torch.Tensor]:
        ends = np.cumsum(take)
        offset = np.arange(int(ends[-1])) - np.repeat(ends - take, take)
        owner, positions = np.repeat(rows, take), np.repeat(table.held[rows], take) + offset
        where = torch.from_numpy(positions)
        decoders = np.flatnonzero(take == 1)
        slots = rows[decoders]
        count = int(slots[-1]) + 1 if len(slots) else 0
        query = np.zeros(count, dtype=np.int64)
        query[slots] = table.held[slots]
        reach = min((int(query.max()) // 32 + 1) * 32, span) if count else 0
        plan = _Attention(
            rows=torch.from_numpy(owner), positions=where, cos=self.cos[where][:, None], sin=self.sin[where][:, None],
            decoding=torch.from_numpy(ends[decoders] - 1), slots=None if count == len(slots) else torch.from_numpy(slots),
            count=count, mask=self._hide(torch.from_numpy(query)[:, None, None, None], reach),
            reading=[self._reader(where, int(ends[k] - take[k]), int(ends[k]), int(rows[k])) for k in np.flatnonzero(take > 1)],
        )  # fmt: skip
        return plan, torch.from_numpy(table.ids[owner, positions]), torch.from_numpy(ends - 1)

    def _reader(
        self, positions: torch.Tensor, first: int, past: int, slot: int
    ) -> tuple[int, int, int, int, torch.Tensor]:
        end = int(positions[past - 1]) + 1
        mask = self._hide(positions[first:past, None], end)
        return first, past, slot, end, mask.repeat(self.heads // self.kv, 1)

    def _hide(self, queries: torch.Tensor, span: int) -> torch.Tensor:
        mask = torch.zeros((*queries.shape[:-1], span), dtype=self.dtype)
        return mask.masked_fill_(torch.arange(span) > queries, float("-inf"))

    def _attend(
        self, index: int, layer: dict[str, Any], normed: torch.Tensor, plan: _Attention
    ) -> torch.Tensor:
        """[N, heads * dim] attention of the packed tokens, after writing their keys and values."""
        size = len(normed)
        query = F.linear(normed, layer["q"], layer["q_bias"]).view(size, self.heads, self.dim)
        key = F.linear(normed, layer["k"], layer["k_bias"]).view(size, self.kv, self.dim)
        value = F.linear(normed, layer["v"], layer["v_bias"]).view(size, self.kv, self.dim)
        if layer["q_norm"] is not None:
            query = F.rms_norm(query, (self.dim,), layer["q_norm"], self.eps)
            key = F.rms_norm(key, (self.dim,), layer["k_norm"], self.eps)
        query, key = _rotate(query, plan), _rotate(key, plan)
        keys, values = self._write(index, key, value, plan)
        groups = self.heads // self.kv
        grouped = query.view(size, self.kv, groups, self.dim)
        out = torch.empty_like(grouped)
        if plan.count:
            asked = grouped[plan.decoding] if plan.reading else grouped
            if plan.slots is not None:
                asked = grouped.new_zeros((plan.count, *grouped.shape[1:])).index_copy_(
                    0, plan.slots, asked
                )
            span = plan.mask.shape[-1]
            got = F.scaled_dot_product_attention(
                asked,
                keys[: plan.count, :, :span],
                values[: plan.count, :, :span],
                attn_mask=plan.mask,
                scale=layer["scale"],
            )
            got = got if plan.slots is None else got[plan.slots]
            if not plan.reading:
                return got.reshape(size, -1)
            out.index_copy_(0, plan.decoding, got)
        for first, past, slot, end, mask in plan.reading:
            asked = grouped[first:past].permute(1, 2, 0, 3).reshape(1, self.kv, -1, self.dim)
            got = F.scaled_dot_product_attention(
                asked,
                keys[slot : slot + 1, :, :end],
                values[slot : slot + 1, :, :end],
                attn_mask=mask,
                scale=layer["scale"],
            )
            out[first:past] = got.view(self.kv, groups, past - first, self.dim).permute(2, 0, 1, 3)
        return out.view(size, -1)

    def _write(
        self, index: int, key: torch.Tensor, value: torch.Tensor, plan: _Attention
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put [N, kv, dim] states in the cache; returns its whole keys and values."""
        store = self.cache.layers[index]
        if not store.is_initialized:
            store.lazy_initialization(key[:1, :, None], value[:1, :, None])
        room = self.cache.span
        target = (
            (plan.rows[:, None] * self.kv + torch.arange(self.kv)) * room + plan.positions[:, None]
        ).view(-1)
        store.keys.view(-1, self.dim).index_copy_(0, target, key.reshape(-1, self.dim))
        store.values.view(-1, self.dim).index_copy_(0, target, value.reshape(-1, self.dim))
        return store.keys, store.values


def _rotate(states: torch.Tensor, plan: _Attention) -> torch.Tensor:
    """Rotary embedding of [N, heads, dim]: rolling by half the dimension swaps the two halves."""
    return torch.addcmul(states * plan.cos, torch.roll(states, states.shape[-1] // 2, -1), plan.sin)


def _parts(layer: Any) -> dict[str, Any]:
    """Parameters of a decoder layer by short names."""
    attention, mlp = layer.self_attn, layer.mlp
    linears = {
        "q": attention.q_proj, "k": attention.k_proj, "v": attention.v_proj, "o": attention.o_proj,
        "gate": mlp.gate_proj, "up": mlp.up_proj, "down": mlp.down_proj,
    }  # fmt: skip
    parts: dict[str, Any] = {name: linear.weight for name, linear in linears.items()}
    parts |= {f"{name}_bias": linear.bias for name, linear in linears.items()}
    parts |= {
        "input_norm": layer.input_layernorm.weight,
        "post_norm": layer.post_attention_layernorm.weight,
    }
    parts |= {
        name: getattr(getattr(attention, name, None), "weight", None)
        for name in ("q_norm", "k_norm")
    }
    return parts | {"scale": attention.scaling}
