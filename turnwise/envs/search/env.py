"""Search: answer a question by looking up passages, hop after hop.

`search[query]` shows the best passages of the corpus, one a line; `answer[text]` ends the episode
and is compared with the reference answers. The setting is that of Search-R1 (Jin et al. 2025, arXiv
2503.09516), with a search engine that needs no server: BM25 over generated worlds, or over a
corpus of files. An episode is one small immutable `SearchState`, so a snapshot costs nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from turnwise.envs.base import Info, Outcome, TaskId, TurnEnv
from turnwise.envs.search import sources
from turnwise.envs.search.corpus import Corpus, Passage, Question
from turnwise.envs.search.generate import SearchDifficulty
from turnwise.envs.search.grading import exact_match, f1
from turnwise.errors import ConfigError, TaskError, unknown

VERSION = 0
"""Part of the data hash; raised when a transcript changes."""
REWARDS = ("em", "f1")
ADMISSIBLE = ("search[<query>]", "answer[<text>]")
INVALID_ACTION = "The actions are search[query] and answer[text]."
NO_PASSAGE = "No passage has a word of that query."
EPISODE_OVER = "The question has been answered; the episode is over."
TRUNCATED = " ..."
_ACTION = re.compile(r"\s*(search|answer)\[(.*)\]\s*", re.IGNORECASE | re.DOTALL)

Questions = Sequence[Question] | Mapping[str, Sequence[Question]]
QuestionFiles = str | Path | Mapping[str, str | Path]


class SearchAction(NamedTuple):
    """A valid action."""

    name: str
    """`search` or `answer`."""
    argument: str
    """The text between the brackets, not empty, with single spaces."""


def parse(action: str) -> SearchAction | None:
    """Return the parsed action, or None if it is invalid or its brackets are blank."""
    found = _ACTION.fullmatch(action)
    if found is None:
        return None
    argument = " ".join(found[2].split())
    return SearchAction(found[1].lower(), argument) if argument else None


class SearchInfo(Info):
    """`Info`, and the result of the search."""

    passages: list[str]
    """Ids of the passages found in this turn, best first."""
    searches: int
    """Number of searches so far."""


class SearchState(NamedTuple):
    """An episode between two turns."""

    searches: tuple[str, ...] = ()
    """Queries so far, in lower case, with repeats."""
    passages: tuple[str, ...] = ()
    """Ids of the passages found in the last turn."""
    answer: str | None = None
    score: float = 0.0
    correct: bool = False


class SearchEnv(TurnEnv[tuple[SearchState, Outcome]]):
    """Questions over a corpus.

    Args:
        corpus: a file of passages, passages, or a `Corpus`; None for generated worlds, or for the
            passages that a file of questions contains (`context`).
        questions: a file of questions, or questions; for several splits a mapping from their names.
        fields: names of the fields in files, and `preset`; see `turnwise.envs.search.files`.
        k: passages a search finds, at most.
        passage_chars: characters shown of a passage; 0 for all.
        reward: `em`, 1.0 for an exact match and else 0.0, or `f1`.
        split: the split that `reset` draws from.
        worlds: number of generated worlds; a tenth of them, at least one, is the dev split and
            another the test split.
        world_seed: seed of the worlds.
        style: `full`, English sentences; for tiny models `compact`, lists of facts, or `facts`, a
            passage for every fact.
        entities: people, works, firms, towns and lands of a world; each has a passage.
        per_world: questions about each world.
        hops: numbers of passages that questions need, each from 1 to 4.
        kinds: kinds of questions: `chain`, `comparison`, `intersection`.
        distractors: passages that only mention names, for each entity.
        overlap: share of names that have a word in common with another.

    Raises:
        ConfigError: for an unknown or impossible setting.
        TaskError: for an unknown split.
        DataError: for a missing or malformed file.
    """

    stochastic = False

    def __init__(
        self,
        corpus: Corpus | Sequence[Passage] | str | Path | None = None,
        questions: Questions | QuestionFiles | None = None,
        *,
        fields: Mapping[str, str] | None = None,
        k: int = 3,
        passage_chars: int = 600,
        reward: str = "em",
        split: str = "train",
        worlds: int = 50,
        world_seed: int = 0,
        style: str = "full",
        entities: int = 60,
        per_world: int = 20,
        hops: Sequence[int] = (1, 2, 3),
        kinds: Sequence[str] = ("chain", "comparison", "intersection"),
        distractors: float = 0.5,
        overlap: float = 0.2,
        render_mode: str | None = None,
    ) -> None:
        if reward not in REWARDS:
            raise unknown("reward", reward, REWARDS, "Search")
        if k < 1 or passage_chars < 0:
            raise ConfigError(
                f"k={k} passages must be at least 1, and passage_chars={passage_chars} at least 0"
            )
        self._source_call: tuple[Any, ...] | None = None
        """The function that makes the source and its arguments; None for questions as objects."""
        if corpus is None and questions is None:
            if isinstance(kinds, str) or isinstance(hops, int):
                raise ConfigError(
                    f"hops={hops!r} and kinds={kinds!r} must be lists, such as [1, 2] and ['chain']"
                )
            difficulty = SearchDifficulty(
                style, entities, per_world, tuple(hops), tuple(kinds), distractors, overlap
            )
            self._source_call = sources.generated, difficulty, worlds, world_seed
        elif questions is None:
            raise ConfigError("a corpus was given without questions: give questions too")
        elif (files := sources.file_arguments(corpus, questions, fields or {})) is not None:
            self._source_call = sources.loaded, *files
        self.source: sources.TaskSource = (
            self._shared_source() if self._source_call else sources.provided(corpus, questions)
        )
        if self.source.splits == ("all",) and split == "train":
            split = "all"
        if split not in self.source.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self.source.splits)}"
            )
        super().__init__(split, render_mode)
        self.k, self.passage_chars, self.reward = k, passage_chars, reward

    def _shared_source(self) -> sources.TaskSource:
        assert self._source_call is not None
        make, *arguments = self._source_call
        return cast(sources.TaskSource, make(*arguments))

    # TurnEnv
    # ----------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        return self.source.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self.source.tasks(split)

    @property
    def data_hash(self) -> str:
        parts = (VERSION, self.source.data_hash, self._settings)
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    @property
    def _settings(self) -> tuple[object, ...]:
        return self.k, self.passage_chars, self.reward

    def _begin(self, task: TaskId) -> Outcome:
        self._load_task(task)
        return self._outcome(SearchState(), self._question.question)

    def _load_task(self, task: TaskId) -> None:
        self._split, self._question, self._corpus = self.source.find(task, self._split)
        key = (self._question.id, self._question.question, self._question.answers, self._settings)
        self._prefix = hashlib.blake2b(
            repr(key).encode("utf8", "surrogatepass"), digest_size=16
        ).digest()

    def _act(self, action: str) -> Outcome:
        state = self._state._replace(passages=())
        if state.answer is not None:
            return self._outcome(state, EPISODE_OVER, valid=False, terminated=True)
        parsed = parse(action)
        if parsed is None:
            return self._outcome(state, INVALID_ACTION, valid=False)
        if parsed.name == "answer":
            return self._answer(parsed.argument)
        found = self._corpus.search(parsed.argument, self.k)
        searches = (*state.searches, parsed.argument.lower())
        return self._outcome(
            state._replace(searches=searches, passages=tuple(passage.id for passage in found)),
            "\n".join(map(self._line, found)) if found else NO_PASSAGE,
        )

    def _answer(self, text: str) -> Outcome:
        answers = self._question.answers
        rewards = {"em": exact_match(text, answers), "f1": f1(text, answers)}
        score, correct = rewards[self.reward], rewards["em"] == 1.0
        state = self._state._replace(passages=(), answer=text, score=score, correct=correct)
        verdict = "The answer is right." if correct else "The answer is not right."
        return self._outcome(state, verdict, reward=score, terminated=True, rewards=rewards)

    def _line(self, passage: Passage) -> str:
        """Return a passage as one line, cut to `passage_chars`."""
        text = f"{passage.title}: {passage.text}" if passage.title else passage.text
        if not 0 < self.passage_chars < len(text):
            return text
        return text[: self.passage_chars] + TRUNCATED

    def _outcome(
        self,
        state: SearchState,
        observation: str,
        *,
        reward: float = 0.0,
        terminated: bool = False,
        valid: bool = True,
        rewards: dict[str, float] | None = None,
    ) -> Outcome:
        """Move to `state` and return its outcome."""
        self._state, question = state, self._question
        return Outcome(
            observation=observation,
            instruction=question.question,
            admissible=list(ADMISSIBLE),
            state=self._state_hash(state),
            reward=reward,
            terminated=terminated,
            valid=valid,
            success=state.correct,
            score=state.score,
            rewards=rewards or {},
            tags=list(question.tags),
        )

    def _state_hash(self, state: SearchState) -> str:
        """Hash the question, its answers, the settings, the searches in order and the answer."""
        parts = repr((state.searches, state.answer)).encode("utf8", "surrogatepass")
        return hashlib.blake2b(self._prefix + parts, digest_size=8).hexdigest()

    def _info(self, last: Outcome) -> SearchInfo:
        return SearchInfo(
            **super()._info(last),
            passages=list(self._state.passages),
            searches=len(self._state.searches),
        )

    def expert_action(self) -> str | None:
        """Return the next query of the question's plan, then its answer.

        Without a plan the question itself is searched once.
        """
        if self._task is None or self._state.answer is not None:
            return None
        for query in self._question.plan or (self._question.question,):
            if " ".join(query.split()).lower() not in self._state.searches:
                return f"search[{query}]"
        return f"answer[{self._question.answers[0]}]"

    # Snapshots and pickles
    # ----------------------------------------------------------------------------------------------

    def _save(self) -> tuple[SearchState, Outcome]:
        assert self._last is not None
        return self._state, self._last

    def _load(self, state: tuple[SearchState, Outcome]) -> None:
        assert self._task is not None
        self._load_task(self._task)
        self._state, self._last = state

    def __getstate__(self) -> dict[str, Any]:
        # A shared source is made again, or found in the cache, by the process that unpickles.
        shared = ("source", "_question", "_corpus") if self._source_call else ()
        return {name: value for name, value in self.__dict__.items() if name not in shared}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._source_call is not None:
            self.source = self._shared_source()
        if self._task is not None:
            self._load_task(self._task)
