"""First process of a sandbox: answers the requests of the parent, one at a time per channel.

The requests are listed in the package's docstring. `main` is the entry point.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from . import files, filesystem, forking, interpreter, kernel
from .files import RequestRefused
from .filesystem import Root
from .frames import Channel, Header
from .jobs import CommandJob, InterpreterJob, ShellJob
from .loop import GuestLoop
from .supervisor import JobSupervisor


class SandboxServer(JobSupervisor):
    """Answers the requests of one channel."""

    def ready(self) -> None:
        """Handle the requests that have arrived."""
        self.channel.fill()
        while (frame := self.channel.take()) is not None:
            try:
                self._dispatch(*frame)
            except RequestRefused as refused:
                self.answer({"failed": str(refused)})
            except RecursionError:
                self.answer({"failed": "the directories of the workspace are nested too deep"})
            except Exception as problem:  # always answer: the parent waits for it
                self.answer({"failed": f"{type(problem).__name__}: {problem}"})
        if self.channel.closed:
            self.close()

    def close(self) -> None:
        """Kill every job and remove the root; called when the channel has closed."""
        self.kill_all()
        self.loop.forget(self.channel.fileno())
        self.channel.close()
        if self.root is not None:
            self.root.remove()
        self.loop.drop(self)

    def _dispatch(self, header: Header, body: bytes) -> None:
        name = str(header.get("ask"))
        if name == "stop":
            if self.current is not None:
                self.stop(self.current, str(header.get("error", "timeout")))
            return
        if self.current is not None:
            raise RequestRefused("another request is being answered")
        getattr(self, f"ask_{name}")(header, body)

    def ask_configure(self, header: Header, body: bytes) -> None:
        self.plan = header
        if header["mode"] == "jail":
            self.root = filesystem.make_root(self.loop.next_number(), header)
        else:
            self.root = Root("", header["work"])
        interpreter.warm([str(name) for name in header.get("preload", ())])
        header["overlay"] = self.root.overlay  # forks reuse the plan and are made the same way
        self.answer({"overlay": self.root.overlay})

    def _configured_root(self) -> Root:
        if self.root is None:
            raise RequestRefused("not configured")
        return self.root

    def _job_settings(self) -> tuple[Root, int, int]:
        """Return the arguments of a new job: root, mark, and bytes of output to keep."""
        root = self._configured_root()
        return root, self.loop.next_mark(), int(self.plan["limits"]["output_chars"])

    # Programs.

    def ask_run(self, header: Header, body: bytes) -> None:
        self.command = CommandJob(*self._job_settings())
        try:
            self.command.run(self.plan, [str(word) for word in header["argv"]], body)
        except OSError as problem:
            # The code here has used up the processes, memory or descriptors: a result, no failure.
            self.command.close()
            self.answered = None
            self.answer_result("died", None, err=str(problem).encode())
            return
        self.current = self.command
        self.supervise(self.command)

    def ask_session(self, header: Header, body: bytes) -> None:
        job = InterpreterJob(*self._job_settings())
        job.begin(self.plan)
        number = self.loop.next_number()
        self.sessions[number] = job
        self.supervise(job)
        self.answer({"session": number})

    def ask_cell(self, header: Header, body: bytes) -> None:
        job = self.sessions.get(int(header["session"]))
        if job is None or not job.alive:
            self.answered = None
            self.answer_result("died", None)
            return
        self._send(job, body)

    def ask_shell(self, header: Header, body: bytes) -> None:
        number = self.loop.next_number()
        self.shells[number] = self._start_shell()
        self.answer({"shell": number})

    def _start_shell(self) -> ShellJob:
        job = ShellJob(*self._job_settings())
        job.begin(self.plan)
        self.supervise(job)
        return job

    def ask_command(self, header: Header, body: bytes) -> None:
        number = int(header["shell"])
        job = self.shells[number]
        if not job.alive:
            job = self.shells[number] = self._start_shell()
        job.check(body)
        self._send(job, body)

    def _send(self, job: InterpreterJob | ShellJob, code: bytes) -> None:
        self.begin_call(job)
        try:
            job.send(code)
        except OSError:
            self.stop(job, "died")

    def ask_end(self, header: Header, body: bytes) -> None:
        table: dict[int, Any] = self.sessions if "session" in header else self.shells
        job = table.pop(int(header["session"] if "session" in header else header["shell"]), None)
        if job is not None and job.alive:
            self.kill(job)
        self.answer({})

    # Files.

    def ask_write(self, header: Header, body: bytes) -> None:
        files.write(self._configured_root().work, str(header["path"]), body)
        self.answer({})

    def ask_read(self, header: Header, body: bytes) -> None:
        work = self._configured_root().work
        self.answer({}, files.read(work, str(header["path"]), int(header["limit"])))

    def ask_files(self, header: Header, body: bytes) -> None:
        self.answer({"files": files.listing(self._configured_root().work)})

    def ask_unpack(self, header: Header, body: bytes) -> None:
        files.unpack(self._configured_root().work, body)
        self.answer({})

    # Forks and the end.

    def ask_fork(self, header: Header, body: bytes) -> None:
        fork = self._fork()
        self.loop.add(fork)
        self.answer({"sessions": list(fork.sessions)})

    def _fork(self) -> SandboxServer:
        """Return a server on the passed channel, with copies of the root and of all interpreters.

        Raises:
            RequestRefused: where no root can be made or an interpreter does not copy itself.
        """
        if not self.channel.passed:
            raise RequestRefused("a fork needs a channel of its own")
        descriptor = self.channel.passed.pop(0)
        if self.root is None or not self.root.path:
            os.close(descriptor)
            raise RequestRefused("this sandbox cannot be forked")
        fork = SandboxServer(self.loop, Channel(descriptor, descriptor), self.plan)
        sandboxes = len(self.loop.servers) + 1
        forking.raise_process_limits(self.plan["limits"], sandboxes, self.loop.living_jobs())
        try:
            fork.root = root = filesystem.make_root(self.loop.next_number(), self.plan, self.root)
            known = {job.pid for server in self.loop.servers for job in server.jobs()}
            for number, job in self.sessions.items():
                if job.alive:
                    mark = self.loop.next_mark()
                    fork.sessions[number] = forking.copy_interpreter(job, root, mark, known)
                    fork.supervise(fork.sessions[number])
        except RecursionError:
            fork._discard()
            raise RequestRefused(
                "the sandbox cannot be forked: its directories are nested too deep"
            ) from None
        except (OSError, RequestRefused) as problem:
            fork._discard()
            raise RequestRefused(f"the sandbox cannot be forked: {problem}") from None
        return fork

    def _discard(self) -> None:
        """Undo a fork that failed half-way."""
        self.loop.servers.append(self)  # killing spares only the jobs of listed servers
        self.kill_all()
        self.loop.servers.remove(self)
        self.channel.close()
        if self.root is not None:
            self.root.remove()

    def ask_close(self, header: Header, body: bytes) -> None:
        self.channel.closed = True


def start(reader: int, writer: int, leash: int = -1) -> None:
    """Serve a channel; never returns."""
    kernel.prctl(kernel.DUMPABLE, 0)  # processes of the same user may not read our memory
    if os.getpid() != 1:
        kernel.prctl(kernel.SUBREAPER, 1)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    loop = GuestLoop(leash)
    loop.add(SandboxServer(loop, Channel(reader, writer)))
    loop.run()


def main() -> None:
    """Serve the channel whose two descriptors end the command line."""
    start(int(sys.argv[-2]), int(sys.argv[-1]))
