"""Trackers receive every step; a missing one is an error before the run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from rich.console import Console

from tests.training.made_training import small_config
from turnwise.errors import ConfigError
from turnwise.training import tracking
from turnwise.training.console import RunConsole
from turnwise.training.loop import train
from turnwise.training.tracking import TensorBoardTracker, open_trackers


def test_tensorboard_writes_what_can_be_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoardTracker(tmp_path, {}, 0)
    for step in (1, 2, 3):
        first.log(step, {"success": step / 10})
    first.close()
    # TensorBoard reads its files in the order of their names: the second they were opened in, then
    # a counter of the process as text, in which 10 stands before 9. A resumed run opens its later.
    opened = int(time.time())
    while int(time.time()) == opened:
        time.sleep(0.05)
    second = TensorBoardTracker(tmp_path, {}, 2)  # went on after step 2: step 3 is made again
    second.log(3, {"success": 0.9})
    second.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, round(e.value, 3)) for e in events.Scalars("success")] == [
        (1, 0.1),
        (2, 0.2),
        (3, 0.9),
    ]


def test_a_hosted_tracker_is_only_used_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, Any]] = []
    module = ModuleType("wandb")
    for name in ("init", "log", "finish"):
        setattr(
            module, name, lambda *args, _name=name, **kwargs: calls.append((_name, args or kwargs))
        )
    monkeypatch.setitem(sys.modules, "wandb", module)
    found = tracking.importlib.util.find_spec
    monkeypatch.setattr(
        tracking.importlib.util,
        "find_spec",
        lambda name: (
            object() if name == "wandb" else None if name == "tensorboard" else found(name)
        ),
    )
    assert open_trackers([], tmp_path, {}, 0) == []
    (one,) = open_trackers(["wandb"], tmp_path, {"a": 1}, 0)
    one.log(4, {"success": 0.5})
    one.close()
    assert [name for name, _ in calls] == ["init", "log", "finish"]
    assert calls[0][1]["id"] == tmp_path.name and calls[1][1] == ({"success": 0.5},)


def test_a_tracker_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pip install trackio"):
        open_trackers(["trackio"], tmp_path, {}, 0)


def test_a_missing_tracker_leaves_no_event_files(tmp_path: Path) -> None:
    """The check comes first, so that a mistake costs neither a file nor an SFT warm start."""
    with pytest.raises(ConfigError, match="trackio"):
        open_trackers(["trackio"], tmp_path, {}, 0)
    assert not list(tmp_path.iterdir())


def test_a_missing_tracker_is_an_error_before_a_model_is_made(tmp_path: Path) -> None:
    config = small_config(tmp_path, run={"trackers": ["trackio"]})
    with pytest.raises(ConfigError, match="pip install trackio"):
        train(config, RunConsole(Console(quiet=True)))
    assert (
        not (tmp_path / "small" / "tiny").exists()
        and not (tmp_path / "small" / "facts.json").exists()
    )
    assert (tmp_path / "small" / "config.json").is_file()


def test_trackio_gets_no_arguments_that_only_wandb_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    module = ModuleType("trackio")
    module.init = lambda **settings: calls.append(settings)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackio", module)
    tracking.TrackioTracker(tmp_path / "run7", {"a": {"b": 1}}, 0)
    assert calls == [
        {"project": "turnwise", "name": "run7", "config": {"a": {"b": 1}}, "resume": "allow"}
    ]


class Recorder:
    """A tracker of somebody else's, as the docstring of `Tracker` shows it."""

    made: ClassVar[list[Recorder]] = []

    def __init__(self, folder: Path, config: Mapping[str, Any], start: int) -> None:
        self.folder, self.config, self.start = folder, config, start
        self.steps: list[int] = []
        self.closed = 0
        self.made.append(self)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        assert 0 <= metrics["success"] <= 1
        self.steps.append(step)

    def close(self) -> None:
        self.closed += 1


def test_a_tracker_of_one_s_own_is_found_by_path_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorder, "made", [])
    monkeypatch.setitem(tracking.TRACKERS.registered, "recorder", Recorder)
    tracking.register_tracker("recorder", Recorder)
    config = small_config(
        tmp_path,
        run={"trackers": ["tests.training.test_tracking:Recorder", "recorder"]},
        warm_start={"episodes": 0}, train={"steps": 2}, eval={"tasks": 1},
    )  # fmt: skip
    folder = train(config, RunConsole(Console(quiet=True)))
    assert len(Recorder.made) == 2
    for one in Recorder.made:
        assert (one.folder, one.start, one.steps, one.closed) == (folder, 0, [1, 2], 1)
        assert one.config["run"]["name"] == "small"


def test_an_unknown_tracker_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tracker 'wand'.*run\.trackers.*did you mean 'wandb'"):
        open_trackers(["wand"], tmp_path, {}, 0)
    with pytest.raises(ConfigError, match="registered already"):
        tracking.register_tracker("wandb", Recorder)
