"""Supervision of one sandbox's jobs: output is drained, ends are noticed, calls are answered."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from . import processes
from .capture import Pipe
from .filesystem import Root
from .frames import Channel, Header
from .jobs import CommandJob, InterpreterJob, Job, ShellJob
from .loop import GuestLoop

KILL_S = 15.0
"""Seconds in which all processes of a killed call must be gone; else the whole sandbox exits."""


class JobSupervisor:
    """Watches the jobs of one sandbox and answers a call when its job has finished.

    Args:
        plan: the `configure` request; None until it arrives.
        root: the file system that jobs run in; None until configured.
    """

    def __init__(
        self,
        loop: GuestLoop,
        channel: Channel,
        plan: dict[str, Any] | None = None,
        root: Root | None = None,
    ) -> None:
        self.loop, self.channel = loop, channel
        self.plan: dict[str, Any] = plan or {}
        self.root = root
        self.sessions: dict[int, InterpreterJob] = {}
        self.shells: dict[int, ShellJob] = {}
        self.command: CommandJob | None = None
        self.current: Job | None = None
        """The job whose call is running."""
        self.answered: Job | None = None
        """The job whose call was answered last."""

    @property
    def busy(self) -> bool:
        return self.current is not None

    def jobs(self) -> Iterator[Job]:
        yield from self.sessions.values()
        yield from self.shells.values()
        if self.command is not None:
            yield self.command

    def supervise(self, job: Job) -> None:
        """Drain the job's pipes and notice its end from now on."""
        for pipe in (job.out, job.err):
            drain = lambda pipe=pipe: self._drain(job, pipe)  # noqa: E731
            self.loop.watch(pipe.reader, drain)
        self.loop.children[job.pid] = lambda status: self._exited(job, status)
        if isinstance(job, InterpreterJob):
            self.loop.watch(job.channel.fileno(), lambda: self._replied(job))
        if isinstance(job, ShellJob):
            self.loop.watch(job.status, lambda: self._reported(job))

    def begin_call(self, job: Job) -> None:
        """Make this the running call; what the job wrote since the last one is late output."""
        for pipe in (job.out, job.err):
            pipe.drain()
        job.late = job.out.swap().value()[0] + job.err.swap().value()[0]
        self.current = job

    # Events.

    def _drain(self, job: Job, pipe: Pipe) -> None:
        if not pipe.drain(1 << 20):
            self.loop.forget(pipe.reader)
            # An interpreter that closed its own output cannot report anything more.
            if isinstance(job, InterpreterJob):
                self.stop(job, "died")
        if job.alive and job.written() > int(self.plan["limits"]["flood_chars"]):
            self.stop(job, "output")

    def _exited(self, job: Job, status: int) -> None:
        if isinstance(job, InterpreterJob):
            return self._finish(job, "died", None, dead=True)
        code = os.waitstatus_to_exitcode(status)
        error, code = ("died", 128 - code) if code < 0 else ("none", code)
        self._finish(job, error, code, dead=True)

    def _replied(self, job: InterpreterJob) -> None:
        job.channel.fill()
        while (frame := job.channel.take()) is not None:
            if frame[0].get("ended") in ("none", "exception", "memory"):
                self._finish(job, frame[0]["ended"], None)
        if job.channel.closed:
            self._finish(job, "died", None, dead=True)

    def _reported(self, job: ShellJob) -> None:
        status = job.reported_status()
        if status is not None:
            self._finish(job, "none", status)
        else:
            self.loop.forget(job.status)

    # Ends.

    def stop(self, job: Job, error: str) -> None:
        """Kill a job; its running call, if any, ends with `error`."""
        self._finish(job, error, None, dead=True)

    def _finish(self, job: Job, error: str, code: int | None, dead: bool = False) -> None:
        """End the job's call, and the job itself where `dead`; answer if it is the running call."""
        if dead and job.alive:
            self.kill(job)
        elif not dead:
            for pipe in (job.out, job.err):
                pipe.drain()
        if self.current is not job:
            return
        self.current, self.answered = None, job
        (out, cut), (err, cut_too) = job.out.swap().value(), job.err.swap().value()
        self.answer_result(error, code, out, err, job.late, truncated=cut or cut_too)
        job.late = b""

    def kill(self, job: Job) -> None:
        """Kill every process of the job, drain what it wrote last and close its descriptors."""
        job.alive = False
        self.loop.children.pop(job.pid, None)
        living = {other.mark for other in self.loop.living_jobs()}
        if not processes.kill(job.mark, living, KILL_S):
            os._exit(1)
        for pipe in (job.out, job.err):
            pipe.drain()
            self.loop.forget(pipe.reader)
        if isinstance(job, InterpreterJob):
            self.loop.forget(job.channel.fileno())
        if isinstance(job, ShellJob):
            self.loop.forget(job.status)
        job.close()

    def kill_all(self) -> None:
        for job in list(self.jobs()):
            if job.alive:
                self.kill(job)

    def check_memory(self) -> None:
        """Kill the running job, or else every job, once together they hold too much memory.

        Only where no cgroup limits the memory.
        """
        if not self.plan.get("watch_memory"):
            return
        living = [job for job in self.jobs() if job.alive]
        limit_kb = int(self.plan["limits"]["memory_mb"]) * 1024
        if not living or processes.memory_kb({job.mark for job in living}, limit_kb) <= limit_kb:
            return
        for job in [self.current] if self.current is not None else living:
            self.stop(job, "memory")

    # Answers.

    def answer(self, header: Header, body: bytes = b"") -> None:
        """Send an answer; a parent that is gone is noticed when the channel closes."""
        with contextlib.suppress(OSError):
            self.channel.send(header, body)

    def answer_result(
        self,
        error: str,
        code: int | None,
        out: bytes = b"",
        err: bytes = b"",
        late: bytes = b"",
        truncated: bool = False,
    ) -> None:
        """Send the result of a call, and whether the job that ran it is alive."""
        sizes = {"out": len(out), "err": len(err), "late": len(late)}
        alive = self.answered is not None and self.answered.alive
        self.answer(
            {"error": error, "exit": code, "truncated": truncated, "alive": alive, **sizes},
            out + err + late,
        )
