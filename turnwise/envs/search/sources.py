"""Sources of tasks: the questions of each split and the passages each is asked about.

A generated world is made when one of its tasks is first played, and kept. The last tenth of the
worlds is the test split, the tenth before it the dev split, the others are for training. Facts of
one world do not hold in another, and no name of a held-out world has a word of a name in training.
Questions from files or objects keep the splits they are given in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from turnwise.envs.base import TaskId
from turnwise.envs.search.corpus import Corpus, Question
from turnwise.envs.search.files import load_corpus, load_questions, passages_of
from turnwise.envs.search.generate import SearchDifficulty, SearchWorld, make_world
from turnwise.errors import ConfigError, TaskError

SPLITS = ("train", "dev", "test")


class SearchTask(NamedTuple):
    """A question, its split, and the corpus that answers it."""

    split: str
    question: Question
    corpus: Corpus


class TaskSource(Protocol):
    """The tasks of an environment."""

    splits: tuple[str, ...]
    data_hash: str

    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the task ids of a split. Raises `TaskError` for an unknown one."""
        ...

    def find(self, task: TaskId, split: str) -> SearchTask:
        """Return a task, looked up in `split` first. Raises `TaskError` if there is none."""
        ...


class GeneratedQuestions:
    """Questions about generated worlds; a task is `world/number`.

    Raises:
        ConfigError: for fewer than three worlds, or worlds without so many questions.
    """

    def __init__(self, difficulty: SearchDifficulty, worlds: int, seed: int) -> None:
        if worlds < 3:
            raise ConfigError(
                f"worlds={worlds}: each of train, dev and test has worlds of its own, "
                "so give at least 3"
            )
        self.difficulty, self.seed = difficulty, seed
        held_out = max(1, worlds // 10)
        edges = (0, worlds - 2 * held_out, worlds - held_out, worlds)
        self._numbers = {
            split: range(*span) for split, span in zip(SPLITS, pairwise(edges), strict=True)
        }
        self.splits = SPLITS
        self._worlds: dict[int, SearchWorld] = {}
        self._tasks: dict[str, tuple[str, ...]] = {}
        world = self.world(0)  # so that impossible settings fail at once
        content = (world.corpus.data_hash(), world.questions)
        self.data_hash = hashlib.blake2b(
            repr((difficulty, worlds, seed, content)).encode(), digest_size=16
        ).hexdigest()

    def split_of(self, world: int) -> str:
        """Return the split of a world. Raises `TaskError` if there is no such world."""
        for split, numbers in self._numbers.items():
            if world in numbers:
                return split
        raise TaskError(
            f"there is no world {world}: this Search has {self._numbers['test'].stop} worlds, "
            "numbered from 0"
        )

    def world(self, number: int) -> SearchWorld:
        """Return a world by its number, made on first use."""
        world = self._worlds.get(number)
        if world is None:
            split = self.split_of(number)
            world = self._worlds[number] = make_world(self.difficulty, self.seed, number, split)
        return world

    def tasks(self, split: str) -> Sequence[TaskId]:
        _check_split(split, self.splits)
        if split not in self._tasks:
            numbers = range(self.difficulty.per_world)
            self._tasks[split] = tuple(
                f"{world}/{number}" for world in self._numbers[split] for number in numbers
            )
        return self._tasks[split]

    def find(self, task: TaskId, split: str) -> SearchTask:
        world, _, number = str(task).partition("/")
        decimal = world.isdecimal() and number.isdecimal()
        if not (decimal and str(task) == f"{int(world)}/{int(number)}"):
            raise TaskError(
                f"there is no task {task!r}: a generated question is called world/number, "
                "such as 0/3"
            )
        split = self.split_of(int(world))
        if int(number) >= self.difficulty.per_world:
            raise TaskError(
                f"there is no task {task!r}: each world has {self.difficulty.per_world} questions, "
                "numbered from 0"
            )
        made = self.world(int(world))
        return SearchTask(split, made.questions[int(number)], made.corpus)


class ProvidedQuestions:
    """Questions about a corpus of the user's; a task is the id of a question.

    Raises:
        ConfigError: for a split without questions, or with two of the same id.
    """

    def __init__(self, corpus: Corpus, questions: Mapping[str, Sequence[Question]]) -> None:
        self.corpus = corpus
        self.splits = tuple(questions)
        self._by_id = {
            split: {question.id: question for question in several}
            for split, several in questions.items()
        }
        for split, several in questions.items():
            if not several or len(several) != len(self._by_id[split]):
                raise ConfigError(
                    f"split {split!r} has no questions, or two with one id: "
                    "each question needs an id of its own"
                )
        self._tasks = {split: tuple(by_id) for split, by_id in self._by_id.items()}
        content = (corpus.data_hash(), self._by_id)
        self.data_hash = hashlib.blake2b(
            repr(content).encode("utf8", "surrogatepass"), digest_size=16
        ).hexdigest()

    def tasks(self, split: str) -> Sequence[TaskId]:
        _check_split(split, self.splits)
        return self._tasks[split]

    def find(self, task: TaskId, split: str) -> SearchTask:
        for name in sorted(self.splits, key=lambda name: name != split):
            question = self._by_id[name].get(str(task))
            # An id is text, so the number 3 does not name the question "3".
            if question is not None and question.id == task:
                return SearchTask(name, question, self.corpus)
        raise TaskError(f"there is no question {task!r} here: tasks(split) lists them")


def _check_split(split: str, splits: tuple[str, ...]) -> None:
    if split not in splits:
        raise TaskError(f"there is no split {split!r} here: choose one of {', '.join(splits)}")


@lru_cache(maxsize=8)
def generated(difficulty: SearchDifficulty, worlds: int, seed: int) -> GeneratedQuestions:
    """Return the source over generated worlds, shared by all environments of a process."""
    return GeneratedQuestions(difficulty, worlds, seed)


@lru_cache(maxsize=4)
def loaded(
    corpus: Path | None,
    questions: tuple[tuple[str, Path], ...],
    fields: tuple[tuple[str, str], ...],
) -> ProvidedQuestions:
    """Return the source over files, shared by all environments of a process.

    Args:
        corpus: a file of passages; None for those that the files of questions contain.
        questions: (split, file) pairs.
        fields: names of fields, see `turnwise.envs.search.files`.
    """
    mapping = dict(fields)
    by_split = {split: load_questions(path, mapping) for split, path in questions}
    if corpus is None:
        passages = passages_of([path for _, path in questions], mapping)
    else:
        passages = load_corpus(corpus, mapping)
    return ProvidedQuestions(Corpus(passages), by_split)


def provided(corpus: Any, questions: Any) -> ProvidedQuestions:
    """Return the source over objects: passages or a `Corpus`, and questions or splits of them.

    Raises:
        ConfigError: if the corpus is missing or a file.
    """
    if corpus is None or isinstance(corpus, str | Path):
        raise ConfigError(
            "the questions are objects and the corpus is not: give passages, or a Corpus"
        )
    splits = questions if isinstance(questions, Mapping) else {"all": questions}
    return ProvidedQuestions(
        corpus if isinstance(corpus, Corpus) else Corpus(corpus),
        {str(name): tuple(several) for name, several in splits.items()},
    )


def file_arguments(corpus: object, questions: Any, fields: Any) -> tuple[Any, ...] | None:
    """Return the arguments of `loaded` for questions from files; None if they are objects.

    Raises:
        ConfigError: if the questions are files and the corpus is not, or `fields` is no table.
    """
    files = questions if isinstance(questions, Mapping) else {"all": questions}
    if not files or not all(isinstance(path, str | Path) for path in files.values()):
        return None
    if corpus is not None and not isinstance(corpus, str | Path):
        raise ConfigError(
            "the questions are files and the corpus is not: give both as files, or both as objects"
        )
    if not isinstance(fields, Mapping):
        raise ConfigError(
            f"fields={fields!r} is not a table: write one such as {{'answer': 'golden_answers'}}"
        )
    splits = tuple((str(split), Path(path)) for split, path in files.items())
    return None if corpus is None else Path(corpus), splits, tuple(fields.items())
