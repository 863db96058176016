"""A value model: a linear layer on the policy's own hidden states, or on those of a model of its
own.

The value of a token is that of the state in which it was written: it is read off the hidden state
that predicts it. The layer begins at zero, so that the first values are 0 and the first advantages
plain rewards to go.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import nn

from turnwise.training.forward import hidden_states
from turnwise.training.packing import Pack


class Critic(nn.Module):
    """Values [N] of the policy tokens of a pack.

    Args:
        model: the policy's model.
        kind: `head` shares the policy's hidden states, and trains them too; `model` is a copy of
            the whole network with its own weights, beginning as the policy does.
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
            unused = self.model.get_output_embeddings()
            if unused is not None and unused.weight is not self.model.get_input_embeddings().weight:
                unused.requires_grad_(False)

    def forward(self, pack: Pack, hidden: torch.Tensor) -> torch.Tensor:
        """`hidden` [N, hidden]: the policy's hidden states at the policy tokens, used by the kind
        `head`.
        """
        if self.model is not None:
            hidden = hidden_states(self.model, pack)[pack.at]
        with torch.autocast(hidden.device.type, enabled=False):
            return torch.as_tensor(self.head(hidden.float())[:, 0])
