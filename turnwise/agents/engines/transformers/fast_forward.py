"""A hand-written forward pass of Llama-like models over slots, for speed on a CPU.

For small models much of a step is spent outside the matrix products: in modules, masks, padding and
copies of the cache. Here the new tokens of every row, whether it reads an observation or decodes,
are packed into one sequence without padding, and only attention separates the rows. Decoding rows
read the cache in place, in one call per layer; each reading row attends in a call of its own. Query
heads that share a key head are folded into the query length, so keys are never repeated.

Covers Llama, Qwen2, Qwen3 and Mistral without sliding layers, and rotary embeddings whose
frequencies do not depend on the length. `benchmarks/rollout.py` measures the gain, and tests
compare with `CausalForward`. The model's parameters are used in place, so updated weights take
effect at once.
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

ARCHITECTURES = ("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "MistralForCausalLM")
FIXED_ROPE_TYPES = ("default", "linear", "llama3", "yarn")
READ_STEP = 32
"""Positions that decoding reads are padded to multiples of this."""


@dataclass(slots=True)
class _Attention:
    """Layout of one forward over N packed tokens, as attention uses it."""

    rows: torch.Tensor
    """[N] slots."""
    positions: torch.Tensor
    """[N]."""
    cos: torch.Tensor
    """[N, 1, dim]."""
    sin: torch.Tensor
    """[N, 1, dim], negated where the rotation subtracts."""
    decoding: torch.Tensor
    """Indices of the tokens that decode."""
    slots: torch.Tensor | None
    """Their slots; None when these are the first ones, in order."""
    count: int
    """Number of slots in the decoding view."""
    mask: torch.Tensor
    """[count, 1, 1, span] additive."""
    readers: list[tuple[int, int, int, int, torch.Tensor]]
    """Of each row that reads: (first token, one past the last, slot, end, additive mask
    [groups * Q, end])."""


class PackedForward(CausalForward):
    """`CausalForward` for the models named above, on a CPU."""

    packed = True

    def __init__(self, model: nn.Module, device: torch.device, context: int) -> None:
        super().__init__(model, device)
        self.context = context
        self.refresh()

    @staticmethod
    def covers(model: nn.Module, device: torch.device) -> bool:
        """Return whether this forward computes the same as `model`."""
        config: Any = model.config
        if device.type != "cpu" or type(model).__name__ not in ARCHITECTURES:
            return False
        if getattr(config, "hidden_act", "") != "silu":
            return False
        first = model.model.layers[0]
        projections = (first.self_attn.q_proj, first.mlp.down_proj, model.lm_head)
        plain = all(type(layer) is nn.Linear for layer in projections)
        kinds = getattr(config, "layer_types", None) or ()
        full = "sliding_attention" not in kinds
        full = full and (bool(kinds) or getattr(config, "sliding_window", None) is None)
        rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
        return plain and full and rope in FIXED_ROPE_TYPES

    def refresh(self) -> None:
        """Look up parameters and rotary tables again, in case they were replaced or moved."""
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
        """Return [B, V] logits; see `CausalForward`. Rows may mix any values of `take`."""
        # In-place operations touch only tensors made in this call, never parameters or inputs.
        base: Any = self.model.model
        plan, tokens, last = self._plan(table, rows, take, span)
        hidden = base.embed_tokens(tokens)
        for index, layer in enumerate(self.layers):
            normed = F.rms_norm(hidden, hidden.shape[-1:], layer["input_norm"], self.eps)
            mixed = self._attend(index, layer, normed, plan)
            hidden = hidden + F.linear(mixed, layer["o"], layer["o_bias"])
            normed = F.rms_norm(hidden, hidden.shape[-1:], layer["post_norm"], self.eps)
            gate = F.silu(F.linear(normed, layer["gate"], layer["gate_bias"]), inplace=True)
            gate = gate.mul_(F.linear(normed, layer["up"], layer["up_bias"]))
            hidden = hidden + F.linear(gate, layer["down"], layer["down_bias"])
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
        reach = min((int(query.max()) // READ_STEP + 1) * READ_STEP, span) if count else 0
        plan = _Attention(
            rows=torch.from_numpy(owner), positions=where, cos=self.cos[where][:, None],
            sin=self.sin[where][:, None], decoding=torch.from_numpy(ends[decoders] - 1),
            slots=None if count == len(slots) else torch.from_numpy(slots), count=count,
            mask=self._causal_mask(torch.from_numpy(query)[:, None, None, None], reach),
            readers=[
                self._reader(where, int(ends[k] - take[k]), int(ends[k]), int(rows[k]))
                for k in np.flatnonzero(take > 1)
            ],
        )  # fmt: skip
        return plan, torch.from_numpy(table.ids[owner, positions]), torch.from_numpy(ends - 1)

    def _reader(
        self, positions: torch.Tensor, first: int, past: int, slot: int
    ) -> tuple[int, int, int, int, torch.Tensor]:
        end = int(positions[past - 1]) + 1
        mask = self._causal_mask(positions[first:past, None], end)
        return first, past, slot, end, mask.repeat(self.heads // self.kv, 1)

    def _causal_mask(self, queries: torch.Tensor, span: int) -> torch.Tensor:
        mask = torch.zeros((*queries.shape[:-1], span), dtype=self.dtype)
        return mask.masked_fill_(torch.arange(span) > queries, float("-inf"))

    def _attend(
        self, index: int, layer: dict[str, Any], normed: torch.Tensor, plan: _Attention
    ) -> torch.Tensor:
        """Write keys and values of the packed tokens; return their attention [N, heads * dim]."""
        size = len(normed)
        query = F.linear(normed, layer["q"], layer["q_bias"]).view(size, self.heads, self.dim)
        key = F.linear(normed, layer["k"], layer["k_bias"]).view(size, self.kv, self.dim)
        value = F.linear(normed, layer["v"], layer["v_bias"]).view(size, self.kv, self.dim)
        if layer["q_norm"] is not None:
            query = F.rms_norm(query, (self.dim,), layer["q_norm"], self.eps)
            key = F.rms_norm(key, (self.dim,), layer["k_norm"], self.eps)
        query, key = _rotate(query, plan), _rotate(key, plan)
        keys, values = self._write(index, key, value, plan)
        grouped = query.view(size, self.kv, self.heads // self.kv, self.dim)
        if plan.count and not plan.readers:
            return self._decode(grouped, keys, values, plan, layer["scale"]).reshape(size, -1)
        out = torch.empty_like(grouped)
        if plan.count:
            decoded = self._decode(grouped[plan.decoding], keys, values, plan, layer["scale"])
            out.index_copy_(0, plan.decoding, decoded)
        for first, past, slot, end, mask in plan.readers:
            asked = grouped[first:past].permute(1, 2, 0, 3).reshape(1, self.kv, -1, self.dim)
            read = F.scaled_dot_product_attention(
                asked, keys[slot : slot + 1, :, :end], values[slot : slot + 1, :, :end],
                attn_mask=mask, scale=layer["scale"],
            )  # fmt: skip
            out[first:past] = read.view(self.kv, -1, past - first, self.dim).permute(2, 0, 1, 3)
        return out.view(size, -1)

    def _decode(
        self,
        asked: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        plan: _Attention,
        scale: float,
    ) -> torch.Tensor:
        """Return the attention of the decoding tokens, [decoding, kv, groups, dim]."""
        if plan.slots is not None:
            view = asked.new_zeros((plan.count, *asked.shape[1:]))
            asked = view.index_copy_(0, plan.slots, asked)
        span = plan.mask.shape[-1]
        out = F.scaled_dot_product_attention(
            asked, keys[: plan.count, :, :span], values[: plan.count, :, :span],
            attn_mask=plan.mask, scale=scale,
        )  # fmt: skip
        return out if plan.slots is None else out[plan.slots]

    def _write(
        self, index: int, key: torch.Tensor, value: torch.Tensor, plan: _Attention
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write states [N, kv, dim] to the cache; return its whole keys and values."""
        store = self.cache.layers[index]
        if not store.is_initialized:
            store.lazy_initialization(key[:1, :, None], value[:1, :, None])
        heads = plan.rows[:, None] * self.kv + torch.arange(self.kv)
        target = (heads * self.cache.span + plan.positions[:, None]).view(-1)
        store.keys.view(-1, self.dim).index_copy_(0, target, key.reshape(-1, self.dim))
        store.values.view(-1, self.dim).index_copy_(0, target, value.reshape(-1, self.dim))
        return store.keys, store.values


def _rotate(states: torch.Tensor, plan: _Attention) -> torch.Tensor:
    """Apply the rotary embedding to [N, heads, dim]; rolling swaps the halves of a head."""
    return torch.addcmul(states * plan.cos, torch.roll(states, states.shape[-1] // 2, -1), plan.sin)


def _parts(layer: Any) -> dict[str, Any]:
    """Return the parameters of a decoder layer by short names."""
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
    for name in ("q_norm", "k_norm"):
        parts[name] = getattr(getattr(attention, name, None), "weight", None)
    return parts | {"scale": attention.scaling}
