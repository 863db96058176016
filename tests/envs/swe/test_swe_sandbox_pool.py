"""The sandbox pool: sharing, closing, and directories on disk, with fake sandboxes."""

from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace

import pytest

from turnwise.envs.swe import sandbox_pool
from turnwise.envs.swe.sandbox_pool import SandboxPool, StartingTree, opener
from turnwise.sandbox.contract import Limits, Result, SandboxError, Spec


class Box:
    """Notes what becomes of it."""

    def __init__(self, spec: Spec, sandboxes: Sandboxes) -> None:
        self.spec, self.sandboxes, self.open = spec, sandboxes, True
        self.commands = []  # type: ignore[var-annotated]
        self.capabilities = SimpleNamespace(fork=sandboxes.forks)

    def run(self, command: str, timeout: float) -> Result:
        self.commands.append(command)
        return self.sandboxes.answer

    def fork(self) -> Box:
        if self.sandboxes.harmed:
            self.sandboxes.harmed -= 1
            raise SandboxError("harmed")
        return self.sandboxes.add(Box(self.spec, self.sandboxes))

    def close(self) -> None:
        self.open = False


class Sandboxes:
    def __init__(self) -> None:
        self.made: list[Box] = []
        self.answer, self.forks, self.harmed = Result("", "", 0), True, 0

    def add(self, sandbox: Box) -> Box:
        self.made.append(sandbox)
        return sandbox

    def __call__(self, spec: Spec) -> Box:
        return self.add(Box(spec, self))

    @property
    def open(self) -> int:
        return sum(sandbox.open for sandbox in self.made)


@pytest.fixture
def sandboxes(monkeypatch: pytest.MonkeyPatch) -> Sandboxes:
    monkeypatch.setattr(
        sandbox_pool.python,
        "spec",
        lambda workspace, limits, requires=(): Spec(workspace=workspace, limits=limits),
    )
    return Sandboxes()


def pool(sandboxes: Sandboxes, keep: int = 2) -> SandboxPool:
    return SandboxPool(sandboxes, Limits(), keep)  # type: ignore[arg-type]


def repo(text: str) -> StartingTree:
    return StartingTree.of({"kit/a.py": text.encode()}, ("", "src"))


def test_an_episode_works_in_a_copy_and_the_next_one_too(sandboxes: Sandboxes) -> None:
    shared, one = pool(sandboxes), repo("1")
    shared.lease(one)
    copy, origin = shared.take(one)
    assert (
        len(sandboxes.made) == 2
        and copy is not origin
        and "git init" in sandboxes.made[0].commands[0]
        and sandboxes.made[1].commands == []
    )
    shared.put_back(one, origin)
    assert shared.take(repo("1"))[1] is origin, "an equal tree is the same repository"
    assert shared.take(one)[1] is not origin, "two at the same time never share one"
    assert sandboxes.made[0].spec.environment["TURNWISE_ROOTS"] == "/work:/work/src"
    assert (Path(sandboxes.made[0].spec.workspace) / "kit" / "a.py").read_text() == "1"


def test_one_that_cannot_be_copied_any_more_is_made_again(sandboxes: Sandboxes) -> None:
    shared, one = pool(sandboxes), repo("1")
    _, origin = shared.take(one)
    shared.put_back(one, origin)
    sandboxes.harmed = 1
    copy, other = shared.take(one)
    assert not origin.open and copy.open and other.open  # type: ignore[attr-defined]
    assert other is not origin


def test_a_backend_without_copies_is_worked_in_itself(sandboxes: Sandboxes) -> None:
    sandboxes.forks = False
    assert len(pool(sandboxes).take(repo("1"))) == 1 == len(sandboxes.made)


def test_nothing_stays_open_where_making_fails(sandboxes: Sandboxes) -> None:
    sandboxes.answer = Result("fatal: no room", "", 128)
    with pytest.raises(SandboxError, match=r"git could not begin the repository .*no room"):
        pool(sandboxes).take(repo("1"))
    sandboxes.answer, sandboxes.harmed = Result("", "", 0), 1
    with pytest.raises(SandboxError, match="harmed"):
        pool(sandboxes).take(repo("1"))
    assert sandboxes.open == 0


def test_no_more_wait_than_are_kept_and_folders_go_with_them(sandboxes: Sandboxes) -> None:
    shared = pool(sandboxes, keep=2)
    repos = [repo(str(number)) for number in range(4)]
    for one in repos:
        shared.lease(one)
        copy, origin = shared.take(one)
        copy.close()
        shared.put_back(one, origin)
    assert sandboxes.open == 2
    folders = [Path(sandbox.spec.workspace) for sandbox in sandboxes.made[::2]]
    assert all(folder.is_dir() for folder in folders), "all are in use"
    for one in repos:
        shared.release(one)
    assert sum(folder.is_dir() for folder in folders) == 2
    del shared
    gc.collect()
    assert sandboxes.open == 0 and not any(folder.exists() for folder in folders)


def test_what_another_process_made_is_left_to_it(sandboxes: Sandboxes, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    sandbox = sandboxes(Spec())
    folders = sandbox_pool.OrderedDict(key=folder)
    sandbox_pool._clear(-1, [("key", sandbox)], folders)  # type: ignore[list-item]
    assert sandbox.open and folder.is_dir()


def test_a_backend_that_shows_what_is_installed_is_refused() -> None:
    with pytest.raises(SandboxError, match="landlock backend shows what is installed here"):
        opener("landlock")(Spec())
    given = lambda spec: pytest.fail("never opened")  # noqa: E731
    assert opener(given) is given
