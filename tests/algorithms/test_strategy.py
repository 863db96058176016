"""Strategies that never branch."""

from __future__ import annotations

import pytest

from turnwise.algorithms.parts.strategy import Independent, RolloutStrategy
from turnwise.errors import ConfigError
from turnwise.records import Group


def test_independent_starts_n_and_never_branches() -> None:
    strategy = Independent(5)
    group = Group(1, "g", ())
    assert (
        isinstance(strategy, RolloutStrategy) and strategy.start(3) == 5 and not strategy.branches
    )
    assert (
        list(strategy.after_turn(group, "u")) == list(strategy.after_trajectory(group, "u")) == []
    )


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(ConfigError, match="n = 0 rollouts do not make a group"):
        Independent(0)
