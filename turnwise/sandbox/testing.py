"""Conformance checks for sandbox backends.

`check_sandbox(open)` opens sandboxes with `open(spec)` and checks that they behave as the contract
says. It does not try to break out: that is what the attacks in `tests/sandbox` do.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from turnwise.sandbox.contract import Limits, Result, Sandbox, SandboxError, Spec

Open = Callable[[Spec], Sandbox]
LIMITS = Limits(seconds=60.0, memory_mb=256, processes=24)
T = TypeVar("T")


def expect(truth: bool, sentence: str, seen: object = "") -> None:
    """Raise an `AssertionError` with the contract's promise and what was seen, unless `truth`."""
    if not truth:
        raise AssertionError(f"{sentence}; seen: {seen!r}" if seen != "" else sentence)


def refuses(act: Callable[[], object], sentence: str) -> None:
    """Expect a `SandboxError`, and nothing else."""
    try:
        seen = act()
    except SandboxError:
        return
    raise AssertionError(f"{sentence}; seen: {seen!r}")


def returns(act: Callable[[], T], seconds: float = 300.0) -> T:
    """Return what `act` returns; `AssertionError` where it does not within a generous time.

    For calls that must not hang: the time is no measure of how fast they are.
    """
    results: list[T] = []
    problems: list[BaseException] = []

    def call() -> None:
        try:
            results.append(act())
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if problems:
        raise problems[0]
    expect(bool(results), f"the call has not returned after {seconds:.0f} s")
    return results[0]


def check_programs(open: Open) -> None:
    """`run`: streams, exit codes, input, working directory, both kinds of command."""
    with open(Spec(limits=LIMITS)) as box:
        result = box.run("echo out; echo err >&2; exit 3")
        expect(
            (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3),
            "streams and the exit code are kept apart",
            result,
        )
        expect(
            result.error == "none" and not result.ok,
            "an exit code other than 0 is no error of the sandbox, and not ok",
            result,
        )
        expect(
            box.run(["echo", "a b", "$HOME"]).stdout == "a b $HOME\n",
            "a list is not given to a shell",
        )
        expect(box.run(["cat"], stdin="text ü").stdout == "text ü", "text is given as input")
        expect(
            box.run(["wc", "-c"], stdin=b"\xff\x00\xfe").stdout.strip() == "3",
            "bytes are given as input",
        )
        expect(box.run(["cat"]).stdout == "", "without input there is nothing to read")
        expect(
            box.run("printf '\\377x'").stdout.endswith("x"), "output that is no text is not lost"
        )
        absent = box.run(["no-such-program"])
        expect(
            absent.exit_code == 127 and absent.error == "none",
            "a program that is absent ends with 127",
            absent,
        )
        box.write("here", "x")
        expect(box.run("ls").stdout == "here\n", "a program starts in the workspace")


def check_program_limits(open: Open) -> None:
    """A call ends at its limit, with the output until then."""
    with open(Spec(limits=LIMITS)) as box:
        late = returns(lambda: box.run("echo early; sleep 600", timeout=4.0))
        expect(
            late.error == "timeout" and late.exit_code is None,
            "a call ends at its limit, with `timeout` and no exit code",
            late,
        )
        expect(late.stdout == "early\n", "output before the end is kept", late)
        killed = box.run("kill -9 $$")
        expect(
            killed.error == "died" or killed.exit_code == 137,
            "a program that a signal ended has died",
            killed,
        )
        expect(box.run("echo on").ok, "the sandbox goes on after a call that failed")


def check_output(open: Open) -> None:
    """Long output is cut in the middle; a flood is killed."""
    limits = Limits(seconds=60.0, memory_mb=256, output_chars=1000, flood_chars=200_000)
    with open(Spec(limits=limits)) as box:
        long = box.run("echo begin; head -c 50000 /dev/zero | tr '\\0' x; echo end")
        expect(long.ok and long.truncated, "long output is clipped and says so", long.error)
        expect(
            long.stdout.startswith("begin") and long.stdout.rstrip().endswith("end"),
            "beginning and end are kept",
            long.stdout,
        )
        expect(
            len(long.stdout) < 1500,
            "no more than the limit is kept, but for the mark of what is missing",
            len(long.stdout),
        )
        flood = box.run("yes")
        expect(flood.error == "output" and flood.truncated, "a flood is killed", flood)
        short = box.run("echo short")
        expect(short.stdout == "short\n" and not short.truncated, "short output is whole", short)


