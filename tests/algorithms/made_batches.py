"""Hand-written episodes and batches for the tests of algorithms."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from turnwise.algorithms import Batch
from turnwise.records import Group, Trajectory, Turn


def turn(tokens: int = 1, reward: float | Mapping[str, float] = 0.0, **changes: object) -> Turn:
    act = Turn(
        agent="solver",
        prompt_ids=(1,),
        completion_ids=tuple(range(tokens)),
        logprobs=(-1.0,) * tokens,
        entropies=None,
        observation="",
        completion="",
        action="",
        valid=True,
        state="",
        next_state="",
        rewards=dict(reward) if isinstance(reward, Mapping) else {"env": reward},
    )
    return replace(act, **changes)  # type: ignore[arg-type]


def group(*trajectories: Sequence[Turn], uid: str = "g", errors: Sequence[int] = ()) -> Group:
    """Make a group of trajectories; those at the positions `errors` have an error."""
    made = []
    for i, turns in enumerate(trajectories):
        success = bool(turns) and turns[-1].rewards.get("env", 0) >= 1
        error = "no answer" if i in errors else None
        made.append(
            Trajectory(uid, uid, f"{uid}{i}", tuple(turns), success, 0.0, "terminated", error=error)
        )
    return Group(uid, uid, tuple(made))


def batch(
    log_ratio: Sequence[float],
    advantage: Sequence[float],
    turns: Sequence[int] | None = None,
    trajectory: Sequence[int] | None = None,
    weight: Sequence[float] | None = None,
    **others: torch.Tensor,
) -> Batch:
    """Make a float64 batch whose old log-probabilities are 0, so that `logp` is the log-ratio."""
    n = len(log_ratio)
    logp = torch.tensor(log_ratio, dtype=torch.float64, requires_grad=True)
    streams = {
        "advantage": torch.tensor(advantage, dtype=torch.float64),
        "weight": torch.tensor(weight if weight is not None else [1 / n] * n, dtype=torch.float64),
    }
    old_logp, rollout_logp = torch.zeros(n).double(), torch.zeros(n).double()
    turn = torch.tensor(turns if turns is not None else range(n))
    owner = torch.tensor(trajectory if trajectory is not None else [0] * n)
    return Batch(logp, old_logp, rollout_logp, turn, owner, streams, **others)
