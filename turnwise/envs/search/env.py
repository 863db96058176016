"""Search: answer a question by looking passages up, hop after hop.

The agent writes `search[query]`, and the best passages of the corpus are the next observation, a
line each; or `answer[text]`, which ends the episode and is compared with the reference. That is the
setting of Search-R1 (Jin et al. 2025, arXiv 2503.09516) with a search engine that needs no server:
BM25 over generated worlds, or over passages of one's own. An episode is one small immutable
`Place`, so a snapshot costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from turnwise.envs.base import Info, Outcome, TaskId, TurnEnv
from turnwise.envs.search import sources
from turnwise.envs.search.actions import ADMISSIBLE, HELP, parse
from turnwise.envs.search.corpus import Corpus, Passage, Question
from turnwise.envs.search.generate import Difficulty
from turnwise.envs.search.grading import exact_match, f1
from turnwise.errors import ConfigError, TaskError, unknown

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""
REWARDS = ("em", "f1")
NOTHING = "No passage has a word of that query."
OVER = "The question has been answered; the episode is over."
CUT = " ..."

Questions = Sequence[Question] | Mapping[str, Sequence[Question]]
Files = str | Path | Mapping[str, str | Path]


class SearchInfo(Info):
    """`Info`, and what the search did."""

    passages: list[str]
    """Ids of the passages this turn's search brought, the best first."""
    searches: int
    """Searches so far."""


class Place(NamedTuple):
    """An episode between two turns."""

    searches: tuple[str, ...] = ()
    """Queries so far, in lower case, repeats included."""
    passages: tuple[str, ...] = ()
    answer: str | None = None
    score: float = 0.0
    right: bool = False


