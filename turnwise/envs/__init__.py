"""Where agents act: environments under one contract (`turnwise.envs.base`), and the list of them
(`registration`).
"""

from turnwise.envs.base import TurnEnv, fork

__all__ = ["TurnEnv", "fork"]
