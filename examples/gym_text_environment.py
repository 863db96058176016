"""Any text environment of Gymnasium as a `TurnEnv`: tasks, splits, forks and scores in one line.

    python gym_text_environment.py
    turnwise eval gym_text_environment:make --agent random

`wrap` also takes the environments of gem and skyrl-gym; see docs/environments.md.
"""

import argparse
from typing import Any

import gymnasium

import turnwise
from turnwise.envs import fork
from turnwise.envs.wrappers import wrap

COLOURS = ["red", "green", "blue"]


class Lock(gymnasium.Env[str, str]):
    """Three colours open the lock; a wrong one starts it again. It imports nothing of turnwise."""

    observation_space = gymnasium.spaces.Text(80)
    action_space = gymnasium.spaces.Text(20)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.code = [COLOURS[int(i)] for i in self.np_random.integers(len(COLOURS), size=3)]
        self.done = 0
        return "The lock is closed.", {"admissible": COLOURS}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.done = self.done + 1 if action == self.code[self.done] else 0
        opened = self.done == 3
        page = "It opens." if opened else f"{self.done} of 3 pins have moved."
        return page, float(opened), opened, False, {"admissible": COLOURS}


def make() -> turnwise.TurnEnv[Any]:
    return wrap(Lock, tasks=100, max_turns=20, instruction="Open the lock.")


def main() -> None:
    parser = argparse.ArgumentParser(description="A wrapped text environment.")
    parser.add_argument("--tasks", type=int, default=20)
    tasks = parser.parse_args().tasks
    score, _ = turnwise.evaluate(make, "random", tasks=tasks)
    print(f"random agent: success {score.metrics.success}, {score.metrics.turns:.1f} turns")

    env = make()
    env.reset(options={"task": 0})
    print("opening the lock by trying each colour in a fork:")
    over = False
    while not over:
        tried = {colour: fork(env).step(colour)[0] for colour in COLOURS}
        best = max(tried, key=lambda colour: (tried[colour] == "It opens.", tried[colour]))
        page, reward, over, _, _ = env.step(best)
        print(f"  {best:5} -> {page}  (reward {reward:g})")


if __name__ == "__main__":
    main()
