"""The environment: contract, info, splits, sharing, pickles."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.envs.webshop.corner_shop import LAMP_GOAL, catalogue
from turnwise.envs.checks import check_turn_env
from turnwise.envs.webshop import Catalogue, Goal, WebShopEnv
from turnwise.envs.webshop.env import WebShopInfo
from turnwise.envs.webshop.goals import product_split
from turnwise.errors import ConfigError, TaskError

SMALL: dict[str, Any] = {"style": "compact", "products": 200}


def corner(**settings: Any) -> WebShopEnv:
    return WebShopEnv(
        catalogue(), goals=[LAMP_GOAL, replace(LAMP_GOAL, instruction="another")], **settings
    )


def walk(env: WebShopEnv, *actions: str, task: int = 0) -> tuple[str, float, bool, dict[str, Any]]:
    observation, info = env.reset(options={"task": task})
    reward, terminated = 0.0, False
    for action in actions:
        observation, reward, terminated, _, info = env.step(action)
    return observation, reward, terminated, info


BUY = (
    "search[desk lamp]",
    "click[b0lamp0001]",
    "click[black]",
    "click[oak brown]",
    'click[12" tall]',
    "click[buy now]",
)


@pytest.mark.parametrize("observation", ["text", "text_rich", "text+options"])
def test_the_contract(observation: str) -> None:
    check_turn_env(
        lambda: WebShopEnv(observation=observation, **SMALL), tasks=1, turns=6, resets=1000
    )


@pytest.mark.slow
def test_the_contract_over_ten_thousand_resets() -> None:
    check_turn_env(lambda: WebShopEnv(**SMALL), resets=10_000)
    check_turn_env(lambda: WebShopEnv(products=300, observation="text_rich"), resets=10_000)


def test_the_contract_over_official_files() -> None:
    # Two goals of the corner shop want a value of a group that another group owns on the page.
    check_turn_env(
        lambda: WebShopEnv(catalogue(), reward="fixed", split_rule="all"),
        resets=500,
        expert_score=0.75,
    )


def test_a_purchase() -> None:
    observation, reward, terminated, info = walk(corner(), *BUY)
    assert terminated and reward == info["score"] == pytest.approx(4 / 5) and not info["success"]
    assert info["rewards"]["r_option"] == 0.5 and info["rewards"]["r_type"] == 1.0
    assert '{"color": "oak brown", "size": "12\\" tall"}' in observation
    assert info["admissible"] == info["clickables"] == []


def test_success_is_the_whole_reward() -> None:
    goal = replace(LAMP_GOAL, options=(("size", '12" tall'),))
    env = WebShopEnv(catalogue(), goals=[goal])
    _, reward, _, info = walk(env, *BUY)
    assert reward == 1.0 and info["success"]


def test_clickables_and_admissible_say_the_same() -> None:
    env = corner()
    *_, info = walk(env)
    assert (info["clickables"], info["admissible"]) == (["search"], ["search[<your query>]"])
    *_, info = walk(env, "search[lamp]")
    assert info["clickables"] == ["back to search", "next >", "b0lamp0001"]
    assert info["admissible"] == ["click[back to search]", "click[next >]", "click[b0lamp0001]"]
    assert set(info) == set(WebShopInfo.__required_keys__)


@pytest.mark.parametrize(
    "action",
    [
        "",
        "buy now",
        "Search[x]",
        "click[nothing]",
        "click[search]",
        "click[description]",
        "x\nsearch[a]",
    ],
)
def test_what_means_nothing_changes_nothing(action: str) -> None:
    env = corner()
    before = walk(env, "search[lamp]")
    observation, reward, terminated, truncated, info = env.step(action)
    assert (observation, reward, terminated, truncated, info["valid"]) == (
        before[0],
        0.0,
        False,
        False,
        False,
    )
    assert info["state"] == before[3]["state"] and info["clickables"] == before[3]["clickables"]


def test_case_of_the_argument_is_ignored() -> None:
    assert walk(corner(), "search[LAMP]", "click[B0LAMP0001]", "click[Buy Now]")[2]


def test_reserved_prefixes_are_text() -> None:
    """The original answers `<r>` with random products; here it is an ordinary word."""
    for query in ("<r> lamp", "<c> lamp", "<q> lamp", "<a> lamp"):
        assert "Total results: 1)" in walk(corner(), f"search[{query}]")[0]


def test_shopping_goes_on_after_the_purchase() -> None:
    env = corner()
    walk(env, *BUY)
    observation, reward, terminated, _, info = env.step("click[buy now]")
    assert "Thank you" in observation and (reward, terminated, info["valid"], info["rewards"]) == (
        0.0,
        False,
        False,
        {},
    )
    observation, _, terminated, _, info = env.step("search[mug]")
    assert "Kiln Mug" in observation and not terminated and info["score"] == 0.0


def test_states_differ_where_behaviour_does() -> None:
    paths = {
        "front": (), "results": ("search[lamp]",), "page 2": ("search[lamp]", "click[next >]"),
        "other": ("search[brella lamp]",),
        "item": BUY[:2], "black": BUY[:3], "brown": BUY[:4], "sub": (*BUY[:4], "click[features]"),
        "done": BUY,
    }  # fmt: skip
    env = corner()
    states = {name: walk(env, *path)[3]["state"] for name, path in paths.items()}
    assert len(set(states.values())) == len(states)
    assert walk(env, *BUY[:2], "click[features]", "click[< prev]")[3]["state"] == states["item"]
    assert walk(env, task=1)[3]["state"] != states["front"], "another goal is another state"
    assert walk(corner(), *BUY[:3])[3]["state"] == states["black"], (
        "and another instance is the same"
    )
    assert walk(corner(reward="fixed"))[3]["state"] != states["front"]


def test_what_was_opened_matters_only_where_it_is_seen() -> None:
    there_and_back = ("search[lamp]", "click[b0lamp0001]", "click[< prev]")
    for observation, same in (("text", True), ("text+options", True), ("text_rich", False)):
        env = corner(observation=observation)
        assert (
            walk(env, "search[lamp]")[3]["state"] == walk(env, *there_and_back)[3]["state"]
        ) is same


def test_forks_share_everything_heavy() -> None:
    env = corner()
    walk(env, *BUY[:3])
    fork = env.fork()
    assert (
        fork.catalogue is env.catalogue
        and fork._pages is env._pages
        and fork.goal_tasks is env.goal_tasks
    )
    assert fork.step("click[buy now]")[:3] == env.step("click[buy now]")[:3]


def test_environments_made_from_names_share_one_catalogue() -> None:
    one, two, other = (
        WebShopEnv(**SMALL),
        WebShopEnv(**SMALL),
        WebShopEnv(**SMALL, catalogue_seed=1),
    )
    assert (
        one.catalogue is two.catalogue
        and one.goal_tasks is two.goal_tasks
        and one._pages is two._pages
    )
    assert other.catalogue is not one.catalogue and other.data_hash != one.data_hash


def test_a_pickle_carries_no_catalogue_where_names_say_it() -> None:
    env = WebShopEnv(**SMALL)
    env.reset(seed=0)
    env.step("search[cookies]")
    data = pickle.dumps(env)
    again = pickle.loads(data)
    assert len(data) < 20_000 and again.catalogue is env.catalogue
    assert again.step("click[next >]") == env.step("click[next >]")
    assert (
        pickle.loads(pickle.dumps(corner())).reset(options={"task": 1})[0]
        == corner().reset(options={"task": 1})[0]
    )


def test_tasks_are_indices_of_the_goals_given() -> None:
    env = corner()
    assert env.splits == ("all",) and list(env.tasks("all")) == [0, 1]
    assert env.reset(options={"task": 1})[1]["instruction"] == "another"
    assert env.reset(options={"task": np.int64(1)})[1]["instruction"] == "another"
    assert env.reset(seed=0)[1]["split"] == "all"


@pytest.mark.parametrize("task", [2, -1, "0", None, 0.5])
def test_goals_out_of_range_are_named(task: object) -> None:
    with pytest.raises(TaskError):
        corner().reset(options={"task": task})


def test_generated_goals_are_split_by_product() -> None:
    env = WebShopEnv(**SMALL)
    assert env.splits == ("train", "dev", "test")
    for split in env.splits:
        assert {product_split(env.goal_tasks.goal(task).asin) for task in env.tasks(split)} == {
            split
        }
    test = env.tasks("test")[0]
    assert env.reset(options={"task": test})[1]["split"] == "test", (
        "the split told is the task's own"
    )


def test_a_split_may_name_the_rule() -> None:
    goals = [replace(LAMP_GOAL, asin=f"B{k:09d}") for k in range(2000)]
    official = WebShopEnv(catalogue(), goals=goals, split="official")
    assert official.split == "train" and official.tasks("train") == tuple(range(1500, 2000))
    product = WebShopEnv(catalogue(), goals=goals, split="product")
    assert product.split == "train" and len(product.tasks("train")) > 1500
    assert (
        WebShopEnv(catalogue(), goals=goals, split="test", split_rule="official").reset(seed=0)[1][
            "task"
        ]
        < 500
    )


def test_official_files_use_the_official_split_by_default() -> None:
    env = WebShopEnv(catalogue())
    assert list(env.tasks("test")) == list(range(8)) and len(env.tasks("train")) == 0
    with pytest.raises(TaskError, match="split 'train' of WebShopEnv has no tasks"):
        env.reset(seed=0)
    assert len(WebShopEnv(catalogue(), human=True).goal_tasks.goals) == 2


def test_tags_and_seeds() -> None:
    env = WebShopEnv(**SMALL)
    drawn = [env.reset(seed=seed)[1] for seed in range(20)]
    assert [info["task"] for info in drawn] == [
        WebShopEnv(**SMALL).reset(seed=seed)[1]["task"] for seed in range(20)
    ]
    assert all(
        info["tags"][0].startswith("category=") and info["tags"][1].startswith("options=")
        for info in drawn
    )


def test_a_tagger_of_ones_own_decides_the_type() -> None:
    strange = corner(nouns=lambda title: (title,))
    goal = Goal.from_official({
        "asin": "X", "name": "Unheard of", "category": "", "query": "x", "product_category": "",
        "instruction_text": "x",
        "attributes": ["dimmable"], "price_upper": 30.0, "goal_options": {}, "weight": 1,
    })  # fmt: skip
    env = WebShopEnv(catalogue(), goals=[goal], nouns=lambda title: (title,))
    assert walk(strange, *BUY)[1] > 0.0
    assert walk(env, *BUY)[1] == 0.0


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"observation": "html"}, ConfigError, "unknown observation 'html'"),
        ({"reward": "dense"}, ConfigError, "unknown reward 'dense'"),
        ({"nouns": "nltk"}, ConfigError, "unknown noun tagger 'nltk'"),
        ({"split_rule": "random"}, ConfigError, "unknown split rule 'random'"),
        ({"split": "validation"}, TaskError, "no split 'validation'"),
    ],
)
def test_wrong_settings_are_named(
    settings: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        corner(**settings)


def test_names_that_are_promised() -> None:
    env = WebShopEnv(catalogue(), goals=[LAMP_GOAL], reward="official", observation="text")
    assert isinstance(env.catalogue, Catalogue) and env.reset(options={"task": 0})[1][
        "clickables"
    ] == ["search"]
