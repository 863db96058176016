"""Environments under one contract (`turnwise.envs.base`), found by name (`turnwise.envs.registry`)."""

from turnwise.envs.base import TurnEnv, fork

__all__ = ["TurnEnv", "fork"]
