"""Curves for other programs: TensorBoard whenever it is installed, Weights & Biases and trackio
when asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from turnwise.errors import ConfigError


class Tracker(Protocol):
    """Takes the metrics of each step."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class TensorBoard:
    """Event files in `folder/tensorboard`. Steps after `start` that an earlier process wrote are
    hidden.
    """

    def __init__(self, folder: Path, start: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class Hosted:
    """Weights & Biases, or trackio, which has the same interface. A run that goes on keeps its
    identity.
    """

    def __init__(self, module: Any, folder: Path, config: Mapping[str, Any]) -> None:
        self._module = module
        extra = {"dir": str(folder), "id": folder.name} if module.__name__ == "wandb" else {}
        module.init(
            project="turnwise", name=folder.name, config=dict(config), resume="allow", **extra
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._module.log(dict(metrics), step=step)

    def close(self) -> None:
        self._module.finish()


def check_installed(names: Sequence[str]) -> None:
    """Raises `ConfigError` for a tracker that is not installed; to be asked before anything was
    computed.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"run.trackers names {name!r}, which is not installed: pip install {name}"
            )


def trackers(
    names: Sequence[str], folder: Path, config: Mapping[str, Any], start: int
) -> list[Tracker]:
    """Those that are there and those that were asked for. Raises `ConfigError` for one that is not
    installed.
    """
    check_installed(names)
    made: list[Tracker] = []
    if importlib.util.find_spec("tensorboard") is not None:
        made.append(TensorBoard(folder, start))
    for name in names:
        made.append(Hosted(importlib.import_module(name), folder, config))
    return made
