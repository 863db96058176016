"""The environment: actions, rewards, states, and the contract."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import turnwise  # noqa: F401 (registers)
from turnwise.envs import search
from turnwise.envs.checks import check_turn_env
from turnwise.envs.search import Corpus, Passage, Question, SearchEnv
from turnwise.envs.search.env import INVALID_ACTION, NO_PASSAGE
from turnwise.errors import ConfigError, DataError, TaskError

SMALL: dict[str, Any] = {"worlds": 5, "style": "compact", "entities": 16, "per_world": 6}
PASSAGES = [
    Passage("a", "Ada Lovelace", "Ada Lovelace was taught by Mary Somerville."),
    Passage(
        "b", "Mary Somerville", "The astronomer was born in Jedburgh, a town on the Jed Water."
    ),
    Passage("c", "", "Jedburgh has an abbey."),
]
QUESTIONS = {
    "train": [
        Question(
            "q1",
            "Where was the teacher of Ada Lovelace born?",
            ("Jedburgh", "The town of Jedburgh"),
            tags=("hops=2",),
        )
    ],
    "test": [Question("q2", "What does Jedburgh have?", ("an abbey",))],
}


def given(**settings: Any) -> SearchEnv:
    return SearchEnv(PASSAGES, QUESTIONS, **settings)


def begun(**settings: Any) -> SearchEnv:
    env = given(**settings)
    env.reset(options={"task": "q1"})
    return env


def test_searches_show_the_best_passages_a_line_each() -> None:
    env = given(k=2)
    observation, info = env.reset(seed=0)
    assert observation == info["instruction"] == "Where was the teacher of Ada Lovelace born?"
    assert (info["admissible"], info["tags"], info["searches"]) == (
        ["search[<query>]", "answer[<text>]"],
        ["hops=2"],
        0,
    )
    observation, reward, done, _, info = env.step("search[astronomer Mary Somerville]")
    assert observation.split("\n") == [
        "Mary Somerville: The astronomer was born in Jedburgh, a town on the Jed Water.",
        "Ada Lovelace: Ada Lovelace was taught by Mary Somerville.",
    ]
    assert (reward, done, info["passages"], info["searches"], info["valid"]) == (
        0.0,
        False,
        ["b", "a"],
        1,
        True,
    )
    assert env.step("search[abbey]")[0] == "Jedburgh has an abbey."  # no title, no colon
    assert begun(k=1).step("search[Jedburgh]")[0].count("\n") == 0


def test_an_answer_ends_the_episode_and_is_paid_for_an_exact_match() -> None:
    observation, reward, done, truncated, info = begun().step("answer[the Jedburgh!]")
    assert (reward, done, truncated, info["success"], info["score"]) == (
        1.0,
        True,
        False,
        True,
        1.0,
    )
    assert info["rewards"] == {"em": 1.0, "f1": 1.0} and observation == "The answer is right."
    observation, reward, done, _, info = begun().step("answer[in Jedburgh]")
    assert (reward, done, info["success"], info["rewards"]) == (
        0.0,
        True,
        False,
        {"em": 0.0, "f1": pytest.approx(2 / 3)},
    )
    assert observation == "The answer is not right." and info["valid"]


def test_or_for_words_in_common() -> None:
    env = begun(reward="f1")
    _, reward, _, _, info = env.step("answer[in Jedburgh]")
    assert reward == info["score"] == pytest.approx(2 / 3) and not info["success"]
    _, reward, done, _, info = env.step("answer[Jedburgh]")
    assert (
        (reward, done, info["valid"]) == (0.0, True, False)
        and info["score"] == pytest.approx(2 / 3)
        and not info["rewards"]
    )


def test_a_right_answer_stays_right_after_the_end() -> None:
    env = begun()
    env.step("answer[Jedburgh]")
    _, reward, done, _, info = env.step("search[abbey]")
    assert (reward, done, info["success"], info["score"], info["searches"]) == (
        0.0,
        True,
        True,
        1.0,
        0,
    )
    _, info = env.reset(options={"task": "q2"})
    assert not info["success"] and info["split"] == "test"


@pytest.mark.parametrize(
    "action",
    [
        "",
        "Jedburgh",
        "search[]",
        "search[ \n ]",
        "answer[ ]",
        "look[x]",
        "search(x)",
        "I search[x]",
        "search[x",
    ],
)
def test_anything_else_does_nothing_and_says_what_can_be_done(action: str) -> None:
    env = begun()
    before = env.step("search[Ada]")[4]
    observation, reward, done, _, info = env.step(action)
    assert (observation, reward, done, info["valid"]) == (INVALID_ACTION, 0.0, False, False)
    assert info["state"] == before["state"] and info["passages"] == [] and info["searches"] == 1


def test_blanks_and_case_of_the_action_do_not_matter() -> None:
    env, other = begun(), begun()
    one, two = env.step("search[Ada Lovelace]"), other.step(" Search[ada\n  lovelace ] ")
    assert one[0] == two[0] and one[4]["state"] == two[4]["state"] and two[4]["valid"]
    assert begun().step("ANSWER[[jedburgh]]")[1] == 1.0


def test_a_query_without_a_hit_says_so() -> None:
    for query in ("zzz", "the", "?!"):
        observation, _, done, _, info = begun().step(f"search[{query}]")
        assert (observation, done, info["valid"], info["passages"]) == (NO_PASSAGE, False, True, [])


def test_long_passages_are_cut() -> None:
    assert begun(k=1, passage_chars=20).step("search[abbey]")[0] == "Jedburgh has an abbe ..."
    assert begun(k=1, passage_chars=22).step("search[abbey]")[0] == "Jedburgh has an abbey."
    assert begun(k=1, passage_chars=0).step("search[abbey]")[0] == "Jedburgh has an abbey."


def test_the_state_is_the_question_and_the_searches_in_order() -> None:
    states = set()
    for actions in (
        [], ["search[Ada]"], ["search[Jed]"], ["search[Ada]", "search[Jed]"],
        ["search[Jed]", "search[Ada]"], ["search[Ada]", "search[Ada]"], ["answer[x]"],
        ["answer[y]"], ["search[Ada]", "answer[x]"],
    ):  # fmt: skip
        env = begun()
        for action in actions:
            env.step(action)
        state = env._last.state  # type: ignore[union-attr]
        assert state not in states
        states.add(state)
    other = given()
    assert other.reset(options={"task": "q2"})[1]["state"] not in states
    again = begun()
    assert again.step("search[ADA]")[4]["state"] in states


def test_the_expert_of_a_question_without_a_plan_searches_it_and_answers() -> None:
    env = begun()
    assert env.expert_action() == "search[Where was the teacher of Ada Lovelace born?]"
    env.step(env.expert_action() or "")
    assert env.expert_action() == "answer[Jedburgh]"
    assert env.step("answer[Jedburgh]")[1] == 1.0 and env.expert_action() is None
    assert given().expert_action() is None


@pytest.mark.parametrize(
    "settings", [SMALL, {**SMALL, "style": "full", "worlds": 3}], ids=["compact", "full"]
)
def test_the_expert_answers_every_generated_question(settings: dict[str, Any]) -> None:
    for seed in (0, 1, 2):
        env = SearchEnv(**settings, world_seed=seed, k=1)
        for split in env.splits:
            for task in env.tasks(split):
                _, info = env.reset(options={"task": task})
                assert info["split"] == split
                turns = 0
                while (action := env.expert_action()) is not None:
                    *_, info = env.step(action)
                    turns += 1
                assert info["success"] and turns == int(info["tags"][0].removeprefix("hops=")) + 1
                assert turns == info["searches"] + 1


@pytest.mark.parametrize(
    "settings", [SMALL, {"worlds": 3, "entities": 30, "per_world": 5}], ids=["compact", "full"]
)
def test_it_keeps_every_promise(settings: dict[str, Any]) -> None:
    check_turn_env(lambda: SearchEnv(**settings), resets=400)


def test_over_given_passages_too() -> None:
    check_turn_env(given, resets=400, tasks=1)
    check_turn_env(lambda: given(reward="f1"), resets=400, tasks=1, seed=1)


def test_worlds_are_made_once_and_snapshots_are_small() -> None:
    env, other = SearchEnv(**SMALL), SearchEnv(**SMALL, k=1)
    assert env.source is other.source
    env.reset(seed=0)
    before = len(pickle.dumps(env.snapshot()))
    env.step("search[x]")
    assert len(pickle.dumps(env)) < 4000 and before < 2000
    assert env.fork()._corpus is env._corpus


def test_a_snapshot_of_one_task_is_restored_while_another_is_played() -> None:
    env = begun()
    env.step("search[Ada]")
    kept = env.snapshot()
    env.reset(options={"task": "q2"})
    observation, info = env.restore(kept)
    assert observation.startswith("Ada Lovelace: ") and info["task"] == "q1"
    assert env.step("answer[Jedburgh]")[1] == 1.0


def test_the_data_hash_covers_everything_shown_and_rewarded() -> None:
    made = [
        given(), given(k=1), given(passage_chars=9), given(reward="f1"),
        SearchEnv(PASSAGES[:2], QUESTIONS), SearchEnv(PASSAGES, QUESTIONS["test"]),
        SearchEnv(**SMALL), SearchEnv(**SMALL, world_seed=1),
        SearchEnv(**{**SMALL, "worlds": 6}), SearchEnv(**SMALL, overlap=0.5),
    ]  # fmt: skip
    assert len({env.data_hash for env in made}) == len(made)
    assert given().data_hash == SearchEnv(Corpus(PASSAGES), QUESTIONS).data_hash


def test_splits_are_worlds_of_their_own() -> None:
    env = SearchEnv(**{**SMALL, "worlds": 20})
    assert [len(env.tasks(split)) for split in env.splits] == [96, 12, 12]
    assert (
        env.tasks("train")[0] == "0/0"
        and env.tasks("dev")[0] == "16/0"
        and env.tasks("test")[-1] == "19/5"
    )
    for task in ("5", "0/6", "20/0", "0/00", "-1/0", 3, "a/b", "²/0"):
        with pytest.raises(TaskError):
            env.reset(options={"task": task})


def test_questions_without_splits_are_one() -> None:
    env = SearchEnv(PASSAGES, QUESTIONS["train"])
    assert env.splits == ("all",) and env.split == "all" and env.tasks("all") == ("q1",)
    with pytest.raises(TaskError, match="choose one of all"):
        SearchEnv(PASSAGES, QUESTIONS["train"], split="test")


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        ((), {"reward": "exact"}, "known: em, f1"),
        ((), {"k": 0}, "at least 1"),
        ((), {"passage_chars": -1}, "at least 0"),
        ((), {"worlds": 2}, "at least 3"),
        ((), {"hops": 2}, "must be lists"),
        ((), {"kinds": "chain"}, "must be lists"),
        ((PASSAGES,), {}, "without questions"),
        ((None, QUESTIONS), {}, "give passages"),
        ((PASSAGES, "questions.jsonl"), {}, "both as files"),
        ((PASSAGES, {"train": []}), {}, "has no questions"),
        ((PASSAGES, QUESTIONS["test"] * 2), {}, "two with one id"),
        (("passages.jsonl", "questions.jsonl"), {"fields": "nq"}, "is not a table"),
    ],
)
def test_wrong_settings_are_named(
    arguments: tuple[Any, ...], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        SearchEnv(*arguments, **settings)


def test_a_corpus_needs_passages_with_ids_of_their_own() -> None:
    with pytest.raises(DataError, match="at least one passage"):
        Corpus([])
    with pytest.raises(DataError, match="two passages have the id 'a'"):
        Corpus([PASSAGES[0], PASSAGES[1], PASSAGES[0]])


def test_gymnasium_ends_it_after_six_turns() -> None:
    env = gymnasium.make("turnwise/Search-v0", **SMALL)
    env.reset(seed=0)
    assert [env.step("search[x]")[3] for _ in range(6)] == [False] * 5 + [True]


def test_it_imports_no_other_environment() -> None:
    folder = Path(search.__file__).parent
    names = {path.name for path in folder.parent.iterdir() if path.is_dir()} - {folder.name}
    for path in folder.glob("*.py"):
        imported = re.findall(r"turnwise\.envs\.(\w+)", path.read_text(encoding="utf8"))
        assert not names & set(imported), path.name
