"""Copying a state dict into a model in place, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from turnwise.errors import EngineError


@torch.no_grad()
def copy_weights(model: nn.Module, weights: Mapping[str, Any]) -> None:
    """Copy `weights` into the parameters and buffers of `model`, converting dtype and device.

    Tied parameters may be given under one of their names or all of them.

    Raises:
        EngineError: for a name the model lacks, a shape that differs, or a parameter that is
            missing. Nothing is copied.
    """
    own: dict[str, torch.Tensor] = dict(model.state_dict(keep_vars=True))
    strange = sorted(set(weights) - set(own))
    given = {id(own[name]) for name in weights if name in own}
    missing = sorted(name for name, tensor in own.items() if id(tensor) not in given)
    shapes = [
        f"{name} {tuple(weights[name].shape)} for {tuple(own[name].shape)}"
        for name in weights
        if name in own and weights[name].shape != own[name].shape
    ]
    for fault, names in (("unknown", strange), ("missing", missing), ("of another shape", shapes)):
        if names:
            raise EngineError(
                f"these weights are not those of {type(model).__name__}: {len(names)} {fault}, such as {names[0]}; "
                "give the state dict of the same architecture and sizes"
            )
    for name, tensor in weights.items():
        if own[name].data_ptr() != tensor.data_ptr():
            own[name].copy_(tensor)