class SearchEnv(TurnEnv[tuple[Place, Outcome]]):
    """Questions over a corpus.

    Args:
        corpus: a file of passages, passages, or a `Corpus`; None for generated worlds, or for the
            passages that stand with the questions of a file (`context`).
        questions: a file of questions, or questions; for several splits a mapping from their names.
        fields: how the fields of files are called, and `preset`: see `turnwise.envs.search.files`.
        k: passages a search brings, at most.
        passage_chars: characters shown of a passage; 0 for all.
        reward: `em`, 1.0 for an exact match and else 0.0, or `f1`.
        split: the split `reset` draws from.
        worlds: generated worlds; a tenth each, and at least one, is for dev and for test.
        world_seed: seeds the worlds.
        style: `full`, English sentences; for tiny models `compact`, lists, or `facts`, a passage
        for every fact.
        entities: who and what there is in a world; each has a passage.
        per_world: questions about each world.
        hops: how many passages questions need, of 1 to 4.
        kinds: of questions: `chain`, `comparison`, `intersection`.
        distractors: passages that only mention names, for each entity.
        overlap: share of names that have a word of another.

    Raises:
        ConfigError: for an unknown or impossible setting.
        TaskError: for a split there is not.
        DataError: for files that are not there or not what they should be.
    """

    stochastic = False

    def __init__(
        self, corpus: Corpus | Sequence[Passage] | str | Path | None = None, questions: Questions | Files | None = None, *,
        fields: Mapping[str, str] | None = None, k: int = 3, passage_chars: int = 600, reward: str = "em", split: str = "train",
        worlds: int = 50, world_seed: int = 0, style: str = "full", entities: int = 60, per_world: int = 20,
        hops: Sequence[int] = (1, 2, 3), kinds: Sequence[str] = ("chain", "comparison", "intersection"), distractors: float = 0.5,
        overlap: float = 0.2, render_mode: str | None = None,
    ) -> None:  # fmt: skip
        if reward not in REWARDS:
            raise unknown("reward", reward, REWARDS, "Search")
        if k < 1 or passage_chars < 0:
            raise ConfigError(
                f"k={k} passages must be at least 1, and passage_chars={passage_chars} at least 0"
            )
        self._recipe: tuple[Any, ...] | None = None
        if corpus is None and questions is None:
            if isinstance(kinds, str) or isinstance(hops, int):
                raise ConfigError(
                    f"hops={hops!r} and kinds={kinds!r} are lists, such as [1, 2] and ['chain']"
                )
            difficulty = Difficulty(
                style, entities, per_world, tuple(hops), tuple(kinds), distractors, overlap
            )
            self._recipe = sources.generated, difficulty, worlds, world_seed
        elif questions is None:
            raise ConfigError("a corpus was given and no questions about it: give questions too")
        elif _is_file(questions):
            self._recipe = _loading(corpus, questions, fields or {})
        self.source = self._share() if self._recipe else _given(corpus, questions)
        if self.source.splits == ("all",) and split == "train":
            split = "all"
        if split not in self.source.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self.source.splits)}"
            )
        super().__init__(split, render_mode)
        self.k, self.passage_chars, self.reward = k, passage_chars, reward

    def _share(self) -> sources.Source:
        assert self._recipe is not None
        make, *arguments = self._recipe
        return cast(sources.Source, make(*arguments))

    # The contract
    # -------------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        return self.source.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self.source.of(split)

    @property
    def data_hash(self) -> str:
        parts = (VERSION, self.source.data_hash, self._settings)
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    @property
    def _settings(self) -> tuple[object, ...]:
        return self.k, self.passage_chars, self.reward

    def _begin(self, task: TaskId) -> Outcome:
        self._aim_at(task)
        return self._look(Place(), self._question.question)

    def _aim_at(self, task: TaskId) -> None:
        self._split, self._question, self._corpus = self.source.find(task, self._split)
        key = (self._question.id, self._question.question, self._question.answers, self._settings)
        self._prefix = hashlib.blake2b(
            repr(key).encode("utf8", "surrogatepass"), digest_size=16
        ).digest()

    def _act(self, action: str) -> Outcome:
        place = self._place
        if place.answer is not None:
            return self._look(place._replace(passages=()), OVER, valid=False, terminated=True)
        call = parse(action)
        if call is None:
            return self._look(place._replace(passages=()), HELP, valid=False)
        if call.name == "answer":
            return self._answered(call.argument)
        found = self._corpus.search(call.argument, self.k)
        shown = "\n".join(map(self._line, found)) if found else NOTHING
        searches = (*place.searches, call.argument.lower())
        return self._look(
            place._replace(searches=searches, passages=tuple(passage.id for passage in found)),
            shown,
        )

    def _answered(self, text: str) -> Outcome:
        rewards = {
            "em": exact_match(text, self._question.answers),
            "f1": f1(text, self._question.answers),
        }
        score = rewards[self.reward]
        right = rewards["em"] == 1.0
        place = self._place._replace(passages=(), answer=text, score=score, right=right)
        said = "The answer is right." if right else "The answer is not right."
        return self._look(place, said, reward=score, terminated=True, rewards=rewards)

    def _line(self, passage: Passage) -> str:
        text = f"{passage.title}: {passage.text}" if passage.title else passage.text
        return text if not 0 < self.passage_chars < len(text) else text[: self.passage_chars] + CUT

    def _look(
        self, place: Place, observation: str, *, reward: float = 0.0, terminated: bool = False, valid: bool = True,
        rewards: dict[str, float] | None = None,
    ) -> Outcome:  # fmt: skip
        self._place, question = place, self._question
        return Outcome(
            observation=observation, instruction=question.question, admissible=list(ADMISSIBLE), state=self._state_hash(place),
            reward=reward, terminated=terminated, valid=valid, success=place.right, score=place.score, rewards=rewards or {},
            tags=list(question.tags),
        )  # fmt: skip

    def _state_hash(self, place: Place) -> str:
        """Of the question, its answers and the settings; the searches so far, in order; and the
        answer given.
        """
        parts = repr((place.searches, place.answer)).encode("utf8", "surrogatepass")
        return hashlib.blake2b(self._prefix + parts, digest_size=8).hexdigest()

    def _info(self, last: Outcome) -> SearchInfo:
        return SearchInfo(
            **super()._info(last),
            passages=list(self._place.passages),
            searches=len(self._place.searches),
        )

    def expert_action(self) -> str | None:
        """The question's plan, search by search, then its answer; without a plan the question
        itself is searched once.
        """
        if self._task is None or self._place.answer is not None:
            return None
        for query in self._question.plan or (self._question.question,):
            if " ".join(query.split()).lower() not in self._place.searches:
                return f"search[{query}]"
        return f"answer[{self._question.answers[0]}]"

    # Snapshots and pickles
    # ----------------------------------------------------------------------------------------

    def _save(self) -> tuple[Place, Outcome]:
        assert self._last is not None
        return self._place, self._last

    def _load(self, state: tuple[Place, Outcome]) -> None:
        assert self._task is not None
        self._aim_at(self._task)
        self._place, self._last = state

    def __getstate__(self) -> dict[str, Any]:
        if self._recipe is None:
            return dict(self.__dict__)
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("source", "_question", "_corpus")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._recipe is not None:
            self.source = self._share()
        if self._task is not None:
            self._aim_at(self._task)


def _is_file(questions: object) -> bool:
    several = list(questions.values()) if isinstance(questions, Mapping) else [questions]
    return bool(several) and all(isinstance(one, str | Path) for one in several)


def _loading(corpus: object, questions: Any, fields: Mapping[str, str]) -> tuple[Any, ...]:
    if corpus is not None and not isinstance(corpus, str | Path):
        raise ConfigError(
            "the questions are files and the corpus is not: give both as files, or both as objects"
        )
    if not isinstance(fields, Mapping):
        raise ConfigError(
            f"fields of a Search are a table such as {{'answer': 'golden_answers'}}, and {fields!r} is not"
        )
    files = questions if isinstance(questions, Mapping) else {"all": questions}
    splits = tuple((str(split), Path(path)) for split, path in files.items())
    return sources.loaded, None if corpus is None else Path(corpus), splits, tuple(fields.items())


def _given(corpus: Any, questions: Any) -> sources.Given:
    if corpus is None or isinstance(corpus, str | Path):
        raise ConfigError(
            "the questions are objects, so the corpus must be one: give passages, or a Corpus"
        )
    held = questions if isinstance(questions, Mapping) else {"all": questions}
    return sources.Given(
        corpus if isinstance(corpus, Corpus) else Corpus(corpus),
        {str(name): tuple(several) for name, several in held.items()},
    )
