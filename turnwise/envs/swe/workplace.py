"""Where one episode works: a sandbox with the broken repository and a persistent shell, made when
it is first needed.

What the episode *is* are its effects: the commands it ran and the files it wrote. The sandbox is
only a quick way to have had them. So every call is told the effects that came before, and where the
live sandbox has had others (after a snapshot was restored) or none (after unpickling) a new one has
them again first.

A fork copies the sandbox's files and tells the copy's new shell what the old one knew: working
directory, variables, functions, aliases, options, traps. Where a shell cannot say that (it has
closed its own output), the effects are replayed. A copy has no background processes and no open
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
MAX_READ_BYTES = 5_000_000
"""Of one file that is read for the agent."""
_DUMP = r"""
while IFS= read -r TURNWISE_NAME; do
    case $TURNWISE_NAME in  # what bash keeps itself: to set a read-only one would end the restoring
        BASH*|EUID|PPID|SHELLOPTS|UID|FUNCNAME|GROUPS|DIRSTACK|PIPESTATUS|*RANDOM|*SECONDS|EPOCH*|LINENO|HISTCMD|TURNWISE_*|_) ;;
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
    """A command that the shell ran."""

    text: str


@dataclass(frozen=True, slots=True)
class FileWritten:
    """A file that was written by other means."""

    path: str
    data: bytes


Effect: TypeAlias = CommandRun | FileWritten
Effects: TypeAlias = tuple[Effect, ...]


class SandboxLost(Exception):
    """The agent has brought down its own sandbox by passing a limit, and nothing more can be done
    in it.
    """


class Workplace:
    """See the module.

    Args:
        pool: where sandboxes come from.
        seconds: wall clock of one command.

    Every method raises `SandboxError` where the sandbox itself failed: nothing is known about the
    agent's work then.
    """

    def __init__(self, pool: SandboxPool, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds
        self._repo: StartingTree | None = None
        self._held: list[Sandbox] = []  # the sandbox, and what it is a copy of
        self._lease: list[StartingTree] = []
        self._shell: Shell | None = None
        self._had: Effects = ()
        self._finalizer = weakref.finalize(
            self, _give_up, self._held, self._lease, pool
        )  # must not hold the workplace

    def begin(self, repo: StartingTree) -> None:
        """Work in this repository from now on."""
        if self._repo is None or self._repo != repo:
            self.close()
            self._repo = repo

    # What an agent does.

    def run(self, before: Effects, command: str) -> Result:
        """Run a command in the shell, after the effects `before`. Raises `Lost` where it brought
        the sandbox down.
        """
        sandbox = self._prepared(before)
        result = self._command(sandbox, command)
        self._had = (*before, CommandRun(command))
        return result

    def write(self, before: Effects, path: str, data: bytes) -> None:
        """Write a file, after the effects `before`. Raises `ValueError` with the sandbox's words
        where it refuses.
        """
        sandbox = self._prepared(before)
        try:
            sandbox.write(path, data)
        except SandboxError as problem:
            self._must_stand(sandbox, problem)
            raise ValueError(str(problem)) from problem
        self._had = (*before, FileWritten(path, data))

    def read(self, before: Effects, path: str) -> bytes | None:
        """The bytes of a regular file; None where there is none."""
        sandbox = self._prepared(before)
        try:
            return sandbox.read(path, MAX_READ_BYTES)
        except SandboxError as problem:
            self._must_stand(sandbox, problem)
            return None

    def files(self, before: Effects) -> list[str]:
        """Paths of the regular files, without git's own."""
        sandbox = self._prepared(before)
        try:
            return [path for path in sandbox.files() if not path.startswith(".git/")]
        except SandboxError as problem:
            self._must_stand(sandbox, problem)
            raise

    def program(self, before: Effects, command: Sequence[str] | str, stdin: str = "") -> Result:
        """Run one of our own programs beside the shell, or a command line in a bash of its own."""
        return self._known(self._prepared(before).run(command, self._seconds, stdin))

    def submission(self, before: Effects) -> collect.Submission:
        """What is handed in, taken after everything the agent started has ended. Then the sandbox
        is closed.
        """
        sandbox = self._prepared(before)
        try:
            if self._shell is not None:
                self._shell.close()
            return collect.from_sandbox(sandbox)
        finally:
            self.close()

    def fork(self) -> Workplace:
        """One that goes on from here: in a copy of the sandbox where that can be had, else in a new
        one after the effects.
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
        _close_all(
            self._held, keep=1
        )  # the copy lives beside what it comes from, and may live longer than this episode
        return other

    def close(self) -> None:
        """End the sandbox. The next call makes another."""
        self._shell, self._had = None, ()
        _give_up(self._held, self._lease, self._pool)

    # Keeping the sandbox at the effects that it is told.

    def _prepared(self, before: Effects) -> Sandbox:
        if self._held and self._had == before:
            return self._held[0]
        assert self._repo is not None, "begin() says which repository this is"
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
        result = self._known(self._shell.run(command, self._seconds))
        if result.error not in ("none", "exception") and not _stands(sandbox):
            self._broken()
            if result.error == "died":  # nothing inside can end a sandbox, so something outside did
                raise SandboxError(
                    "the sandbox ended while a command ran in it: the episode has no score"
                )
            raise SandboxLost(result.error)
        return result

    def _known(self, result: Result) -> Result:
        if result.error == "infrastructure":
            self._broken()
            raise SandboxError(
                "the sandbox failed while it ran a command "
                f"({result.stderr.strip()[-300:] or 'no reason given'}): "
                "nothing is known about that command, so the episode has no score"
            )
        return result

    def _must_stand(self, sandbox: Sandbox, problem: SandboxError) -> None:
        """A refusal is an answer only of a sandbox that still answers."""
        if not _stands(sandbox):
            self._broken()
            raise problem

    def _broken(self) -> None:
        """End it, and what it was copied from, which may have suffered too."""
        _close_all(self._held)
        self.close()

    def _shell_state(self) -> str | None:
        """What to tell a new shell so that it is as this one; "" where there is none yet, None
        where it does not say.
        """
        if self._shell is None:
            return ""
        result = self._shell.run(_DUMP, SETUP_SECONDS)
        state, end, rest = result.stdout.rpartition("TURNWISE_END")
        if result.error != "none":
            self._had = ()  # it did not survive the question
            self.close()
        if result.error != "none" or result.truncated or not end or rest:
            return None
        return _RESTORE.format(state=state)


def _stands(sandbox: Sandbox) -> bool:
    """Whether a sandbox still answers."""
    try:
        return sandbox.run(["true"], SETUP_SECONDS).error == "none"
    except SandboxError:
        return False


def _give_up(held: list[Sandbox], lease: list[StartingTree], pool: SandboxPool) -> None:
    """Close the sandbox of an episode and put back what it is a copy of."""
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
    """Close all but the first few."""
    while len(held) > keep:
        held.pop().close()
