"""The folder of a run: its config, its metrics and its results, readable at any moment.

    config.json                the resolved config
    facts.json                 software versions, hashes of data and prompt
    start/ model/              the model before and after RL
    before.json after.json     the two evaluations
    metrics.jsonl              one line per step
    trajectories/              episodes of the evaluations and of some steps
    checkpoints/               where a stopped run resumes
    report.html                the curves

Files are written beside their place and renamed into it, so each is complete or absent. A line of
`metrics.jsonl` that was cut off by a kill is dropped when the folder is opened again. One process
at a time holds the folder.
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
except ImportError:  # Windows has no fcntl; there two runs may open the same folder
    fcntl = None  # type: ignore[assignment]


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is complete or absent, also after a power cut."""
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w", encoding="utf8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(path)
    _sync(path.parent)


def write_directory_atomically(path: Path, fill: Callable[[Path], None]) -> None:
    """Write a directory with `fill`, complete or absent; an old one of that name is replaced."""
    scratch = path.with_name(f".{path.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    fill(scratch)
    for file in scratch.rglob("*"):
        _sync(file)
    _sync(scratch)
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        scratch.rename(path)
        shutil.rmtree(old)
    else:
        scratch.rename(path)
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
    """The folder of a run, created or reopened, and held until `close`.

    Args:
        path: created when it does not exist.
        config: the resolved config; a folder that was begun with another one is refused.

    Raises:
        ConfigError: for a folder of another run, or one that another process holds.
        DataError: for a damaged folder.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        _create(path)
        self._lock = _lock(path)
        try:
            self._check_config(path, config)
        except BaseException:
            self.close()  # otherwise the lock would live as long as the traceback
            raise

    def _check_config(self, path: Path, config: Config) -> None:
        """Write the config, or check that it is the one the folder was begun with."""
        # A run that failed before it made anything may start again with a corrected config.
        self.fresh = not any(
            (path / name).exists() for name in ("start", "before.json", "metrics.jsonl")
        )
        if self.fresh:
            shutil.rmtree(path / "tiny", ignore_errors=True)
            write_atomically(
                path / "config.json", json.dumps(config.model_dump(mode="json"), indent=1) + "\n"
            )
        else:
            # Parse it, so that keys which a newer turnwise added have their defaults.
            was = parse_config(read_json(path / "config.json"), where=str(path / "config.json"))
            _check_same(path, was.model_dump(mode="json"), config.model_dump(mode="json"))

    def close(self) -> None:
        """Release the folder for other processes."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def checkpoints(self) -> Path:
        """The directory of checkpoints."""
        return self.path / "checkpoints"

    def trajectories(self, name: str) -> Path:
        """Return the path of the episodes called `name`."""
        return self.path / "trajectories" / f"{name}.jsonl"

    # Metrics
    # ----------------------------------------------------------------------------------------------

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append the metrics of a step."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf8") as out:
            out.write(json.dumps({"step": step, **metrics}) + "\n")

    def metrics(self) -> list[dict[str, float]]:
        """Return the metrics of all steps so far, without a last line that was cut off."""
        return list(read_metrics(self.path))

    def forget_after(self, step: int) -> None:
        """Drop the metrics of later steps, which will be made again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        if (self.path / "metrics.jsonl").exists():
            write_atomically(
                self.path / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept)
            )


def read_metrics(folder: Path) -> Iterator[dict[str, float]]:
    """Yield the lines of `metrics.jsonl`.

    Raises:
        DataError: for a line that is not JSON, unless it is the last.
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
    """Read a JSON file of a run folder. Raises `DataError` when it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (OSError, json.JSONDecodeError) as problem:
        raise DataError(
            f"{path} cannot be read ({problem}): the run folder is incomplete"
        ) from problem


def _create(path: Path) -> None:
    if (
        path.is_dir()
        and not (path / "config.json").is_file()
        and any(not p.name.startswith(".") for p in path.iterdir())
    ):
        raise ConfigError(
            f"{path} exists and is not a run folder: choose another run.name or run.directory"
        )
    try:
        for name in ("trajectories", "checkpoints"):
            (path / name).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f"cannot make the run folder {path}: {problem.strerror}; choose another run.directory"
        ) from problem


def _lock(path: Path) -> Any:
    handle = (path / ".lock").open("w")
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            handle.close()
            raise ConfigError(
                f"another process is running in {path}: wait for it, or choose another run.name "
                "for this run"
            ) from problem
    return handle


def _check_same(path: Path, was: Any, now: dict[str, Any]) -> None:
    """Raise `ConfigError` where configs differ in anything but the folder and the trackers."""
    for data in (was, now):
        with contextlib.suppress(KeyError, TypeError):
            for key in ("directory", "name", "trackers"):
                data["run"].pop(key, None)
    different = _different(was, now)
    if different:
        differ = "differs" if len(different) == 1 else "differ"
        raise ConfigError(
            f"{path} holds a run with another config ({', '.join(different[:3])} {differ}): choose "
            "another run.name, or delete that folder to start over"
        )


def _different(was: Any, now: Any, at: str = "") -> list[str]:
    """Return the dotted keys whose values differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        names = [*now, *(name for name in was if name not in now)]
        return [
            d
            for name in names
            for d in _different(was.get(name), now.get(name), f"{at}.{name}" if at else str(name))
        ]
    return [] if was == now else [at]
