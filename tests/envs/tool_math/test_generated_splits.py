"""Generated splits of an environment: default sizes are reached although small families run out."""

from __future__ import annotations

import pytest

from turnwise.envs.tool_math.problems import SPLITS, generate, problem
from turnwise.errors import ConfigError


@pytest.mark.parametrize("split", SPLITS)
def test_a_family_without_problems_in_a_split_leaves_them_to_the_others(split: str) -> None:
    made = generate(
        60, split, families=["probability/collector", "arithmetic/integers"], levels=[1]
    )
    assert len({one.code for one in made}) == 60


def test_a_family_without_problems_alone_is_an_error() -> None:
    empty = [split for split in SPLITS if not _any(split)]
    assert empty, "every split has such problems now: take another family for this test"
    with pytest.raises(ConfigError, match="probability/collector"):
        problem("probability/collector", 1, 0, empty[0])
    with pytest.raises(ConfigError, match="only 0 different problems"):
        generate(1, empty[0], families=["probability/collector"], levels=[1])


def _any(split: str) -> bool:
    try:
        return bool(generate(1, split, families=["probability/collector"], levels=[1]))
    except ConfigError:
        return False
