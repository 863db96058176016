"""Repositories that are ready to be worked in: on disk, in a sandbox that nobody has touched, to be
copied for every episode.

Making one takes the tree to a directory, lays it under a new sandbox and commits it with git,
*inside*: git is never run on the host, where the configuration of a repository could be a program.
There is one commit, of always the same time and author, so neither a history nor its hashes tell
anything. The copy an episode works in costs milliseconds; the original has no process in it, so
nothing in the copy can find its files. Episodes that are played at the same time never share one.
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
"""Seconds for what is ours and not the agent's, on whatever busy machine."""
GIT_USER, COMMIT_TIME = "agent", "2000-01-01T00:00:00+0000"
ENVIRONMENT = {
    "HOME": "/tmp",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "TERM": "dumb",
    "COLUMNS": "100",
    "BASH_ENV": RC,
    "PYTHONHASHSEED": "0",
    "PYTEST_ADDOPTS": "-p no:cacheprovider -o "
    "addopts=",  # options of the repository may want plugins that are not here
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
    """A tree that agents begin with."""

    tree: Mapping[str, bytes] = field(repr=False, compare=False)
    roots: tuple[str, ...] = ("",)
    """Directories for `sys.path`."""
    requires: tuple[str, ...] = ()
    """Distributions that its Python has."""
    key: str = ""
    """Digest of the tree and of what is required: equal ones may be exchanged."""

    @classmethod
    def of(
        cls,
        tree: Mapping[str, bytes],
        roots: tuple[str, ...] = ("",),
        requires: tuple[str, ...] = (),
    ) -> StartingTree:
        return cls(
            tree, roots, requires, tree_digest(tree) + "".join(f" {one}" for one in requires)
        )


class SandboxPool:
    """Untouched sandboxes by repository, shared by environments that are spawned from one another.

    Args:
        open_sandbox: opens a sandbox to a `Spec`.
        limits: of a sandbox.
        keep: how many repositories stay on disk, and how many sandboxes wait, when nobody is using
            them.
    """

    def __init__(self, open_sandbox: SandboxOpener, limits: Limits, keep: int = 16) -> None:
        self._open, self._limits, self._keep = open_sandbox, limits, keep
        self._waiting: list[tuple[str, Sandbox]] = []
        self._folders: OrderedDict[str, Path] = OrderedDict()
        self._used: dict[str, int] = {}
        self._lock = threading.RLock()  # a finalizer may put one back while this thread takes one
        weakref.finalize(self, _clear, os.getpid(), self._waiting, self._folders)

    def lease(self, repo: StartingTree) -> None:
        """Its directory must stay while somebody works over it."""
        with self._lock:
            self._used[repo.key] = self._used.get(repo.key, 0) + 1

    def release(self, repo: StartingTree) -> None:
        """The reverse of `lease`."""
        with self._lock:
            self._used[repo.key] -= 1
            if not self._used[repo.key]:
                del self._used[repo.key]
            self._tidy()

    def take(self, repo: StartingTree) -> tuple[Sandbox, ...]:
        """A sandbox to work in, and where it can be copied the one it is a copy of."""
        with self._lock:
            place = next((k for k, (key, _) in enumerate(self._waiting) if key == repo.key), None)
            origin = self._waiting.pop(place)[1] if place is not None else None
        if origin is not None:
            try:
                return origin.fork(), origin
            except (
                SandboxError
            ):  # an earlier episode lived beside it and may have harmed it: make another
                origin.close()
        made = self._made(repo)
        if not made.capabilities.fork:
            return (made,)
        try:
            return made.fork(), made
        except BaseException:
            made.close()
            raise

    def put_back(self, repo: StartingTree, origin: Sandbox) -> None:
        """Let others take it; the one that has waited longest is closed where there are too many."""
        with self._lock:
            self._waiting.append((repo.key, origin))
            surplus = self._waiting.pop(0)[1] if len(self._waiting) > self._keep else None
        if surplus is not None:
            surplus.close()

    def _made(self, repo: StartingTree) -> Sandbox:
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
        """The directory with its tree, written where there is none."""
        with self._lock:
            found = self._folders.get(repo.key)
            if found is None:
                found = self._folders[repo.key] = Path(tempfile.mkdtemp(prefix="turnwise-swe-"))
                _write(found, repo.tree)
            self._folders.move_to_end(repo.key)
            return str(found)

    def _tidy(self) -> None:
        """Remove the directories used longest ago; a sandbox that waits over one goes with it."""
        for key in list(self._folders):
            if len(self._folders) <= self._keep:
                return
            if key not in self._used:
                for entry in [entry for entry in self._waiting if entry[0] == key]:
                    self._waiting.remove(entry)
                    entry[1].close()
                shutil.rmtree(self._folders.pop(key), ignore_errors=True)


def opener(backend: str | SandboxOpener) -> SandboxOpener:
    """A function that opens sandboxes of a backend; of one that can hide what is installed here,
    where it is named `auto`.
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
    """At the end: every sandbox and every directory, but not from a process that was forked from
    their owner.
    """
    if os.getpid() != owner:
        return
    while waiting:
        with contextlib.suppress(SandboxError):
            waiting.pop()[1].close()
    while folders:
        shutil.rmtree(folders.popitem()[1], ignore_errors=True)
