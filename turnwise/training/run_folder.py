"""The folder of a run: everything that was asked, everything that came out, readable at any moment.

    config.json        the resolved config           metrics.jsonl     a line for each step
    facts.json         versions, data and prompt     trajectories/     episodes of evaluations and of some steps
    start/ model/      the model before and after    checkpoints/      where a killed run goes on
    before.json after.json   the two evaluations     report.html       the curves

Files appear whole or not at all: they are written beside their place and renamed into it. A line of
`metrics.jsonl` that a kill cut in half is dropped when the folder is opened again. One process at a
time holds the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from turnwise.errors import ConfigError, DataError
from turnwise.training.config import Config, parse_config

try:
    import fcntl
except ImportError:  # not on Windows: there nothing keeps two runs apart
    fcntl = None  # type: ignore[assignment]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    beside = path.with_name(f".{path.name}.part")
    with beside.open("w", encoding="utf8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)
    _sync(path.parent)


def write_whole_directory(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a directory beside `path`, then rename it there; a directory of that name is
    replaced.
    """
    beside = path.with_name(f".{path.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    fill(beside)
    for file in beside.rglob("*"):
        _sync(file)
    _sync(beside)
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        beside.rename(path)
        shutil.rmtree(old)
    else:
        beside.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RunFolder:
    """A run's folder, opened or begun.

    Args:
        path: made when it is not there.
        config: what is run; a folder that was begun with another config is refused.

    Raises:
        ConfigError: for a folder of another run, or one that another process holds.
        DataError: for a folder that something else damaged.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        _begin(path)
        self._lock = _hold(path)
        try:
            self._agree(path, config)
        except BaseException:
            self.close()  # a traceback that somebody keeps must not keep the folder
            raise

    def _agree(self, path: Path, config: Config) -> None:
        """Write the config, or check that it is the one the folder was begun with."""
        # A run that failed before it made anything may begin again with its mistake put right.
        self.fresh = not any(
            (path / name).exists() for name in ("tiny", "start", "before.json", "metrics.jsonl")
        )
        if self.fresh:
            write_whole(
                path / "config.json", json.dumps(config.model_dump(mode="json"), indent=1) + "\n"
            )
        else:
            # Read as a config: keys that a newer turnwise added have their defaults.
            was = parse_config(read_json(path / "config.json"), where=str(path / "config.json"))
            _same(path, was.model_dump(mode="json"), config.model_dump(mode="json"))

    def close(self) -> None:
        """Let other processes in."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def trajectories(self, name: str) -> Path:
        """Where the episodes called `name` are written."""
        return self.path / "trajectories" / f"{name}.jsonl"

    # Metrics
    # ------------------------------------------------------------------------------------------------------

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a line for a step."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf8") as out:
            out.write(json.dumps({"step": step, **metrics}) + "\n")

    def metrics(self) -> list[dict[str, float]]:
        """The lines so far; a last line that was cut off is left out."""
        return list(read_metrics(self.path))

    def forget_after(self, step: int) -> None:
        """Drop the lines of later steps, which are about to be made again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        if (self.path / "metrics.jsonl").exists():
            write_whole(
                self.path / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept)
            )


def read_metrics(folder: Path) -> Iterator[dict[str, float]]:
    """The lines of `metrics.jsonl`. Raises `DataError` for one that is not JSON, unless it is the
    last.
    """
    path = folder / "metrics.jsonl"
    lines = path.read_text(encoding="utf8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as problem:
            if number < len(lines):
                raise DataError(
                    f"{path} line {number} is not JSON: the file was edited; delete that line"
                ) from problem


def read_json(path: Path) -> Any:
    """A JSON file of a run folder. Raises `DataError` when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (OSError, json.JSONDecodeError) as problem:
        raise DataError(
            f"{path} cannot be read ({problem}): this is not a whole run folder"
        ) from problem


def _begin(path: Path) -> None:
    if (
        path.is_dir()
        and not (path / "config.json").is_file()
        and any(not p.name.startswith(".") for p in path.iterdir())
    ):
        raise ConfigError(
            f"{path} is there and is no run folder: choose another run.name or run.directory"
        )
    try:
        for name in ("trajectories", "checkpoints"):
            (path / name).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f"cannot make the run folder {path}: {problem.strerror}; choose another run.directory"
        ) from problem


def _hold(path: Path) -> Any:
    handle = (path / ".lock").open("w")
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            handle.close()
            raise ConfigError(
                f"another process is working in {path}: wait for it, or choose another run.name for this run"
            ) from problem
    return handle


def _same(path: Path, was: Any, now: dict[str, Any]) -> None:
    """A run goes on only as it began; where it lies and who tracks it may change."""
    for data in (was, now):
        with contextlib.suppress(KeyError, TypeError):
            for key in ("directory", "name", "trackers"):
                data["run"].pop(key, None)
    different = _different(was, now)
    if different:
        raise ConfigError(
            f"{path} holds a run with another config ({', '.join(different[:3])} differ{'s' if len(different) == 1 else ''}): "
            "choose another run.name, or delete that folder to begin anew"
        )


def _different(was: Any, now: Any, at: str = "") -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        names = [*now, *(name for name in was if name not in now)]
        return [
            d
            for name in names
            for d in _different(was.get(name), now.get(name), f"{at}.{name}" if at else str(name))
        ]
    return [] if was == now else [at]