def check_sessions(open: Open) -> None:
    """An interpreter keeps its state, reports exceptions and shares nothing with others."""
    with open(Spec(limits=LIMITS)) as box:
        one = box.session()
        first = one.run("x = 40\ndef f(): return x + 2\nx")
        expect(
            first.ok and first.stdout == "" and first.exit_code is None,
            "a bare last expression is not printed",
            first,
        )
        expect(one.run("print(f())").stdout == "42\n", "state lasts from cell to cell")
        raised = one.run("print('before')\n1 / 0")
        expect(
            raised.error == "exception" and "ZeroDivisionError" in raised.stderr,
            "a traceback is on stderr",
            raised,
        )
        expect(
            raised.stdout == "before\n" and one.alive,
            "what was printed is kept and the interpreter lives on",
            raised,
        )
        wrong = one.run("def")
        expect(
            wrong.error == "exception" and "SyntaxError" in wrong.stderr,
            "a syntax error is reported",
            wrong,
        )
        expect(one.run("print(x)").stdout == "40\n", "state lasts beyond exceptions")
        two = box.session()
        expect(two.run("print('x' in globals())").stdout == "False\n", "interpreters are apart")
        expect(
            list(box.sessions) == [one, two],
            "sessions are listed in the order they were made",
            box.sessions,
        )
        expect(two.run("input()").error == "exception", "there is nothing to read from")
        one.close()
        one.close()
        expect(one.run("1").error == "died" and not one.alive, "a closed interpreter has died")
        expect(two.run("print(1)").stdout == "1\n", "closing one leaves the other")
        expect(list(box.sessions) == [two], "only those that stand are listed", box.sessions)


def check_session_endings(open: Open) -> None:
    """After a limit or its own end an interpreter is gone, and a new one can be started."""
    with open(Spec(limits=LIMITS)) as box:
        for cell, errors in (
            ("while True: pass", {"timeout"}),
            ("import os; os._exit(1)", {"died"}),
        ):
            session = box.session()
            ended = session.run(cell, timeout=1.0)
            expect(ended.error in errors, f"{cell!r} ends as {sorted(errors)}", ended)
            expect(
                not session.alive and session.run("1").error == "died",
                "and the interpreter is gone",
            )
        expect(box.session().run("print(1)").stdout == "1\n", "a new one can be started")


def check_shells(open: Open) -> None:
    """A shell keeps its directory and variables; a timeout ends it and starts a new one."""
    with open(Spec(limits=LIMITS)) as box:
        shell = box.shell()
        expect(shell.run("mkdir -p d && cd d && x=5").exit_code == 0, "a command line runs")
        expect(
            shell.run("basename $PWD; echo $x").stdout == "d\n5\n", "directory and variables last"
        )
        expect(shell.run("false").exit_code == 1, "the exit code is the command's")
        expect(shell.run("echo out; echo err >&2").stderr == "err\n", "streams are kept apart")
        late = shell.run("sleep 60", timeout=1.0)
        expect(late.error == "timeout", "a command ends at its limit", late)
        again = shell.run("ls -d d; echo ${x:-unset}")
        expect(
            again.stdout == "d\nunset\n",
            "the next command finds a new bash in the workspace",
            again,
        )
        shell.close()
        shell.close()


def check_files(open: Open) -> None:
    """Files are written, read and listed; what is no regular file is refused."""
    with open(Spec(limits=LIMITS)) as box:
        blob = bytes(range(256)) * 400
        box.write("a/b/blob", blob)
        box.write("/work/text", "Zeile\n")
        expect(
            box.read("/work/a/b/blob") == blob and box.read("a/b/blob") == blob,
            "bytes come back, by either name",
        )
        expect(box.run("cat text").stdout == "Zeile\n", "programs see what was written")
        box.write("text", "new")
        expect(box.read("text") == b"new", "writing again replaces")
        box.run("mkdir e; echo x > e/f; ln -s text link; mkfifo pipe")
        expect(
            box.files() == ["a/b/blob", "e/f", "text"],
            "regular files are listed, sorted, links not followed",
            box.files(),
        )
        refuses(lambda: box.read("absent"), "an absent file is an error")
        refuses(lambda: box.read("e"), "a directory is no file")
        refuses(lambda: box.read("a/b/blob", limit=10), "a file beyond the limit is an error")
        refuses(lambda: box.write("../out", "x"), "a path that leaves the workspace is an error")


