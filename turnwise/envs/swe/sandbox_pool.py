"""Pool of sandboxes that hold an untouched repository, copied for every episode.

To prepare one, the tree is written to a directory, mounted under a new sandbox, and committed with
git *inside* it. Git never runs on the host, where a repository's configuration could execute a
program. There is a single commit with a fixed time and author, so neither history nor hashes reveal
anything.

A copy for an episode takes milliseconds. The original runs no process, so nothing in the copy can
find its files. Concurrent episodes never share a sandbox.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.tasks.task import tree_digest
from turnwise.sandbox.contract import Limits, Sandbox, SandboxError, Spec

SandboxOpener: TypeAlias = Callable[[Spec], Sandbox]
RC = "/opt/turnwise/shellrc"
SETUP_SECONDS = 60.0
"""Time limit of setup steps, generous enough for a busy machine."""
GIT_USER, COMMIT_TIME = "agent", "2000-01-01T00:00:00+0000"
ENVIRONMENT = {
    "HOME": "/tmp",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "TERM": "dumb",
    "COLUMNS": "100",
    "BASH_ENV": RC,
    "PYTHONHASHSEED": "0",
    # The repository's own addopts may name plugins that are not installed.
    "PYTEST_ADDOPTS": "-p no:cacheprovider -o addopts=",
    **{
        f"GIT_{who}_{what}": GIT_USER
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
    **{f"GIT_{who}_DATE": COMMIT_TIME for who in ("AUTHOR", "COMMITTER")},
}
GIT = """
command -v git >/dev/null || exit 0
git init -q --template= -b main . && git add -A -f && git commit -q -m 'Initial commit' || exit 1
git repack -a -d -q && git prune-packed -q
"""


@dataclass(frozen=True)
class StartingTree:
    """The tree that an episode starts with."""

    tree: Mapping[str, bytes] = field(repr=False, compare=False)
    roots: tuple[str, ...] = ("",)
    """Directories for `sys.path`."""
    requires: tuple[str, ...] = ()
    """Pinned distributions available to its Python."""
    key: str = ""
    """Digest of the tree and the requirements; equal keys are interchangeable."""

    @classmethod
    def of(
        cls,
        tree: Mapping[str, bytes],
        roots: tuple[str, ...] = ("",),
        requires: tuple[str, ...] = (),
    ) -> StartingTree:
        """Build a starting tree with its key."""
        return cls(
            tree, roots, requires, tree_digest(tree) + "".join(f" {one}" for one in requires)
        )


class SandboxPool:
    """Untouched sandboxes by repository, shared by environments spawned from one another.

    Args:
        open_sandbox: opens a sandbox from a `Spec`.
        limits: limits of each sandbox.
        keep: unused repositories kept on disk, and idle sandboxes kept open.
    """

    def __init__(self, open_sandbox: SandboxOpener, limits: Limits, keep: int = 16) -> None:
        self._open, self._limits, self._keep = open_sandbox, limits, keep
        self._waiting: list[tuple[str, Sandbox]] = []
        self._folders: OrderedDict[str, Path] = OrderedDict()
        self._used: dict[str, int] = {}
        self._lock = threading.RLock()  # a finalizer may call put_back while this thread is in take
        weakref.finalize(self, _clear, os.getpid(), self._waiting, self._folders)

    def lease(self, repo: StartingTree) -> None:
        """Keep a repository's directory on disk until it is released."""
        with self._lock:
            self._used[repo.key] = self._used.get(repo.key, 0) + 1

    def release(self, repo: StartingTree) -> None:
        """Undo one `lease`."""
        with self._lock:
            self._used[repo.key] -= 1
            if not self._used[repo.key]:
                del self._used[repo.key]
            self._tidy()

    def take(self, repo: StartingTree) -> tuple[Sandbox, ...]:
        """Return a sandbox to work in.

        If the backend can fork, the one it was copied from follows.
        """
        with self._lock:
            place = next((k for k, (key, _) in enumerate(self._waiting) if key == repo.key), None)
            origin = self._waiting.pop(place)[1] if place is not None else None
        if origin is not None:
            try:
                return origin.fork(), origin
            except SandboxError:
                # An earlier episode may have damaged it: open another.
                origin.close()
        origin = self._prepare(repo)
        if not origin.capabilities.fork:
            return (origin,)
        try:
            return origin.fork(), origin
        except BaseException:
            origin.close()
            raise

    def put_back(self, repo: StartingTree, origin: Sandbox) -> None:
        """Make an original available again.

        Close the one idle for longest if there are too many.
        """
        with self._lock:
            self._waiting.append((repo.key, origin))
            surplus = self._waiting.pop(0)[1] if len(self._waiting) > self._keep else None
        if surplus is not None:
            surplus.close()

    def _prepare(self, repo: StartingTree) -> Sandbox:
        """Open a sandbox over a repository and commit its files."""
        roots = ":".join(f"/work/{root}".rstrip("/") for root in repo.roots)
        spec = python.spec(self._folder(repo), self._limits, repo.requires)
        binds = {**spec.readonly, RC: str(Path(__file__).parent / "shellrc")}
        options = (
            f"{ENVIRONMENT['PYTEST_ADDOPTS']} {spec.environment.get('PYTEST_ADDOPTS', '')}".strip()
        )
        known = {
            **spec.environment,
            **ENVIRONMENT,
            "PYTEST_ADDOPTS": options,
            "TURNWISE_ROOTS": roots,
        }
        sandbox = self._open(replace(spec, readonly=binds, environment=known))
        try:
            result = sandbox.run(GIT, SETUP_SECONDS)
            if result.error != "none" or result.exit_code:
                raise SandboxError(
                    f"git could not begin the repository ({result.error}: "
                    f"{result.stdout.strip()[-300:]})"
                )
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def _folder(self, repo: StartingTree) -> str:
        """Return the directory with a repository's tree, writing it if needed."""
        with self._lock:
            found = self._folders.get(repo.key)
            if found is None:
                found = self._folders[repo.key] = Path(tempfile.mkdtemp(prefix="turnwise-swe-"))
                _write(found, repo.tree)
            self._folders.move_to_end(repo.key)
            return str(found)

    def _tidy(self) -> None:
        """Remove the least recently used directories and the idle sandboxes over them."""
        for key in list(self._folders):
            if len(self._folders) <= self._keep:
                return
            if key not in self._used:
                for entry in [entry for entry in self._waiting if entry[0] == key]:
                    self._waiting.remove(entry)
                    entry[1].close()
                shutil.rmtree(self._folders.pop(key), ignore_errors=True)


