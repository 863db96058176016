"""Trackers receive the metrics of every step: TensorBoard, Weights & Biases, trackio, your own."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from turnwise.errors import ConfigError, unknown
from turnwise.plugins import Registry, call_factory, parameters_of

_MODULE = "turnwise.training.tracking"
TRACKERS = Registry(
    "tracker",
    "turnwise.trackers",
    {
        "tensorboard": f"{_MODULE}:TensorBoardTracker",
        "wandb": f"{_MODULE}:WandbTracker",
        "trackio": f"{_MODULE}:TrackioTracker",
    },
)
"""Each is a factory `make(folder, config, start) -> Tracker`; see `Tracker`."""


class Tracker(Protocol):
    """Receives the metrics of every step.

    A tracker of your own is a class with these two methods, made from the run folder, the config as
    a dictionary, and the last step of an earlier process of the same run (0 for a new run; later
    steps that were logged already come again). Name it in a config as
    `trackers = ["my_package:CsvTracker"]`, or call `register_tracker`:

        class CsvTracker:
            def __init__(self, folder: Path, config: Mapping[str, Any], start: int) -> None:
                self.file = (folder / "success.csv").open("a")

            def log(self, step: int, metrics: Mapping[str, float]) -> None:
                self.file.write(f"{step},{metrics['success']}\\n")

            def close(self) -> None:
                self.file.close()

    An attribute `package` of the factory names a package that must be installed; this is checked
    before the run begins.
    """

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take the metrics of a step, counted from 1."""
        ...

    def close(self) -> None:
        """Write what is left. Called once, also when the run fails."""
        ...


class TrackerFactory(Protocol):
    """Makes a tracker for a run."""

    def __call__(self, folder: Path, config: Mapping[str, Any], start: int) -> Tracker: ...


class TensorBoardTracker:
    """Writes event files to `folder/tensorboard` and hides steps after `start` of earlier ones."""

    package = "tensorboard"

    def __init__(self, folder: Path, config: Mapping[str, Any], start: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class HostedTracker:
    """Base of Weights & Biases and trackio, which share an interface."""

    package: ClassVar[str]

    def __init__(self, folder: Path, config: Mapping[str, Any], start: int) -> None:
        self._module: Any = importlib.import_module(self.package)
        self._module.init(
            project="turnwise", name=folder.name, config=dict(config), resume="allow",
            **self._extra(folder),
        )  # fmt: skip

    def _extra(self, folder: Path) -> dict[str, str]:
        """Return arguments of `init` that the other package does not take."""
        return {}

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._module.log(dict(metrics), step=step)

    def close(self) -> None:
        self._module.finish()


class WandbTracker(HostedTracker):
    """Weights & Biases."""

    package = "wandb"

    def _extra(self, folder: Path) -> dict[str, str]:
        return {"dir": str(folder), "id": folder.name}


class TrackioTracker(HostedTracker):
    """Trackio, which keeps its data on this machine."""

    package = "trackio"


def register_tracker(name: str, factory: TrackerFactory | str) -> None:
    """Register a tracker, or its import path. Raises `ConfigError` when the name is taken."""
    TRACKERS.register(name, factory)


def check_tracker_names(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a name that is neither known nor an import path."""
    known = TRACKERS.names()
    for name in names:
        if name not in known and ":" not in name:
            raise unknown("tracker", name, known, "run.trackers")


def check_trackers(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a tracker that is unknown or whose package is not installed."""
    check_tracker_names(names)
    for name in names:
        factory = TRACKERS.find(name)
        parameters_of(factory, f"tracker {name!r}")
        if inspect.isclass(factory):
            _check_members(name, factory)
        package = getattr(factory, "package", None)
        if package is not None and not _installed(package):
            raise ConfigError(
                f"run.trackers names {name!r}, which is not installed: pip install {package}"
            )


def open_trackers(
    names: Sequence[str], folder: Path, config: Mapping[str, Any], start: int
) -> list[Tracker]:
    """Open TensorBoard where it is installed, and the trackers in `names`.

    Args:
        start: steps that are done; 0 for a new run.

    Raises:
        ConfigError: for a tracker that is unknown or not installed.
    """
    check_trackers(names)
    opened = list(names)
    if importlib.util.find_spec("tensorboard") is not None and "tensorboard" not in opened:
        opened = ["tensorboard", *opened]
    trackers = []
    for name in opened:
        made = call_factory(TRACKERS.find(name), f"tracker {name!r}", folder, config, start)
        _check_members(name, made)
        trackers.append(cast(Tracker, made))
    return trackers


def _check_members(name: str, tracker: Any) -> None:
    lacking = [member for member in ("log", "close") if not hasattr(tracker, member)]
    if lacking:
        raise ConfigError(
            f"tracker {name!r} lacks {' and '.join(lacking)}: see "
            "turnwise.training.tracking.Tracker"
        )


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the package around it
        return False
