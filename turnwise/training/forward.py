"""Forward passes over packs: log-probabilities and entropies of policy tokens, values of a critic.

Hidden states are computed for all tokens, logits only for those that predict a policy token, and
for a bounded number of them at once: with a large vocabulary the logits would fill the memory, not
the model. Chunks are recomputed in the backward pass. Logits are divided by the sampling
temperature, as the engine's log-probabilities are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from turnwise.training.attention import row_attention
from turnwise.training.packing import Pack

MAX_LOGITS = 1 << 24
"""Logits (tokens times vocabulary) held at once; 64 MB in float32."""


class TokenScores(NamedTuple):
    """Outputs of a forward pass for the N policy tokens of a pack."""

    logp: torch.Tensor
    """[N] nats, float32."""
    entropy: torch.Tensor | None
    """[N] nats."""
    value: torch.Tensor | None
    """[N] the critic's value of the state in which each token was written."""


class Policy(nn.Module):
    """A causal language model as a function from a pack to `TokenScores`.

    Args:
        model: a transformers causal language model, peft adapters included.
        temperature: what logits are divided by.
        autocast: compute matrix products in bfloat16.
        critic: a `Critic`, for `values`.
    """

    def __init__(
        self, model: nn.Module, temperature: float = 1.0, autocast: bool = False,
        critic: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.autocast = autocast
        self.critic = critic

    def forward(self, pack: Pack, entropies: bool = False, values: bool = False) -> TokenScores:
        """Compute log-probabilities and, when asked, full-vocabulary entropies and values."""
        device = pack.ids.device
        with torch.autocast(device.type, torch.bfloat16) if self.autocast else nullcontext():
            hidden = hidden_states(self.base, pack)[pack.at]
            value = None
            if values:
                assert self.critic is not None, "Learner.update checks that there is a critic"
                value = self.critic(pack, hidden)
            vocabulary = self.base.get_output_embeddings().weight.shape[0]
            logp, entropy = token_logprobs(self._logits, hidden, pack.target, entropies, vocabulary)
            return TokenScores(logp, entropy, value)

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = scaled_logits(self.base.config, self.base.get_output_embeddings()(hidden).float())
        return logits / self.temperature if self.temperature != 1.0 else logits

    @property
    def base(self) -> Any:
        """The transformers model itself; adapters stay in its layers."""
        unwrap = getattr(self.model, "get_base_model", None)
        return unwrap() if unwrap is not None else self.model


class Critic(nn.Module):
    """Value model: a linear layer on hidden states of the policy, or of a network of its own.

    The value of a token is read from the hidden state that predicts it, the state in which it was
    written. The layer is initialised to zero, so the first advantages are plain rewards-to-go.

    Args:
        model: the policy's model.
        kind: `head` shares the policy's hidden states and trains them too; `model` is a copy of the
            network with its own weights.
    """

    def __init__(self, model: nn.Module, kind: Literal["head", "model"]) -> None:
        super().__init__()
        own: Any = getattr(model, "get_base_model", lambda: model)()
        self.model = copy.deepcopy(own).requires_grad_(True) if kind == "model" else None
        self.head = nn.Linear(
            own.config.get_text_config(decoder=True).hidden_size, 1, dtype=torch.float32
        )
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.head.to(next(model.parameters()).device)
        if self.model is not None:
            # The copy's head is not used, and DDP would wait for its gradient. A tied one is the
            # input embedding, which is.
            unused = self.model.get_output_embeddings()
            if unused is not None and unused.weight is not self.model.get_input_embeddings().weight:
                unused.requires_grad_(False)

    def forward(self, pack: Pack, hidden: torch.Tensor) -> torch.Tensor:
        """Return values [N] of the policy tokens.

        Args:
            hidden: [N, hidden] the policy's hidden states at them, read by the kind `head`.
        """
        if self.model is not None:
            hidden = hidden_states(self.model, pack)[pack.at]
        # Returns need more than the two or three digits of bfloat16.
        with torch.autocast(hidden.device.type, enabled=False):
            return torch.as_tensor(self.head(hidden.float())[:, 0])


def hidden_states(model: Any, pack: Pack) -> torch.Tensor:
    """Return the hidden states [T, hidden] after the last layer.

    Models that do not support transformers' attention interface get their rows one by one: slower,
    with the same result.
    """
    backbone = getattr(model, model.base_model_prefix)
    if getattr(model, "_supports_attention_backend", False):
        with row_attention(model):
            out = backbone(
                input_ids=pack.ids[None], position_ids=pack.positions[None], use_cache=False,
                row_lengths=pack.lengths,
            )  # fmt: skip
        return torch.as_tensor(out.last_hidden_state[0])
    lengths = list(pack.lengths)
    pairs = zip(pack.ids.split(lengths), pack.positions.split(lengths), strict=True)
    return torch.cat(
        [
            backbone(input_ids=i[None], position_ids=p[None], use_cache=False).last_hidden_state[0]
            for i, p in pairs
        ]
    )


# Logits
# --------------------------------------------------------------------------------------------------


def token_logprobs(
    logits_of: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor, target: torch.Tensor,
    entropies: bool, vocabulary: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
    """Return log-probabilities [N] of `target` and entropies [N] when asked.

    Args:
        logits_of: from hidden states [n, hidden] to logits [n, vocabulary], such as a `Linear`.
        vocabulary: its size, where `logits_of` has no `weight` to read it from.
    """
    vocabulary = vocabulary or logits_of.weight.shape[0]  # type: ignore[attr-defined]
    size = max(1, MAX_LOGITS // vocabulary)
    if len(hidden) <= size:
        return _chunk_logprobs(logits_of, hidden, target, entropies)
    parts = [
        checkpoint(_chunk_logprobs, logits_of, h, t, entropies, use_reentrant=False)
        for h, t in zip(hidden.split(size), target.split(size), strict=True)
    ]
    logp = torch.cat([part[0] for part in parts])
    return logp, torch.cat([part[1] for part in parts]) if entropies else None


def _chunk_logprobs(
    logits_of: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor, target: torch.Tensor,
    entropies: bool,
) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
    logits = logits_of(hidden).float()
    logp = -F.cross_entropy(logits, target, reduction="none")
    return logp, entropy_of(logits) if entropies else None


def scaled_logits(config: Any, logits: torch.Tensor) -> torch.Tensor:
    """Apply what some architectures do to logits: Granite and Cohere scale, Gemma 2 caps them."""
    text = config.get_text_config(decoder=True)
    if getattr(text, "logits_scaling", None):
        logits = logits / text.logits_scaling
    if getattr(text, "logit_scale", None):
        logits = logits * text.logit_scale
    cap = getattr(text, "final_logit_softcapping", None)
    return torch.tanh(logits / cap) * cap if cap else logits


def entropy_of(logits: torch.Tensor) -> torch.Tensor:
    """Return the entropy (nats) of softmax(logits) over the last axis."""
    logp = torch.log_softmax(logits, -1)
    return -(logp.exp() * logp).sum(-1)
