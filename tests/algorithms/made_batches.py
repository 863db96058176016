"""Episodes and batches written by hand, for every test of algorithms."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from turnwise.algorithms import Batch
from turnwise.records import Group, Trajectory, Turn


def turn(tokens: int = 1, reward: float | Mapping[str, float] = 0.0, **changes: object) -> Turn:
    act = Turn(
        agent="solver", prompt_ids=(1,), completion_ids=tuple(range(tokens)), logprobs=(-1.0,) * tokens, entropies=None,
        observation="", completion="", action="", valid=True, state="", next_state="",
        rewards=dict(reward) if isinstance(reward, Mapping) else {"env": reward},
    )  # fmt: skip
    return replace(act, **changes)  # type: ignore[arg-type]


def group(*trajectories: Sequence[Turn], uid: str = "g", errors: Sequence[int] = ()) -> Group:
    return Group(
        uid,
        uid,
        tuple(
            Trajectory(
                uid, uid, f"{uid}{i}", tuple(turns), bool(turns) and turns[-1].rewards.get("env", 0) >= 1, 0.0, "terminated",
                error="broken" if i in errors else None,
            )
            for i, turns in enumerate(trajectories)
        ),
    )  # fmt: skip


def batch(
    log_ratio: Sequence[float],
    advantage: Sequence[float],
    turns: Sequence[int] | None = None,
    trajectory: Sequence[int] | None = None,
    weight: Sequence[float] | None = None,
    **others: torch.Tensor,
) -> Batch:
    """A float64 batch whose old log-probabilities are 0, so that `logp` is the log-ratio."""
    n = len(log_ratio)
    logp = torch.tensor(log_ratio, dtype=torch.float64, requires_grad=True)
    streams = {
        "advantage": torch.tensor(advantage, dtype=torch.float64),
        "weight": torch.tensor(weight if weight is not None else [1 / n] * n, dtype=torch.float64),
    }
    return Batch(
        logp, torch.zeros(n).double(), torch.zeros(n).double(),
        torch.tensor(turns if turns is not None else range(n)), torch.tensor(trajectory if trajectory is not None else [0] * n),
        streams, **others,
    )  # fmt: skip
