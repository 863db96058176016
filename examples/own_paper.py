"""A paper of your own: one part, one recipe, and a check of both.

    python own_paper.py                                          # check it, and print its credit
    turnwise train quickstart --set algorithm.name=own_paper:recipe

Learn only from the good trajectories of a group, as rejection sampling does (RAFT++ in W. Xiong et
al., "A Minimalist Approach to LLM Reasoning", arXiv 2504.11343). Good ones are here those above the
mean of their group:

    A_i = max(0, R_i - mean(R))
    J   = mean_i 1/|y_i| sum_t min(w_t A_i, clip(w_t, 1 - eps, 1 + eps) A_i)
"""

import argparse
from dataclasses import dataclass

import numpy as np

from turnwise.algorithms import CommonOptions, Recipe
from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Group, Trajectory, Turn


@dataclass(frozen=True, slots=True)
class PositiveOnly:
    """Reweighter: advantages below 0 become 0."""

    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        return batch.write(advantage=np.maximum(batch.tokens["advantage"], 0.0))


def recipe(*, clip: float = 0.2, common: CommonOptions = CommonOptions()) -> Recipe:
    """Build the recipe; the common options (`kl`, `entropy_bonus`, ...) can be given too."""
    return common.build(
        "positive_only", advantage=PeerAdvantage(scale="none"), reweighters=(PositiveOnly(),),
        ratio=Ratio("token"), surrogate=Clip(clip, clip),
    )  # fmt: skip


def episode(uid: str, reward: float) -> Trajectory:
    """Make a trajectory of one turn with two tokens."""
    turn = Turn(
        agent="policy", prompt_ids=(1, 2), completion_ids=(3, 4), logprobs=(-0.5, -0.5),
        entropies=None, observation="", completion="", action="", valid=True,
        rewards={"env": reward}, state="a", next_state="b",
    )  # fmt: skip
    return Trajectory(0, "group", uid, (turn,), reward > 0, reward, "terminated")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="A recipe of your own: check it, print its credit."
    )
    parser.add_argument("rewards", nargs="*", type=float, default=[1, 0, 0, 1], help="of a group")
    rewards = parser.parse_args().rewards
    from turnwise.algorithms.checks import check_recipe

    check_recipe(recipe(), on_policy=False)  # on_policy: it drops part of the plain gradient
    print("it does not depend on micro-batches, padding, order or processes")
    episodes = tuple(episode(str(k), reward) for k, reward in enumerate(rewards))
    streams = recipe().credit([Group(0, "group", episodes)])
    for one in episodes:
        advantage = [float(value) for value in streams[one.uid]["advantage"][0]]
        print(f"reward {one.reward():g}  advantage of each token {advantage}")


if __name__ == "__main__":
    main()
