"""Training: the loop, the learner, SFT warm start, checkpoints, run folders.

`train(config)` is imported on first use, so importing the package does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnwise.training.config import Config, load_config

if TYPE_CHECKING:
    from turnwise.training.loop import train

__all__ = ["Config", "load_config", "train"]


def __getattr__(name: str) -> Any:
    if name == "train":
        from turnwise.training.loop import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
