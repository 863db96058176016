"""Maker processes: started when games are missing, at most as many as there are processors, gone
after half a minute idle.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from turnwise.envs.textworld import cache
from turnwise.envs.textworld.games import GameSpec
from turnwise.envs.textworld.maker import request
from turnwise.envs.textworld.package import textworld, versions
from turnwise.errors import DataError

IDLE_SECONDS = 30.0
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[3])


class Maker:
    """One maker process."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, [_PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "turnwise.envs.textworld.maker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf8",
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, start_new_session=True,
            # TextWorld would take rules and words from a directory textworld_data where it runs
            cwd=Path(__file__).parent,
        )  # fmt: skip

    def make(self, spec: GameSpec, root: Path) -> Path:
        """Have a game made. Raises `DataError` where it cannot be."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(request(spec, root) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise DataError(
                f"the process that makes TextWorld games ended (exit status {self.process.wait()}) at {spec.task()}: try again"
            )
        found = json.loads(line)
        if "error" in found:
            raise DataError(found["error"])
        return Path(found["home"])

    def stop(self) -> None:
        """End the process: it leaves when its input ends, and is killed where it is at work."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):  # a request that nobody read
            self.process.stdin.close()
        self.process.stdout.close()


class Workshop:
    """The makers of this process. A maker works on one game at a time; who finds none free waits."""

    def __init__(self, limit: int) -> None:
        self._free = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._idle: list[Maker] = []
        self._busy: set[Maker] = set()
        self._timer: threading.Timer | None = None

    def make(self, spec: GameSpec, root: Path) -> Path:
        """The directory of a game, made now unless it is there."""
        root = root.absolute()
        home = cache.place(root, spec, versions())
        if cache.present(home):
            return home
        textworld()  # says in a sentence where it is absent
        with self._free:
            if cache.present(home):
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
        """End the processes that are at work too; what they were making is not made."""
        with self._lock:
            busy = list(self._busy)
        for maker in busy:
            maker.process.kill()
        self.close()

    def close(self) -> None:
        """End the processes that are idle."""
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
            self._timer = threading.Timer(IDLE_SECONDS, self.close)
            self._timer.daemon = True
            self._timer.start()


_workshop: tuple[int, Workshop] | None = None
_workshop_lock = threading.Lock()


def workshop() -> Workshop:
    """The one of this process; a forked child has its own."""
    global _workshop
    with _workshop_lock:
        if _workshop is None or _workshop[0] != os.getpid():
            _workshop = (os.getpid(), Workshop(max(1, os.cpu_count() or 1)))
            atexit.register(_workshop[1].close)
        return _workshop[1]


def make_all(
    specs: Sequence[GameSpec], root: Path, on_made: Callable[[], None] = lambda: None
) -> list[Path]:
    """The directories of many games, those that are missing made in parallel. After Ctrl-C the
    games made so far are kept.
    """
    shop = workshop()
    stop = threading.Event()

    def one(spec: GameSpec) -> Path | None:
        if stop.is_set():
            return None
        home = shop.make(spec, root)
        on_made()
        return home

    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(one, spec) for spec in specs]
        try:
            found = [future.result() for future in waiting]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            shop.abandon()
            raise
    return [home for home in found if home is not None]
