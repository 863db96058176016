"""Making missing games, in maker processes.

Makers start when games are missing, at most as many as there are processors, and end after half a
minute idle.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from turnwise.envs.textworld import cache
from turnwise.envs.textworld.games import GameSpec
from turnwise.envs.textworld.maker import request
from turnwise.envs.textworld.package import textworld, versions
from turnwise.errors import DataError

MAKER_IDLE_S = 30.0
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[3])


class Maker:
    """One maker process."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, [_PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "turnwise.envs.textworld.maker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="utf8", start_new_session=True,
            env={
                **os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path, "OMP_NUM_THREADS": "1",
            },
            # TextWorld would read rules and words from a folder textworld_data in the working
            # directory of the user.
            cwd=Path(__file__).parent,
        )  # fmt: skip

    def make(self, spec: GameSpec, root: Path) -> Path:
        """Make a game and return its directory. Raises `DataError` if that fails."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(request(spec, root) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise DataError(
                f"the process that makes TextWorld games ended (exit status "
                f"{self.process.wait()}) at {spec.task()}: try again"
            )
        found = json.loads(line)
        if "error" in found:
            raise DataError(found["error"])
        return Path(found["home"])

    def stop(self) -> None:
        """Kill the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):  # a request was still in the pipe
            self.process.stdin.close()
        self.process.stdout.close()


class MakerPool:
    """The makers of this process. Each makes one game at a time; `make` waits for a free one."""

    def __init__(self, limit: int) -> None:
        self._free = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._idle: list[Maker] = []
        self._busy: set[Maker] = set()
        self._timer: threading.Timer | None = None

    def make(self, spec: GameSpec, root: Path) -> Path:
        """Return the directory of a game, making it if it is missing."""
        root = root.absolute()
        home = cache.game_directory(root, spec, versions())
        if cache.is_cached(home):
            return home
        textworld()  # raises if the package is not installed
        with self._free:
            if cache.is_cached(home):
                return home
            maker = self._take()
            try:
                found = maker.make(spec, root)
            except BaseException:
                with self._lock:
                    self._busy.discard(maker)
                maker.stop()
                raise
            self._give_back(maker)
            return found

    def abandon(self) -> None:
        """End all processes, and with them the games they are making."""
        with self._lock:
            busy = list(self._busy)
        for maker in busy:
            maker.process.kill()
        self.close()

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            idle, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for maker in idle:
            maker.stop()

    def _take(self) -> Maker:
        with self._lock:
            maker = self._idle.pop() if self._idle else Maker()
            self._busy.add(maker)
            return maker

    def _give_back(self, maker: Maker) -> None:
        with self._lock:
            self._busy.discard(maker)
            self._idle.append(maker)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(MAKER_IDLE_S, self.close)
            self._timer.daemon = True
            self._timer.start()


_pool: tuple[int, MakerPool] | None = None
_pool_lock = threading.Lock()


def maker_pool() -> MakerPool:
    """Return the pool of this process; a forked child has its own."""
    global _pool
    with _pool_lock:
        if _pool is None or _pool[0] != os.getpid():
            _pool = (os.getpid(), MakerPool(max(1, os.cpu_count() or 1)))
            atexit.register(_pool[1].close)
        return _pool[1]


def make_all(
    specs: Sequence[GameSpec], root: Path, on_made: Callable[[], None] = lambda: None
) -> list[Path]:
    """Return the directories of many games, making the missing ones in parallel.

    Ctrl-C leaves the games made so far in the cache.
    """
    makers = maker_pool()
    stop = threading.Event()

    def make(spec: GameSpec) -> Path | None:
        if stop.is_set():
            return None
        home = makers.make(spec, root)
        on_made()
        return home

    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(make, spec) for spec in specs]
        try:
            found = [future.result() for future in waiting]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            makers.abandon()
            raise
    return [home for home in found if home is not None]


# Games that an environment needs
# -------------------------------

_announced = threading.Event()


def game_of(spec: GameSpec, root: Path) -> Path:
    """Return the directory of a game, making it if it is missing.

    The first time in a process, a line on stderr announces it.

    Raises:
        ConfigError: if the textworld package is not installed.
        DataError: for settings of which no game can be made, or a cache that cannot be written.
    """
    textworld()
    home = cache.game_directory(root, spec, versions())
    if cache.is_cached(home):
        return home
    if not _announced.is_set():
        _announced.set()
        print(
            "textworld: making games as they are asked for, a second or two each; "
            f"they are kept in {root}",
            file=sys.stderr,
        )
    return maker_pool().make(spec, root)


def prepare(specs: Sequence[GameSpec], root: Path) -> int:
    """Make the missing ones of many games in parallel, with a progress bar; return their number.

    Raises:
        ConfigError, DataError: as `game_of`.
    """
    missing = [
        spec for spec in specs if not cache.is_cached(cache.game_directory(root, spec, versions()))
    ]
    if missing:
        textworld()
        try:
            label = f"making {len(missing)} {missing[0].settings.preset} games"
            with _progress_bar(len(missing), label) as advance:
                make_all(missing, root, advance)
        finally:
            maker_pool().close()
    return len(missing)


@contextmanager
def _progress_bar(total: int, label: str) -> Iterator[Callable[[], None]]:
    """Show a progress bar, if stderr is a terminal; yield the function that advances it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
