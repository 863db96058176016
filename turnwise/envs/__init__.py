"""Environments: the contract (`base`), the registry, and one folder for each."""

from turnwise.envs.base import TurnEnv, fork

__all__ = ["TurnEnv", "fork"]
