"""Workplaces in a real sandbox: replays, forks, returned originals, hidden files."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from turnwise.envs.swe.sandbox_pool import SandboxPool, StartingTree, opener
from turnwise.envs.swe.workplace import CommandRun, Effects, FileWritten, Workplace
from turnwise.sandbox import Limits, Sandbox, SandboxError, Spec, open_sandbox

LIMITS = Limits(seconds=60.0, memory_mb=512, processes=64, disk_mb=64)
REPO = StartingTree.of({"kit/__init__.py": b"", "kit/a.py": b"X = 1\n", "note.txt": b"hello\n"})
RICH = """cd kit; export A=5; B='x  y'; list=(1 'b c'); declare -A map=([k]=v); readonly R=3
shopt -s nullglob; umask 077; set -u
f() { echo "in f $A"; }; trap 'echo bye' USR1; g() { cat <<END
hello $B
END
}; export -f g; cd /tmp; cd /work/kit"""
ASK = """pwd; f; echo "$A $B ${list[1]} ${map[k]} $R"; shopt nullglob; umask; trap -p USR1
g; B=z bash -c g; cd -
set -o | grep nounset; R=4"""


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> None:
    try:
        opener("jail")(Spec(limits=LIMITS)).close()
    except SandboxError as problem:
        pytest.skip(f"no jail works on this machine: {problem}")


class Counting:
    """Opens sandboxes and counts them."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self, spec: Spec) -> Sandbox:
        self.opened += 1
        return open_sandbox(spec, "jail")


@pytest.fixture
def sandboxes() -> Counting:
    return Counting()


@pytest.fixture
def pool(sandboxes: Counting) -> SandboxPool:
    return SandboxPool(sandboxes, LIMITS, keep=2)


@pytest.fixture
def place(pool: SandboxPool) -> Iterator[Workplace]:
    made = Workplace(pool, 60.0)
    made.begin(REPO)
    yield made
    made.close()


def run(place: Workplace, before: Effects, *commands: str) -> tuple[str, Effects]:
    """The output of the last command, and all effects."""
    for command in commands:
        result = place.run(before, command)
        before = (*before, CommandRun(command))
    return result.stdout, before


def test_the_shell_keeps_its_state(place: Workplace) -> None:
    out, before = run(place, (), "cd kit; x=3", "pwd; echo $x; cat a.py")
    assert out == "/work/kit\n3\nX = 1\n"
    assert place.run(before, "ls none").stdout.startswith("ls: "), "errors stand in the same stream"


def test_other_effects_mean_another_sandbox(place: Workplace, sandboxes: Counting) -> None:
    _, first = run(place, (), "echo 1 > one; x=1")
    run(place, first, "echo 2 > two")
    assert place.files(first) == ["kit/__init__.py", "kit/a.py", "note.txt", "one"]
    assert run(place, first, "echo $x; ls")[0] == "1\nkit\nnote.txt\none\n"
    assert run(place, (), 'ls; echo "<$x>"')[0] == "kit\nnote.txt\n<>\n"
    assert sandboxes.opened == 1, "copies of the first one, which nobody has touched"


def test_files_that_were_written_are_there_again(place: Workplace) -> None:
    effects: Effects = (
        FileWritten("deep/new.py", b"y = 2\n"),
        CommandRun("cp deep/new.py copy.py"),
    )
    assert place.read(effects, "copy.py") == b"y = 2\n"
    place.write(effects, "note.txt", b"other")
    assert place.read((*effects, FileWritten("note.txt", b"other")), "note.txt") == b"other"
    assert place.read(effects, "note.txt") == b"hello\n"


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "kit"])
def test_what_cannot_be_written_or_read_is_said(place: Workplace, path: str) -> None:
    with pytest.raises(ValueError):
        place.write((), path, b"x")
    assert place.read((), path) is None


def test_a_fork_has_the_state_of_the_shell(place: Workplace, pool: SandboxPool) -> None:
    _, before = run(place, (), RICH)
    fork, replay = place.fork(), Workplace(pool, 60.0)
    replay.begin(REPO)
    out = [run(each, before, ASK)[0] for each in (place, fork, replay)]
    assert out[0] == out[1] == out[2]
    assert (
        out[0].startswith("/work/kit\nin f 5\n5 x  y b c v 3\n")
        and "hello z" in out[0]
        and "/tmp\n" in out[0]
    )
    assert "readonly variable" in out[0]
    fork.close()
    replay.close()


def test_a_fork_goes_its_own_way(place: Workplace, sandboxes: Counting) -> None:
    _, before = run(place, (), "x=1; echo a > file")
    fork = place.fork()
    _, after = run(fork, before, "x=2; echo b > file; rm note.txt")
    assert run(place, before, "echo $x; cat file note.txt")[0] == "1\na\nhello\n"
    place.close()
    assert run(fork, after, "echo $x; cat file; ls")[0] == "2\nb\nfile\nkit\n"
    fork.close()
    assert sandboxes.opened == 1


