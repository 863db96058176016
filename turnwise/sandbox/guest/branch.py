"""One sandbox as the guest sees it: a channel, a root, what runs there, and the request that is
being answered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import files, forking, processes, roots, warming
from .files import Refused
from .frames import Channel, Header
from .jobs import Command, Interpreter, Job, Shell

if TYPE_CHECKING:
    from .serve import Guest

SETTLE = 15.0
"""Seconds in which all processes of a killed call must be gone, or else the whole sandbox goes."""


class Branch:
    """Answers the requests of one channel, one at a time."""

    def __init__(
        self,
        guest: Guest,
        channel: Channel,
        plan: dict[str, Any] | None = None,
        root: roots.Root | None = None,
    ) -> None:
        self.guest, self.channel = guest, channel
        self.plan: dict[str, Any] = plan or {}
        self.root = root
        self.sessions: dict[int, Interpreter] = {}
        self.shells: dict[int, Shell] = {}
        self._command: Command | None = None
        self._answering: Job | None = None
        self._answered: Job | None = None

    # What runs here.

    @property
    def busy(self) -> bool:
        return self._answering is not None

    def jobs(self) -> Iterator[Job]:
        yield from self.sessions.values()
        yield from self.shells.values()
        if self._command is not None:
            yield self._command

    def watch(self, job: Job) -> None:
        """Drain its pipes and notice its end from now on."""
        for pipe in (job.out, job.err):
            self.guest.watch(pipe.reader, lambda pipe=pipe: self._drain(job, pipe))  # type: ignore[misc]
        self.guest.children[job.pid] = lambda status: self._exited(job, status)
        if isinstance(job, Interpreter):
            self.guest.watch(job.channel.fileno(), lambda: self._replied(job))
        if isinstance(job, Shell):
            self.guest.watch(job.status, lambda: self._ended(job))

    def _drain(self, job: Job, pipe: Any) -> None:
        if not pipe.drain(1 << 20):
            self.guest.forget(pipe.reader)
            if isinstance(job, Interpreter):  # it closed its own output: what it would say is lost
                self._stop(job, "died")
        if job.alive and job.written() > int(self.plan["limits"]["flood_chars"]):
            self._stop(job, "output")

    def _exited(self, job: Job, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        ending = "died" if code < 0 or isinstance(job, Interpreter) else "none"
        self._finish(
            job,
            ending,
            None if isinstance(job, Interpreter) else 128 - code if code < 0 else code,
            dead=True,
        )

    def _replied(self, job: Interpreter) -> None:
        job.channel.fill()
        while (frame := job.channel.take()) is not None:
            if frame[0].get("ended") in ("none", "exception", "memory"):
                self._finish(job, frame[0]["ended"], None)
        if job.channel.closed:
            self._finish(job, "died", None, dead=True)

    def _ended(self, job: Shell) -> None:
        status = job.ended()
        if status is not None:
            self._finish(job, "none", status)
        else:
            self.guest.forget(job.status)

    def _stop(self, job: Job, error: str) -> None:
        self._finish(job, error, None, dead=True)

    def _finish(self, job: Job, error: str, code: int | None, dead: bool = False) -> None:
        """A job's call has ended, or the job itself; answer if it was being waited for."""
        if dead and job.alive:
            self._bury(job)
        elif not dead:
            for pipe in (job.out, job.err):
                pipe.drain()
        if self._answering is not job:
            return
        self._answering, self._answered = None, job
        (out, cut), (err, cut_too) = job.out.swap().value(), job.err.swap().value()
        self._result(error, code, cut or cut_too, out, err, job.late)
        job.late = b""

    def _bury(self, job: Job) -> None:
        """Kill whatever carries the job's mark, take its last words, give its descriptors back."""
        job.alive = False
        self.guest.children.pop(job.pid, None)
        if not processes.kill(job.mark, self.guest.living(), SETTLE):
            os._exit(1)
        for pipe in (job.out, job.err):
            pipe.drain()
            self.guest.forget(pipe.reader)
        if isinstance(job, Interpreter):
            self.guest.forget(job.channel.fileno())
        if isinstance(job, Shell):
            self.guest.forget(job.status)
        job.close()

    def kill_all(self) -> None:
        for job in list(self.jobs()):
            if job.alive:
                self._bury(job)

    def look_at_memory(self) -> None:
        """Where no cgroup counts: kill what is being answered, or else everything, once too much
        memory is held.
        """
        if not self.plan.get("watch_memory"):
            return
        living = [job for job in self.jobs() if job.alive]
        limit = int(self.plan["limits"]["memory_mb"]) * 1024
        if not living or processes.memory({job.mark for job in living}, limit) <= limit:
            return
        for job in [self._answering] if self._answering is not None else living:
            self._stop(job, "memory")

    # What is asked.

    def _answer(self, header: Header, body: bytes = b"") -> None:
        with contextlib.suppress(OSError):
            self.channel.send(header, body)

    def _result(
        self, error: str, code: int | None, cut: bool, out: bytes, err: bytes, late: bytes = b""
    ) -> None:
        sizes = {"out": len(out), "err": len(err), "late": len(late)}
        alive = self._answered is not None and self._answered.alive
        self._answer(
            {"error": error, "exit": code, "truncated": cut, "alive": alive, **sizes},
            out + err + late,
        )

    def ready(self) -> None:
        """Take what came on the channel."""
        self.channel.fill()
        while (frame := self.channel.take()) is not None:
            try:
                self._dispatch(*frame)
            except Refused as refused:
                self._answer({"failed": str(refused)})
            except RecursionError:
                self._answer({"failed": "the directories of the workspace are nested too deep"})
            except (
                Exception
            ) as problem:  # an answer of its own: the channel must not be left waiting
                self._answer({"failed": f"{type(problem).__name__}: {problem}"})
        if self.channel.closed:
            self.close()

    def _dispatch(self, header: Header, body: bytes) -> None:
        name = str(header.get("ask"))
        if name == "stop":
            if self._answering is not None:
                self._stop(self._answering, str(header.get("error", "timeout")))
            return
        if self._answering is not None:
            raise Refused("another request is being answered")
        getattr(self, f"ask_{name}")(header, body)

    def ask_configure(self, header: Header, body: bytes) -> None:
        self.plan = header
        if header["mode"] == "jail":
            self.root = roots.make(self.guest.number(), header)
        else:
            self.root = roots.Root("", header["work"])
        warming.warm([str(name) for name in header.get("preload", ())])
        header["overlay"] = self.root.overlay  # its forks are made alike
        self._answer({"overlay": self.root.overlay})

    def _place(self) -> roots.Root:
        if self.root is None:
            raise Refused("not configured")
        return self.root

    def _keep(self) -> int:
        return int(self.plan["limits"]["output_chars"])

    def ask_run(self, header: Header, body: bytes) -> None:
        self._command = Command(self._place(), self.guest.take_mark(), self._keep())
        try:
            self._command.run(self.plan, [str(word) for word in header["argv"]], body)
        except (
            OSError
        ) as problem:  # no process, memory or descriptor left: used up by what runs here
            self._command.close()
            self._answered = None
            self._result("died", None, False, b"", str(problem).encode())
            return
        self._answering = self._command
        self.watch(self._command)

    def ask_session(self, header: Header, body: bytes) -> None:
        job = Interpreter(self._place(), self.guest.take_mark(), self._keep())
        job.begin(self.plan)
        number = self.guest.number()
        self.sessions[number] = job
        self.watch(job)
        self._answer({"session": number})

    def ask_shell(self, header: Header, body: bytes) -> None:
        number = self.guest.number()
        self.shells[number] = self._new_shell()
        self._answer({"shell": number})

    def _new_shell(self) -> Shell:
        job = Shell(self._place(), self.guest.take_mark(), self._keep())
        job.begin(self.plan)
        self.watch(job)
        return job

    def ask_cell(self, header: Header, body: bytes) -> None:
        job = self.sessions.get(int(header["session"]))
        if job is None or not job.alive:
            self._answered = None
            self._result("died", None, False, b"", b"")
            return
        self._begin(job)
        try:
            job.ask(body)
        except OSError:
            self._stop(job, "died")

    def ask_command(self, header: Header, body: bytes) -> None:
        number = int(header["shell"])
        job = self.shells[number]
        if not job.alive:
            job = self.shells[number] = self._new_shell()
        job.check(body)
        self._begin(job)
        try:
            job.ask(body)
        except OSError:
            self._stop(job, "died")

    def _begin(self, job: Job) -> None:
        """What was written since the last answer is late; from now on it belongs to this one."""
        for pipe in (job.out, job.err):
            pipe.drain()
        job.late = job.out.swap().value()[0] + job.err.swap().value()[0]
        self._answering = job

    def ask_end(self, header: Header, body: bytes) -> None:
        table: dict[int, Any] = self.sessions if "session" in header else self.shells
        job = table.pop(int(header["session"] if "session" in header else header["shell"]), None)
        if job is not None and job.alive:
            self._bury(job)
        self._answer({})

    def ask_write(self, header: Header, body: bytes) -> None:
        files.write(self._place().work, str(header["path"]), body)
        self._answer({})

    def ask_read(self, header: Header, body: bytes) -> None:
        self._answer({}, files.read(self._place().work, str(header["path"]), int(header["limit"])))

    def ask_files(self, header: Header, body: bytes) -> None:
        self._answer({"files": files.listing(self._place().work)})

    def ask_unpack(self, header: Header, body: bytes) -> None:
        files.unpack(self._place().work, body)
        self._answer({})

    def ask_fork(self, header: Header, body: bytes) -> None:
        branch = forking.fork(self)
        self.guest.add(branch)
        self._answer({"sessions": list(branch.sessions)})

    def ask_close(self, header: Header, body: bytes) -> None:
        self.channel.closed = True

    def close(self) -> None:
        """The channel is gone: so is everything here."""
        self.kill_all()
        self.guest.forget(self.channel.fileno())
        self.channel.close()
        if self.root is not None:
            self.root.remove()
        self.guest.drop(self)
