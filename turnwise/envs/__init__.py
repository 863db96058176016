"""Where agents act: environments under one contract (`turnwise.envs.core`), and the list of them (`registration`)."""

from turnwise.envs.core import TurnEnv, fork

__all__ = ["TurnEnv", "fork"]
