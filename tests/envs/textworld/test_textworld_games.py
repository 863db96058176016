"""Tasks, seeds and splits, without the textworld package."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.textworld.games import (
    DEFAULT_GAMES,
    SPLITS,
    GameSpec,
    content_hash,
    index_of,
    sizes,
    split_of,
)
from turnwise.envs.textworld.settings import game_settings
from turnwise.errors import ConfigError, TaskError

SPEC = GameSpec(game_settings("coin"), "train", 3, 0)


def test_a_game_has_a_name_that_never_changes() -> None:
    assert SPEC.digest() == "49502eaafe964d577e45"
    assert SPEC.candidate(0) == 1003958355
    assert SPEC.task() == "train-3"


def test_everything_a_game_depends_on_is_in_its_name() -> None:
    others = [
        replace(SPEC, split="dev"), replace(SPEC, index=4), replace(SPEC, seed=1),
        replace(SPEC, settings=game_settings("coin-distractors")),
    ]  # fmt: skip
    assert len({spec.digest() for spec in [SPEC, *others]}) == 5
    assert len({spec.candidate(k) for spec in [SPEC, *others] for k in range(20)}) == 100


def test_a_presets_name_makes_no_other_game() -> None:
    same = replace(SPEC, settings=game_settings(kind="coin_collector", settings={"level": 5}))
    assert same.digest() == SPEC.digest()


@given(st.integers(0, 10**6))
def test_seeds_are_what_textworld_takes(attempt: int) -> None:
    assert 0 <= SPEC.candidate(attempt) < 2**31


@given(st.text())
def test_a_content_is_in_one_split(content: str) -> None:
    assert split_of(content) in SPLITS
    assert split_of(content) == split_of(str(content))


def test_half_of_all_contents_are_train() -> None:
    counts = Counter(split_of(f"game {k}") for k in range(4000))
    assert abs(counts["train"] - 2000) < 150
    assert abs(counts["dev"] - 1000) < 120
    assert abs(counts["test"] - 1000) < 120


def test_content_hashes_differ() -> None:
    assert content_hash("a") != content_hash("b")
    assert len(content_hash("")) == 32


def test_default_sizes() -> None:
    assert sizes(None) == DEFAULT_GAMES
    assert sizes({"dev": 7}) == {**DEFAULT_GAMES, "dev": 7}


@pytest.mark.parametrize("given_sizes", [{"valid": 3}, {"dev": 0}, {"dev": True}, {"dev": 2.0}])
def test_invalid_sizes(given_sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        sizes(given_sizes)


def test_tasks_by_name() -> None:
    assert index_of("dev-0", DEFAULT_GAMES) == ("dev", 0)
    for wrong in ("dev", "dev-", "dev-01", "valid-1", 3, "", "dev-50", None, "Dev-1"):
        with pytest.raises(TaskError, match="there is no"):
            index_of(wrong, DEFAULT_GAMES)
