"""An environment of your own: check it, measure agents in it, and train a model in it.

python own_environment.py               # the conformance kit, and two agents
python own_environment.py --train 15    # also train a tiny model for 15 steps, about a minute
turnwise play own_environment:Guess
"""

import argparse
import random
from typing import Any

import turnwise
from turnwise.envs.checks import check_turn_env
from turnwise.errors import TaskError

SPLITS = {"train": range(400), "test": range(400, 450)}


class Guess(turnwise.TurnEnv[None]):
    """Guess a number in four turns; after each guess the range becomes smaller."""

    splits = tuple(SPLITS)
    data_hash = "guess-0"  # change it when the games change
    max_turns = 4

    def tasks(self, split: str) -> range:
        if split not in SPLITS:
            raise TaskError(f"there is no split {split!r}: choose train or test")
        return SPLITS[split]

    def _begin(self, task: int | str) -> turnwise.Outcome:
        if task not in range(450):
            raise TaskError(f"there is no game {task!r}: choose 0 to 449")
        rng = random.Random(task)
        self.low = 10 * rng.randrange(10)
        self.high = self.low + 14
        self.number = rng.randint(self.low, self.high)
        return self._look()

    def _act(self, action: str) -> turnwise.Outcome:
        if not action.isdecimal() or not self.low <= (guess := int(action)) <= self.high:
            return self._look(valid=False)
        if guess == self.number:
            self.low = self.high = guess
            return self._look(reward=1.0, terminated=True, success=True, score=1.0)
        self.low = max(self.low, guess + 1) if guess < self.number else self.low
        self.high = min(self.high, guess - 1) if guess > self.number else self.high
        return self._look()

    def _look(self, **more: Any) -> turnwise.Outcome:
        page = f"It is from {self.low} to {self.high}."
        state = f"{page} {self.number} {more.get('terminated', False)}"
        return turnwise.Outcome(page, "Guess my number.", ["<number>"], state, **more)

    def expert_action(self) -> str:
        return str((self.low + self.high) // 2)


CONFIG = {
    "env": {"name": "own_environment:Guess"},
    "prompt": {"name": "text/act@1"},
    "model": {"tiny": {"vocab": 320, "hidden": 64, "layers": 2, "intermediate": 128}},
    "warm_start": {"episodes": 600},
    "rollout": {"tasks": 32, "max_tokens": 4}, "eval": {"tasks": 50},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="An environment of your own.")
    parser.add_argument("--train", type=int, default=0, metavar="STEPS", help="train a model too")
    steps = parser.parse_args().train
    check_turn_env(Guess, resets=500)  # raises where it breaks the contract of TurnEnv
    for agent in ("expert", "always:7"):
        print(f"{agent:10} success {turnwise.evaluate(Guess, agent)[0].metrics.success}")
    if steps:
        turnwise.train({**CONFIG, "train": {"steps": steps}})


if __name__ == "__main__":
    main()