def check_spec(open: Open) -> None:
    """The given workspace is copied and never written; variables and read-only trees are there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as root:
        given, library = Path(root, "given"), Path(root, "library")
        for directory in (Path(root), given, library):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o755)
        (given / "sub").mkdir()
        (given / "sub" / "file").write_text("given")
        (given / "run.sh").write_text("echo ran")
        (given / "run.sh").chmod(0o755)
        (library / "read").write_text("readonly")
        spec = Spec(
            limits=LIMITS,
            workspace=str(given),
            readonly={str(library): str(library)},
            environment={"GIVEN": "yes"},
        )
        with open(spec) as box:
            expect(box.spec == spec, "the sandbox keeps its spec", box.spec)
            expect(
                box.files() == ["run.sh", "sub/file"],
                "the workspace begins as the tree given",
                box.files(),
            )
            expect(
                box.run("./run.sh && bash run.sh").stdout == "ran\nran\n"
                or box.run("bash run.sh").ok,
                "files keep their mode",
            )
            box.run("echo changed > sub/file; echo x > new; rm run.sh")
            expect(
                box.files() == ["new", "sub/file"] and box.read("sub/file") == b"changed\n",
                "it can be changed",
                box.files(),
            )
            expect(box.run("echo $GIVEN").stdout == "yes\n", "variables are given")
            kept = box.run(["cat", f"{library}/read"])
            expect(kept.stdout == "readonly", "a read-only tree is there", kept)
            expect(not box.run(f"echo x > {library}/read").ok, "and cannot be written")
        expect(
            (given / "sub" / "file").read_text() == "given" and (given / "run.sh").exists(),
            "the tree given is never written",
        )
        expect(
            not (given / "new").exists() and (library / "read").read_text() == "readonly",
            "neither is the read-only tree",
        )


def check_forks(open: Open) -> None:
    """A fork continues with files and interpreters, independently; or forking is refused."""
    with open(Spec(limits=LIMITS)) as box:
        box.write("f", "1")
        session = box.session()
        session.run("x = [1]")
        if not box.capabilities.fork:
            refuses(box.snapshot, "a snapshot with interpreters is refused where there is no fork")
            refuses(box.fork, "a fork with interpreters is refused where there is no fork")
            return
        with closing(box.snapshot()) as kept:
            session.run("x.append(2)")
            box.write("f", "2")
            with kept.open() as one, kept.open() as two:
                expect(
                    [child.read("f") for child in (one, two, box)] == [b"1", b"1", b"2"],
                    "files continue from the snapshot",
                )
                expect(len(one.sessions) == 1, "interpreters are copied", one.sessions)
                printed = [
                    child.sessions[0].run("x.append(9); print(x)").stdout
                    for child in (one, two, box)
                ]
                expect(
                    printed == ["[1, 9]\n", "[1, 9]\n", "[1, 2, 9]\n"],
                    "and so is their state, each its own",
                    printed,
                )
        with box.fork() as child:
            box.close()
            expect(
                child.read("f") == b"2" and child.sessions[0].run("print(len(x))").stdout == "3\n",
                "a fork outlives its origin",
            )


def check_close(open: Open) -> None:
    """Closing ends everything and is idempotent."""
    box = open(Spec(limits=LIMITS))
    session = box.session()
    expect(session.run("x = 1").ok, "an interpreter works")
    expect(isinstance(box.backend, str) and box.backend != "", "a backend has a name", box.backend)
    box.close()
    box.close()
    expect(
        not session.alive and session.run("1").error == "died", "interpreters end with the sandbox"
    )

    def use() -> Result:
        result = box.run("true")
        if result.error in ("died", "infrastructure"):
            raise SandboxError("closed")
        return result

    refuses(use, "a closed sandbox runs nothing")


CHECKS: tuple[Callable[[Open], None], ...] = (
    check_programs,
    check_program_limits,
    check_output,
    check_sessions,
    check_session_endings,
    check_shells,
    check_files,
    check_spec,
    check_forks,
    check_close,
)


def check_sandbox(open: Open) -> None:
    """Check that a backend keeps the contract.

    Args:
        open: makes a sandbox from a `Spec`.

    Raises:
        AssertionError: with the promise that does not hold and what was seen instead.
    """
    for check in CHECKS:
        check(open)
