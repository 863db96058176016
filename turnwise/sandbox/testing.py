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
    """Check `run`: streams, exit codes, input, working directory, both kinds of command."""
    with open(Spec(limits=LIMITS)) as sandbox:
        result = sandbox.run("echo out; echo err >&2; exit 3")
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
            sandbox.run(["echo", "a b", "$HOME"]).stdout == "a b $HOME\n",
            "a list is not given to a shell",
        )
        expect(sandbox.run(["cat"], stdin="text ü").stdout == "text ü", "text is given as input")
        expect(
            sandbox.run(["wc", "-c"], stdin=b"\xff\x00\xfe").stdout.strip() == "3",
            "bytes are given as input",
        )
        expect(sandbox.run(["cat"]).stdout == "", "without input there is nothing to read")
        mixed = sandbox.run("printf '\\377x'")
        expect(mixed.stdout.endswith("x"), "output that is no text is not lost")
        absent = sandbox.run(["no-such-program"])
        expect(
            absent.exit_code == 127 and absent.error == "none",
            "a program that is absent ends with 127",
            absent,
        )
        sandbox.write("here", "x")
        expect(sandbox.run("ls").stdout == "here\n", "a program starts in the workspace")


def check_program_limits(open: Open) -> None:
    """Check that a call ends at its limit, with the output until then."""
    with open(Spec(limits=LIMITS)) as sandbox:
        late = returns(lambda: sandbox.run("echo early; sleep 600", timeout=4.0))
        expect(
            late.error == "timeout" and late.exit_code is None,
            "a call ends at its limit, with `timeout` and no exit code",
            late,
        )
        expect(late.stdout == "early\n", "output before the end is kept", late)
        killed = sandbox.run("kill -9 $$")
        expect(
            killed.error == "died" or killed.exit_code == 137,
            "a program that a signal ended has died",
            killed,
        )
        expect(sandbox.run("echo on").ok, "the sandbox goes on after a call that failed")


def check_output(open: Open) -> None:
    """Check that long output is cut in the middle, and a flood killed."""
    limits = Limits(seconds=60.0, memory_mb=256, output_chars=1000, flood_chars=200_000)
    with open(Spec(limits=limits)) as sandbox:
        long = sandbox.run("echo begin; head -c 50000 /dev/zero | tr '\\0' x; echo end")
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
        flood = sandbox.run("yes")
        expect(flood.error == "output" and flood.truncated, "a flood is killed", flood)
        short = sandbox.run("echo short")
        expect(short.stdout == "short\n" and not short.truncated, "short output is whole", short)


def check_sessions(open: Open) -> None:
    """Check that an interpreter keeps its state, reports exceptions and shares nothing."""
    with open(Spec(limits=LIMITS)) as sandbox:
        one = sandbox.session()
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
        two = sandbox.session()
        expect(two.run("print('x' in globals())").stdout == "False\n", "interpreters are apart")
        expect(
            list(sandbox.sessions) == [one, two],
            "sessions are listed in the order they were made",
            sandbox.sessions,
        )
        expect(two.run("input()").error == "exception", "there is nothing to read from")
        one.close()
        one.close()
        expect(one.run("1").error == "died" and not one.alive, "a closed interpreter has died")
        expect(two.run("print(1)").stdout == "1\n", "closing one leaves the other")
        left = list(sandbox.sessions)
        expect(left == [two], "only those that stand are listed", left)


def check_session_endings(open: Open) -> None:
    """Check that an interpreter that ended or hit a limit is gone, and a new one can be started."""
    with open(Spec(limits=LIMITS)) as sandbox:
        for cell, errors in (
            ("while True: pass", {"timeout"}),
            ("import os; os._exit(1)", {"died"}),
        ):
            session = sandbox.session()
            ended = session.run(cell, timeout=1.0)
            expect(ended.error in errors, f"{cell!r} ends as {sorted(errors)}", ended)
            expect(
                not session.alive and session.run("1").error == "died",
                "and the interpreter is gone",
            )
        expect(sandbox.session().run("print(1)").stdout == "1\n", "a new one can be started")


