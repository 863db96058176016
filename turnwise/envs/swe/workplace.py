"""Workplace of an episode: a sandbox with the broken repository and a shell.

The shell is persistent; both are opened on first use.

An episode is defined by its effects: the commands it ran and the files it wrote. The sandbox only
caches them. Every call therefore passes the effects that came before. If the live sandbox has seen
others (after restoring a snapshot) or none (after unpickling), a new one replays them first.

A fork copies the sandbox's files and restores the shell's state in a new shell: working directory,
variables, functions, aliases, options, traps. If the shell cannot report its state (it has closed
its own output), the effects are replayed. A copy has no background processes and no open
descriptors.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from turnwise.envs.swe.grading import collect
from turnwise.envs.swe.sandbox_pool import SETUP_SECONDS, SandboxPool, StartingTree
from turnwise.sandbox.contract import Result, Sandbox, SandboxError, Shell

MAX_COMMAND_CHARS = 200_000
"""Length limit of a command."""
MAX_READ_BYTES = 5_000_000
"""Size limit of a file that is read for the agent."""
_DUMP = r"""
while IFS= read -r TURNWISE_NAME; do
    case $TURNWISE_NAME in  # bash's own: setting a read-only one would end the restore
        BASH*|EUID|PPID|SHELLOPTS|UID|FUNCNAME|GROUPS|DIRSTACK|PIPESTATUS) ;;
        *RANDOM|*SECONDS|EPOCH*|LINENO|HISTCMD|TURNWISE_*|_) ;;
        *) declare -p "$TURNWISE_NAME" ;;
    esac
done < <(compgen -v)
unset TURNWISE_NAME
declare -f; export -f -p; alias -p; trap -p; umask -p; shopt -p; set +o
printf 'cd -- %q\n' "$PWD"; declare -p OLDPWD 2>/dev/null; printf TURNWISE_END
"""
_RESTORE = "{{ {state}\n}} >/dev/null 2>&1; unset TURNWISE_COMMAND"


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A command the shell ran."""

    text: str


@dataclass(frozen=True, slots=True)
class FileWritten:
    """A file written without the shell."""

    path: str
    data: bytes


Effect: TypeAlias = CommandRun | FileWritten
Effects: TypeAlias = tuple[Effect, ...]


class SandboxLost(Exception):
    """The agent brought its own sandbox down by exceeding a limit."""