def test_a_shell_that_cannot_report_its_state_is_replayed(
    place: Workplace, sandboxes: Counting
) -> None:
    _, before = run(place, (), "x=1; exec 1>/dev/null")
    fork = place.fork()
    result = fork.run(before, "echo lost; echo $x >&2")
    assert (result.stdout + result.stderr) == "1\n"
    fork.close()
    assert sandboxes.opened == 2


def test_a_fork_before_anything_has_run(place: Workplace) -> None:
    fork = place.fork()
    assert run(fork, (), "ls")[0] == run(place, (), "ls")[0] == "kit\nnote.txt\n"
    fork.close()


def test_a_shell_that_ended_is_followed_by_a_new_one(place: Workplace, pool: SandboxPool) -> None:
    assert place.run((), "cd kit; exit 4").exit_code == 4
    out, _ = run(
        place, (CommandRun("cd kit; exit 4"),), "pwd; python3 -c 'import kit.a; print(kit.a.X)'"
    )
    assert out == "/work\n1\n"
    short = Workplace(pool, 0.5)
    short.begin(REPO)
    assert short.run((), "cd kit; sleep 60").error == "timeout"
    short.close()


def test_nothing_of_an_episode_is_left_for_the_next(place: Workplace, sandboxes: Counting) -> None:
    run(
        place,
        (),
        "echo x > left; echo y > /tmp/left; echo z > /dev/shm/left; git commit -q "
        "--allow-empty -m mine; (sleep 300 &)",
    )
    place.close()
    out, _ = run(
        place,
        (),
        "ls . /tmp /dev/shm; git log --oneline | wc -l; cat /proc/[0-9]*/cmdline | tr '\\0' ' "
        "' | grep -c '[s]leep 300'",
    )
    assert out.split() == [".:", "kit", "note.txt", "/dev/shm:", "/tmp:", "1", "0"]
    assert sandboxes.opened == 1


def test_the_repository_has_one_commit_that_tells_nothing(place: Workplace) -> None:
    if place.run((), "command -v git").exit_code:
        pytest.skip("there is no git on this machine")
    place.close()
    out, _ = run(
        place,
        (),
        "git status --short; git log --all --format='%an %ae %aI %s'; git stash list; ls .git",
    )
    lines = out.splitlines()
    assert lines[0] == "agent agent 2000-01-01T00:00:00+00:00 Initial commit"
    assert "HEAD" in lines and "hooks" not in lines and "packed-refs" not in lines


def test_what_is_installed_here_is_not_shown(place: Workplace) -> None:
    ask = (
        "python3 -c 'import pytest, kit; print(kit.__file__)'; python3 -c 'import turnwise'; "
        "python3 -c 'import numpy'"
    )
    out, _ = run(place, (), ask)
    assert out.splitlines()[0] == "/work/kit/__init__.py"
    assert out.count("ModuleNotFoundError") == 2
    place.close()
    assert (
        run(place, (), "find / -path /proc -prune -o -name '*turnwise*' -print 2>/dev/null")[0]
        == "/opt/turnwise\n"
    )


def test_submissions_are_taken_when_everything_has_ended(place: Workplace) -> None:
    before: Effects = (
        CommandRun(
            "(while true; do echo changed > kit/a.py; done &) ; sleep 0.2; ln -s /etc/passwd "
            "kit/link.py"
        ),
    )
    taken = place.submission(before)
    assert set(taken.files) >= {"kit/a.py", "kit/__init__.py"} and "kit/link.py" not in taken.files
    assert not any(path.startswith(".git/") for path in taken.files)


def test_directories_and_sandboxes_are_kept_within_bounds(pool: SandboxPool) -> None:
    def played(number: int) -> Workplace:
        place = Workplace(pool, 60.0)
        place.begin(StartingTree.of({"a.py": b"x = %d\n" % number}))
        assert run(place, (), "cat a.py")[0] == f"x = {number}\n"
        return place

    for number in range(4):
        played(number).close()
    folders = list(pool._folders.values())
    assert len(folders) == len(pool._waiting) == 2 and all(folder.is_dir() for folder in folders)
    held = played(3)
    for number in range(6, 9):
        played(number).close()
    assert run(held, (CommandRun("cat a.py"),), "cat a.py")[0] == "x = 3\n", (
        "what somebody works over stays"
    )
    held.close()


def test_a_forgotten_pool_leaves_nothing(sandboxes: Counting) -> None:
    pool = SandboxPool(sandboxes, LIMITS)
    place = Workplace(pool, 60.0)
    place.begin(REPO)
    run(place, (), "true")
    (folder,) = pool._folders.values()
    assert folder.is_dir()
    del pool, place
    gc.collect()
    assert not folder.exists()


def test_a_sandbox_that_fails_raises(place: Workplace) -> None:
    run(place, (), "true")
    place._held[0].close()
    with pytest.raises(SandboxError):
        place.read((CommandRun("true"),), "note.txt")


@pytest.mark.parametrize("backend", ["landlock", "unsafe"])
def test_a_backend_that_shows_what_is_installed_is_refused(backend: str) -> None:
    with pytest.raises(SandboxError, match="use one of jail"):
        opener(backend)(Spec())