def opener(backend: str | SandboxOpener) -> SandboxOpener:
    """Return a function that opens sandboxes of a backend.

    `auto` picks one that can hide installed packages.
    """
    return partial(_opened, backend) if isinstance(backend, str) else backend


def _opened(backend: str, spec: Spec) -> Sandbox:
    from turnwise.sandbox import open_sandbox

    if backend == "auto":
        from turnwise.sandbox.probe import choose

        backend = choose(spec, allow_unsafe=False)
    if backend not in python.BACKENDS:
        raise SandboxError(
            f"the {backend} backend shows what is installed here, which may be the answer to a "
            "task: use one of " + ", ".join(python.BACKENDS)
        )
    return open_sandbox(spec, backend)


def _write(folder: Path, tree: Mapping[str, bytes]) -> None:
    folder.chmod(0o755)
    for path, data in tree.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _clear(owner: int, waiting: list[tuple[str, Sandbox]], folders: OrderedDict[str, Path]) -> None:
    """Close every sandbox and remove every directory.

    A forked process that does not own them leaves them alone.
    """
    if os.getpid() != owner:
        return
    while waiting:
        with contextlib.suppress(SandboxError):
            waiting.pop()[1].close()
    while folders:
        shutil.rmtree(folders.popitem()[1], ignore_errors=True)
