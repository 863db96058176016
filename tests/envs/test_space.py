"""Text as a space: every string belongs to it, also in Gymnasium's vector environments."""

from __future__ import annotations

import gymnasium
import pytest
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st

from tests.envs.corridor import Corridor
from turnwise.envs.base import TextSpace


@given(st.text())
def test_every_string_belongs(text: str) -> None:
    assert text in TextSpace()


@pytest.mark.parametrize("other", [None, 3, b"bytes", ["list"]])
def test_nothing_else_belongs(other: object) -> None:
    assert other not in TextSpace()


def test_samples_are_strings_and_the_seed_decides() -> None:
    one, two = TextSpace(seed=3), TextSpace(seed=3)
    samples = [one.sample() for _ in range(50)]
    assert samples == [two.sample() for _ in range(50)]
    assert all(sample in one and sample for sample in samples) and len(set(samples)) > 40


def test_spaces_are_equal_and_hashable() -> None:
    assert TextSpace() == TextSpace(seed=1) and hash(TextSpace()) == hash(TextSpace())
    assert TextSpace() != gymnasium.spaces.Text(5)
    assert not TextSpace().is_np_flattenable and repr(TextSpace()) == "TextSpace()"


def test_json_round_trip() -> None:
    space = TextSpace()
    assert space.from_jsonable(space.to_jsonable(("a", "ü\n"))) == ["a", "ü\n"]


def test_vector_environments_keep_the_text() -> None:
    envs = SyncVectorEnv([Corridor, Corridor])
    observations, _ = envs.reset(seed=0)
    assert all(text.endswith("steps to go") for text in observations)
    envs.close()


def test_shared_memory_is_refused_rather_than_corrupted() -> None:
    with pytest.raises((gymnasium.error.CustomSpaceError, ValueError), match="shared_memory"):
        AsyncVectorEnv([Corridor])
