"""Log-probabilities of the policy tokens of a pack, and their entropies when somebody asks.

The hidden states of all tokens are computed, the logits only of those that predict a policy token,
and of at most `chunk` of them at once: with a large vocabulary the logits, not the model, would
fill the memory. Chunks are computed again in the backward pass. Logits are divided by the sampling
temperature, as the engine's log-probabilities are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from turnwise.training.attention import row_attention
from turnwise.training.packing import Pack

CHUNK = 1 << 24
"""Logits (tokens times vocabulary) held at once; 64 MB in float32."""


class Scored(NamedTuple):
    """What a forward pass says of each of the N policy tokens of a pack."""

    logp: torch.Tensor
    """[N] nats, float32."""
    entropy: torch.Tensor | None
    """[N] nats."""
    value: torch.Tensor | None
    """[N] the critic's value of the state in which each token was written."""


class Policy(nn.Module):
    """A causal language model as a function from a pack to log-probabilities. The module that a
    learner wraps.

    Args:
        model: a transformers causal language model, peft adapters included.
        temperature: what logits are divided by.
        autocast: compute matrix products in bfloat16.
        critic: a value model (see `critic`), for `values`.
    """

    def __init__(
        self, model: nn.Module, temperature: float = 1.0, autocast: bool = False, critic: nn.Module | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.autocast = autocast
        self.critic = critic

    def forward(self, pack: Pack, entropies: bool = False, values: bool = False) -> Scored:
        """Log-probabilities and, when asked, full-vocabulary entropies and the critic's values."""
        device = pack.ids.device
        with torch.autocast(device.type, torch.bfloat16) if self.autocast else nullcontext():
            hidden = hidden_states(self.base, pack)[pack.at]
            value = None
            if values:
                assert self.critic is not None, (
                    "the learner makes a critic for every recipe that wants values"
                )
                value = self.critic(pack, hidden)
            return Scored(*self._scores(hidden, pack, entropies), value)

    def _scores(
        self, hidden: torch.Tensor, pack: Pack, entropies: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return scored(
            self._logits,
            hidden,
            pack.target,
            entropies,
            self.base.get_output_embeddings().weight.shape[0],
        )

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = finished(self.base.config, self.base.get_output_embeddings()(hidden).float())
        return logits / self.temperature if self.temperature != 1.0 else logits

    @property
    def base(self) -> Any:
        """The transformers model itself, without an adapter's wrapping (the adapters stay in its
        layers).
        """
        unwrap = getattr(self.model, "get_base_model", None)
        return unwrap() if unwrap is not None else self.model


def scored(
    logits_of: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor, target: torch.Tensor, entropies: bool,
    vocabulary: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
    """Log-probabilities [N] of `target`, and entropies [N] when asked, holding at most `CHUNK`
    logits at once.

    Args:
        logits_of: from hidden states [n, hidden] to logits [n, vocabulary], a `Linear` for one.
        vocabulary: its size, where `logits_of` is no module with a `weight` to read it from.
    """
    size = max(1, CHUNK // (vocabulary or logits_of.weight.shape[0]))  # type: ignore[attr-defined]
    if len(hidden) <= size:
        return _score(logits_of, hidden, target, entropies)
    parts = [
        checkpoint(_score, logits_of, h, t, entropies, use_reentrant=False)
        for h, t in zip(hidden.split(size), target.split(size), strict=True)
    ]
    logp = torch.cat([part[0] for part in parts])
    return logp, torch.cat([part[1] for part in parts]) if entropies else None


def _score(
    logits_of: Callable[[torch.Tensor], torch.Tensor],
    hidden: torch.Tensor,
    target: torch.Tensor,
    entropies: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    logits = logits_of(hidden).float()
    logp = -F.cross_entropy(logits, target, reduction="none")
    return logp, entropy(logits) if entropies else None


def finished(config: Any, logits: torch.Tensor) -> torch.Tensor:
    """What some architectures do to their logits after the head: Granite and Cohere scale them,
    Gemma 2 caps them.
    """
    text = config.get_text_config(decoder=True)
    if getattr(text, "logits_scaling", None):
        logits = logits / text.logits_scaling
    if getattr(text, "logit_scale", None):
        logits = logits * text.logit_scale
    cap = getattr(text, "final_logit_softcapping", None)
    return torch.tanh(logits / cap) * cap if cap else logits


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """Entropy (nats) of softmax(logits) over the last axis."""
    logp = torch.log_softmax(logits, -1)
    return -(logp.exp() * logp).sum(-1)


def hidden_states(model: Any, pack: Pack) -> torch.Tensor:
    """[T, hidden] after the last layer.

    A model that does not take transformers' attention interface gets its rows one by one, which is
    slower and the same.
    """
    backbone = getattr(model, model.base_model_prefix)
    if getattr(model, "_supports_attention_backend", False):
        with row_attention(model):
            out = backbone(
                input_ids=pack.ids[None],
                position_ids=pack.positions[None],
                use_cache=False,
                row_lengths=pack.lengths,
            )
        return torch.as_tensor(out.last_hidden_state[0])
    lengths = list(pack.lengths)
    pairs = zip(pack.ids.split(lengths), pack.positions.split(lengths), strict=True)
    return torch.cat(
        [
            backbone(input_ids=i[None], position_ids=p[None], use_cache=False).last_hidden_state[0]
            for i, p in pairs
        ]
    )