def check_shells(open: Open) -> None:
    """Check that a shell keeps its directory and variables, and is new after a timeout."""
    with open(Spec(limits=LIMITS)) as sandbox:
        shell = sandbox.shell()
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
    """Check that files are written, read and listed; only regular ones are accepted."""
    with open(Spec(limits=LIMITS)) as sandbox:
        blob = bytes(range(256)) * 400
        sandbox.write("a/b/blob", blob)
        sandbox.write("/work/text", "Zeile\n")
        expect(
            sandbox.read("/work/a/b/blob") == blob and sandbox.read("a/b/blob") == blob,
            "bytes come back, by either name",
        )
        expect(sandbox.run("cat text").stdout == "Zeile\n", "programs see what was written")
        sandbox.write("text", "new")
        expect(sandbox.read("text") == b"new", "writing again replaces")
        sandbox.run("mkdir e; echo x > e/f; ln -s text link; mkfifo pipe")
        expect(
            sandbox.files() == ["a/b/blob", "e/f", "text"],
            "regular files are listed, sorted, links not followed",
            sandbox.files(),
        )
        refuses(lambda: sandbox.read("absent"), "an absent file is an error")
        refuses(lambda: sandbox.read("e"), "a directory is no file")
        refuses(lambda: sandbox.read("a/b/blob", limit=10), "a file beyond the limit is an error")
        refuses(
            lambda: sandbox.write("../out", "x"), "a path that leaves the workspace is an error"
        )


def check_spec(open: Open) -> None:
    """Check the workspace (copied, never written), variables and read-only trees of a spec."""
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
        with open(spec) as sandbox:
            expect(sandbox.spec == spec, "the sandbox keeps its spec", sandbox.spec)
            expect(
                sandbox.files() == ["run.sh", "sub/file"],
                "the workspace begins as the tree given",
                sandbox.files(),
            )
            expect(
                sandbox.run("./run.sh && bash run.sh").stdout == "ran\nran\n"
                or sandbox.run("bash run.sh").ok,
                "files keep their mode",
            )
            sandbox.run("echo changed > sub/file; echo x > new; rm run.sh")
            expect(
                sandbox.files() == ["new", "sub/file"] and sandbox.read("sub/file") == b"changed\n",
                "it can be changed",
                sandbox.files(),
            )
            expect(sandbox.run("echo $GIVEN").stdout == "yes\n", "variables are given")
            kept = sandbox.run(["cat", f"{library}/read"])
            expect(kept.stdout == "readonly", "a read-only tree is there", kept)
            expect(not sandbox.run(f"echo x > {library}/read").ok, "and cannot be written")
        expect(
            (given / "sub" / "file").read_text() == "given" and (given / "run.sh").exists(),
            "the tree given is never written",
        )
        expect(
            not (given / "new").exists() and (library / "read").read_text() == "readonly",
            "neither is the read-only tree",
        )


def check_forks(open: Open) -> None:
    """Check that a fork continues independently with files and interpreters, or is refused."""
    with open(Spec(limits=LIMITS)) as sandbox:
        sandbox.write("f", "1")
        session = sandbox.session()
        session.run("x = [1]")
        if not sandbox.capabilities.fork:
            refuses(
                sandbox.snapshot, "a snapshot with interpreters is refused where there is no fork"
            )
            refuses(sandbox.fork, "a fork with interpreters is refused where there is no fork")
            return
        with closing(sandbox.snapshot()) as kept:
            session.run("x.append(2)")
            sandbox.write("f", "2")
            with kept.open() as one, kept.open() as two:
                expect(
                    [child.read("f") for child in (one, two, sandbox)] == [b"1", b"1", b"2"],
                    "files continue from the snapshot",
                )
                expect(len(one.sessions) == 1, "interpreters are copied", one.sessions)
                printed = [
                    child.sessions[0].run("x.append(9); print(x)").stdout
                    for child in (one, two, sandbox)
                ]
                expect(
                    printed == ["[1, 9]\n", "[1, 9]\n", "[1, 2, 9]\n"],
                    "and so is their state, each its own",
                    printed,
                )
        with sandbox.fork() as child:
            sandbox.close()
            expect(
                child.read("f") == b"2" and child.sessions[0].run("print(len(x))").stdout == "3\n",
                "a fork outlives its origin",
            )


def check_close(open: Open) -> None:
    """Check that closing ends everything and is idempotent."""
    sandbox = open(Spec(limits=LIMITS))
    session = sandbox.session()
    expect(session.run("x = 1").ok, "an interpreter works")
    name = sandbox.backend
    expect(isinstance(name, str) and name != "", "a backend has a name", name)
    sandbox.close()
    sandbox.close()
    expect(
        not session.alive and session.run("1").error == "died", "interpreters end with the sandbox"
    )

    def use() -> Result:
        result = sandbox.run("true")
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