class Workplace:
    """The sandbox of one episode (see the module docstring).

    Args:
        pool: where sandboxes come from.
        seconds: wall-clock limit of one command.

    Every method raises `SandboxError` if the sandbox itself failed; nothing is then known about the
    agent's work.
    """

    def __init__(self, pool: SandboxPool, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds
        self._repo: StartingTree | None = None
        self._held: list[Sandbox] = []  # the sandbox, and the one it was copied from
        self._lease: list[StartingTree] = []
        self._shell: Shell | None = None
        self._had: Effects = ()
        # The arguments must not reference the workplace itself.
        self._finalizer = weakref.finalize(self, _give_up, self._held, self._lease, pool)

    def begin(self, repo: StartingTree) -> None:
        """Use this repository from now on; close the sandbox of another one."""
        if self._repo is None or self._repo != repo:
            self.close()
            self._repo = repo

    # Actions of the agent

    def run(self, before: Effects, command: str) -> Result:
        """Run a command in the shell after the effects `before`.

        Raises `SandboxLost` if it brings the sandbox down.
        """
        sandbox = self._prepared(before)
        result = self._command(sandbox, command)
        self._had = (*before, CommandRun(command))
        return result

    def write(self, before: Effects, path: str, data: bytes) -> None:
        """Write a file after the effects `before`.

        Raises `ValueError` with the sandbox's reason if it refuses.
        """
        sandbox = self._prepared(before)
        try:
            sandbox.write(path, data)
        except SandboxError as problem:
            self._must_stand(sandbox, problem)
            raise ValueError(str(problem)) from problem
        self._had = (*before, FileWritten(path, data))

    def read(self, before: Effects, path: str) -> bytes | None:
        """Return the bytes of a regular file, or None if there is none."""
        sandbox = self._prepared(before)
        try:
            return sandbox.read(path, MAX_READ_BYTES)
        except SandboxError as problem:
            self._must_stand(sandbox, problem)
            return None

    def files(self, before: Effects) -> list[str]:
        """Return the paths of the regular files, without those in `.git`."""
        sandbox = self._prepared(before)
        try:
            return [path for path in sandbox.files() if not path.startswith(".git/")]
        except SandboxError as problem:
            self._must_stand(sandbox, problem)
            raise

    def program(self, before: Effects, command: Sequence[str] | str, stdin: str = "") -> Result:
        """Run a program beside the shell, or a command line in a bash of its own."""
        return self._checked(self._prepared(before).run(command, self._seconds, stdin))

    def submission(self, before: Effects) -> collect.Submission:
        """End everything the agent started, collect its files, and close the sandbox."""
        sandbox = self._prepared(before)
        try:
            if self._shell is not None:
                self._shell.close()
            return collect.from_sandbox(sandbox)
        finally:
            self.close()

    def fork(self) -> Workplace:
        """Return a workplace that continues from here.

        In a copy of the sandbox if possible, else by replay.
        """
        other = Workplace(self._pool, self._seconds)
        other._repo = self._repo
        if not self._held or not self._held[0].capabilities.fork:
            return other
        state = self._shell_state()
        if state is None:
            return other
        copy = self._held[0].fork()
        other._held.append(copy)
        if self._repo is not None and self._lease:
            self._pool.lease(self._repo)
            other._lease.append(self._repo)
        if state:
            other._shell = copy.shell()
            other._shell.run(state, SETUP_SECONDS)
        other._had = self._had
        # The copy shares the original and may outlive this episode, so it cannot be put back.
        _close_all(self._held, keep=1)
        return other

    def close(self) -> None:
        """Close the sandbox; the next call opens a new one."""
        self._shell, self._had = None, ()
        _give_up(self._held, self._lease, self._pool)

    # Keeping the sandbox in step with the effects

    def _prepared(self, before: Effects) -> Sandbox:
        """Return a sandbox that has had exactly the effects `before`."""
        if self._held and self._had == before:
            return self._held[0]
        assert self._repo is not None, "call begin() first"
        self.close()
        self._pool.lease(self._repo)
        self._lease.append(self._repo)
        self._held.extend(self._pool.take(self._repo))
        sandbox = self._held[0]
        for effect in before:
            if isinstance(effect, CommandRun):
                self._command(sandbox, effect.text)
            else:
                sandbox.write(effect.path, effect.data)
        self._had = before
        return sandbox

    def _command(self, sandbox: Sandbox, command: str) -> Result:
        if self._shell is None:
            self._shell = sandbox.shell()
        result = self._checked(self._shell.run(command, self._seconds))
        if result.error not in ("none", "exception") and not _stands(sandbox):
            self._broken()
            if result.error == "died":  # only something outside can end a sandbox
                raise SandboxError(
                    "the sandbox ended while a command ran in it: the episode has no score"
                )
            raise SandboxLost(result.error)
        return result

    def _checked(self, result: Result) -> Result:
        """Return a result, or raise if it reports a failure of the sandbox."""
        if result.error == "infrastructure":
            self._broken()
            raise SandboxError(
                "the sandbox failed while it ran a command "
                f"({result.stderr.strip()[-300:] or 'no reason given'}): "
                "nothing is known about that command, so the episode has no score"
            )
        return result

    def _must_stand(self, sandbox: Sandbox, problem: SandboxError) -> None:
        """Raise `problem` unless the sandbox still responds: then its refusal is the answer."""
        if not _stands(sandbox):
            self._broken()
            raise problem

    def _broken(self) -> None:
        """Close the sandbox and the one it was copied from, which may be damaged too."""
        _close_all(self._held)
        self.close()

    def _shell_state(self) -> str | None:
        """Return commands that restore the shell's state.

        "" if no shell was started, None if it cannot report.
        """
        if self._shell is None:
            return ""
        result = self._shell.run(_DUMP, SETUP_SECONDS)
        state, end, rest = result.stdout.rpartition("TURNWISE_END")
        if result.error != "none":
            self._had = ()  # the dump itself broke the shell
            self.close()
        if result.error != "none" or result.truncated or not end or rest:
            return None
        return _RESTORE.format(state=state)


def _stands(sandbox: Sandbox) -> bool:
    """Return whether a sandbox still responds."""
    try:
        return sandbox.run(["true"], SETUP_SECONDS).error == "none"
    except SandboxError:
        return False


def _give_up(held: list[Sandbox], lease: list[StartingTree], pool: SandboxPool) -> None:
    """Close an episode's sandbox and return the one it was copied from to the pool."""
    origins = held[1:]
    del held[1:]
    _close_all(held)
    while lease:
        repo = lease.pop()
        for origin in origins:
            pool.put_back(repo, origin)
        origins = []
        pool.release(repo)
    _close_all(origins)


def _close_all(held: list[Sandbox], keep: int = 0) -> None:
    """Close all sandboxes but the first `keep`."""
    while len(held) > keep:
        held.pop().close()
