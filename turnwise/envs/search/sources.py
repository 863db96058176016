"""Which questions there are, split by split, and over which passages each is asked; shared by all
environments of a process.

Generated worlds are made when a task of theirs is first played, and kept. The last tenth of the
worlds is the test split, the tenth before it the dev split, the others are for training: what is
said in one world does not hold in another, and no name of a held-out world has a word of a name in
a training world. Questions somebody brought are split as they were brought.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from turnwise.envs.base import TaskId
from turnwise.envs.search.corpus import Corpus, Question
from turnwise.envs.search.files import load_corpus, load_questions, passages_of
from turnwise.envs.search.generate import Difficulty, World, make_world
from turnwise.errors import ConfigError, TaskError

SPLITS = ("train", "dev", "test")


class Found(NamedTuple):
    """A task."""

    split: str
    question: Question
    corpus: Corpus


class Source(Protocol):
    """Tasks and what they are asked about."""

    splits: tuple[str, ...]
    data_hash: str

    def of(self, split: str) -> Sequence[TaskId]:
        """Task ids of a split. Raises `TaskError` for an unknown one."""
        ...

    def find(self, task: TaskId, split: str) -> Found:
        """A task, looked for in `split` first. Raises `TaskError` where there is none."""
        ...


class Generated:
    """Worlds from a seed; a task is `world/number`.

    Raises:
        ConfigError: for fewer than three worlds, or worlds that do not have so many questions.
    """

    def __init__(self, difficulty: Difficulty, worlds: int, seed: int) -> None:
        if worlds < 3:
            raise ConfigError(
                f"worlds={worlds}: each of train, dev and test has worlds of its own, so give at least 3"
            )
        self.difficulty, self.seed = difficulty, seed
        held_out = max(1, worlds // 10)
        first = worlds - 2 * held_out
        self._worlds = dict(
            zip(
                SPLITS,
                (range(first), range(first, worlds - held_out), range(worlds - held_out, worlds)),
                strict=True,
            )
        )
        self.splits = SPLITS
        self._made: dict[int, World] = {}
        self._tasks: dict[str, tuple[str, ...]] = {}
        world = self.world(0)  # settings that make no world are refused at once
        content = (world.corpus.data_hash(), world.questions)
        self.data_hash = hashlib.blake2b(
            repr((difficulty, worlds, seed, content)).encode(), digest_size=16
        ).hexdigest()

    def split_of(self, world: int) -> str:
        """The split of a world. Raises `TaskError` where there is no such world."""
        for split, worlds in self._worlds.items():
            if world in worlds:
                return split
        raise TaskError(
            f"there is no world {world}: this Search has {self._worlds['test'].stop} worlds, numbered from 0"
        )

    def world(self, number: int) -> World:
        """A world by its number."""
        made = self._made.get(number)
        if made is None:
            made = self._made[number] = make_world(
                self.difficulty, self.seed, number, self.split_of(number)
            )
        return made

    def of(self, split: str) -> Sequence[TaskId]:
        _known(split, self.splits)
        if split not in self._tasks:
            numbers = range(self.difficulty.per_world)
            self._tasks[split] = tuple(
                f"{world}/{number}" for world in self._worlds[split] for number in numbers
            )
        return self._tasks[split]

    def find(self, task: TaskId, split: str) -> Found:
        world, _, number = str(task).partition("/")
        if not (
            world.isdecimal() and number.isdecimal() and str(task) == f"{int(world)}/{int(number)}"
        ):
            raise TaskError(
                f"there is no task {task!r}: a generated question is called world/number, such as 0/3"
            )
        split = self.split_of(int(world))
        if int(number) >= self.difficulty.per_world:
            raise TaskError(
                f"there is no task {task!r}: each world has {self.difficulty.per_world} questions, numbered from 0"
            )
        made = self.world(int(world))
        return Found(split, made.questions[int(number)], made.corpus)


class Given:
    """A corpus and questions that someone brought.

    Raises:
        ConfigError: for a split without questions, or two questions of one id in a split.
    """

    def __init__(self, corpus: Corpus, questions: Mapping[str, Sequence[Question]]) -> None:
        self.corpus = corpus
        self.splits = tuple(questions)
        self._of = {
            split: {question.id: question for question in several}
            for split, several in questions.items()
        }
        for split, several in questions.items():
            if not several or len(several) != len(self._of[split]):
                raise ConfigError(
                    f"split {split!r} has no questions, or two with one id: each question needs an id of its own"
                )
        self._tasks = {split: tuple(several) for split, several in self._of.items()}
        content = (corpus.data_hash(), self._of)
        self.data_hash = hashlib.blake2b(
            repr(content).encode("utf8", "surrogatepass"), digest_size=16
        ).hexdigest()

    def of(self, split: str) -> Sequence[TaskId]:
        _known(split, self.splits)
        return self._tasks[split]

    def find(self, task: TaskId, split: str) -> Found:
        for name in sorted(self.splits, key=lambda name: name != split):
            question = self._of[name].get(str(task))
            if question is not None and question.id == task:
                return Found(name, question, self.corpus)
        raise TaskError(f"there is no question {task!r} here: tasks(split) lists them")


def _known(split: str, splits: tuple[str, ...]) -> None:
    if split not in splits:
        raise TaskError(f"there is no split {split!r} here: choose one of {', '.join(splits)}")


@lru_cache(maxsize=8)
def generated(difficulty: Difficulty, worlds: int, seed: int) -> Generated:
    """The worlds of these arguments."""
    return Generated(difficulty, worlds, seed)


@lru_cache(maxsize=4)
def loaded(
    corpus: Path | None,
    questions: tuple[tuple[str, Path], ...],
    fields: tuple[tuple[str, str], ...],
) -> Given:
    """Questions from files, a split each, over the passages of a file, or over those that stand
    with the questions.
    """
    mapping = dict(fields)
    asked = {split: load_questions(path, mapping) for split, path in questions}
    if corpus is None:
        return Given(Corpus(passages_of([path for _, path in questions], mapping)), asked)
    return Given(Corpus(load_corpus(corpus, mapping)), asked)
