"""Small random batches and a small exact policy for checking recipes.

The groups have what real ones have: episodes of different lengths, turns of one token, a turn
without a model, invalid actions, an errored episode, a group of equal returns and a group of one.
The policy is a table of logits looked up by (trajectory, turn, position), so its log-probabilities
do not depend on how a trajectory is laid out in rows, and its gradient is exact.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch, Streams
from turnwise.records import Group, Row, Trajectory, Turn, rows

if TYPE_CHECKING:
    import torch

VOCABULARY, CONTEXTS = 7, 48


def random_groups(seed: int = 0, number: int = 5, size: int = 4) -> list[Group]:
    """Generate random groups.

    The first has equal returns, the second an errored trajectory, and the last a single trajectory.
    """
    rng = np.random.default_rng(seed)
    groups = [
        Group(g, f"g{g}", tuple(_trajectory(rng, g, i, g == 0) for i in range(size)))
        for g in range(number)
    ]
    errored = replace(groups[1].trajectories[0], error="the engine went away", stop_reason="error")
    groups[1] = replace(groups[1], trajectories=(errored, *groups[1].trajectories[1:]))
    return [*groups, Group("lone", "lone", (_trajectory(rng, number, 0, False),))]


def _trajectory(rng: np.random.Generator, group: int, i: int, equal: bool) -> Trajectory:
    turns = int(rng.integers(1, 6))
    score = 0.3 if equal else float(rng.choice([0.0, 0.25, 1.0]))
    acts = [_turn(rng, group, k, score if k == turns - 1 else 0.0) for k in range(turns)]
    if turns > 3:
        acts[1] = replace(
            acts[1], agent="script", completion_ids=(), logprobs=(), entropies=(), prompt_ids=()
        )
    uid = f"g{group}t{i}" if group < 5 else f"lone{i}"
    return Trajectory(group, f"g{group}", uid, tuple(acts), score == 1.0, score, "terminated")


def _turn(rng: np.random.Generator, group: int, k: int, reward: float) -> Turn:
    n = int(rng.integers(1, 6))
    state, after = (f"s{group}-{k if k == 0 else int(rng.integers(3))}" for k in (k, k + 1))
    return Turn(
        agent=("solver", "checker")[k // 2 % 2],
        prompt_ids=tuple(int(t) for t in rng.integers(VOCABULARY, size=3)),
        completion_ids=tuple(int(t) for t in rng.integers(VOCABULARY, size=n)),
        logprobs=tuple(float(x) for x in -rng.uniform(0.2, 3.0, size=n)),
        entropies=tuple(float(x) for x in rng.uniform(0.0, 1.9, size=n)),
        observation="",
        completion="",
        action=("look", "open")[int(rng.integers(2))],
        valid=bool(rng.random() < 0.8),
        rewards={"env": reward},
        state=state,
        next_state=after,
        tags=("void",) if rng.random() < 0.15 else (),
        wall_seconds=float(rng.uniform(0.1, 2.0)),
    )


def laid_out(groups: Sequence[Group], append_only: bool) -> list[Group]:
    """Return the same turns with other prompts, and so another layout of rows.

    Append-only prompts extend each other (one row for each run of an agent); the others never do
    (one row a turn).
    """
    return [
        replace(
            g,
            trajectories=tuple(
                replace(t, turns=_prompts(t.turns, append_only)) for t in g.trajectories
            ),
        )
        for g in groups
    ]


def _prompts(turns: Sequence[Turn], append_only: bool) -> tuple[Turn, ...]:
    out: list[Turn] = []
    before: tuple[int, ...] = ()
    for k, turn in enumerate(turns):
        if turn.completion_ids:
            prompt = (*before, 1) if append_only else (2, k)
            turn = replace(turn, prompt_ids=prompt)
            before = prompt + turn.completion_ids
        out.append(turn)
    return tuple(out)


@dataclass(frozen=True, slots=True, eq=False)
class TinyPolicy:
    """Tables of logits, one row per context, and a table of values.

    `current` is trained, `old` is the policy at the start of the update.
    """

    current: torch.Tensor
    old: torch.Tensor
    reference: torch.Tensor
    value: torch.Tensor

    @staticmethod
    def random(seed: int = 0, step: float = 0.5) -> TinyPolicy:
        """Draw float64 tables.

        `step` is how far the current policy has moved from the old one (0: not at all).
        """
        import torch

        rng = torch.Generator().manual_seed(seed)
        shape = (CONTEXTS, VOCABULARY)
        old, moved, reference = (
            torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(3)
        )
        value = torch.randn(CONTEXTS, generator=rng, dtype=torch.float64)
        return TinyPolicy(
            (old + step * moved).requires_grad_(), old, reference, value.requires_grad_()
        )


def contexts(row: Row) -> list[int]:
    """Return the policy's context of each trained token of a row."""
    seen: dict[int, int] = {}
    out = []
    for turn in row.turn[row.mask].tolist():
        seen[turn] = seen.get(turn, -1) + 1
        out.append(zlib.crc32(f"{row.trajectory}/{turn}/{seen[turn]}".encode()) % CONTEXTS)
    return out


def precomputed_streams(recipe: Recipe, groups: Sequence[Group], policy: TinyPolicy) -> Streams:
    """Return the streams that the recipe requires before the credit plane runs."""
    out: Streams = {}
    prefix = "precomputed:"
    names = [name.removeprefix(prefix) for name in recipe.requirements if name.startswith(prefix)]
    for trajectory in (t for g in groups for t in g.trajectories if names):
        own: dict[str, list[list[float]]] = {name: [[] for _ in trajectory.turns] for name in names}
        for row in rows(trajectory):
            batch = batch_of(recipe, [row], policy)
            known = {
                "old_logp": batch.old_logp,
                "ref_logp": policy.reference.log_softmax(-1)[contexts(row), row.ids[row.mask]],
            }
            known["value"] = policy.value[contexts(row)]
            known["task_mean"] = batch.old_logp * 0.0 + (
                zlib.crc32(str(trajectory.task).encode()) % 4 / 4 or float("nan")
            )
            for name in names:
                for turn, number in zip(
                    row.turn[row.mask].tolist(), known[name].tolist(), strict=True
                ):
                    own[name][turn].append(number)
        out[trajectory.uid] = dict(own)
    return out


def batch_of(
    recipe: Recipe, chosen: Sequence[Row], policy: TinyPolicy, on_policy: bool = False
) -> Batch:
    """Build the batch of some rows, with no optional tensors but those the recipe requires."""
    import torch

    where = torch.tensor([c for row in chosen for c in contexts(row)], dtype=torch.int64)
    token = torch.tensor(
        [i for row in chosen for i in row.ids[row.mask].tolist()], dtype=torch.int64
    )
    uids = [row.trajectory for row in chosen for _ in range(int(row.mask.sum()))]
    acts = [(row.trajectory, k) for row in chosen for k in row.turn[row.mask].tolist()]
    numbers = {uid: n for n, uid in enumerate(dict.fromkeys(uids))}
    # Labels with gaps, so that a part that takes them for indices fails.
    turns = {act: 10 + 3 * n for n, act in enumerate(dict.fromkeys(acts))}
    names = set[str]().union(*(row.streams for row in chosen)) - {"logprob", "entropy"}
    logs = policy.current.log_softmax(-1)[where]
    logp = logs.gather(1, token[:, None])[:, 0]
    rollout = torch.tensor(
        [x for row in chosen for x in row.streams["logprob"][row.mask].tolist()],
        dtype=torch.float64,
    )
    return Batch(
        logp=logp,
        old_logp=logp.detach() if on_policy else policy.old.log_softmax(-1)[where, token],
        rollout_logp=logp.detach() if on_policy else rollout,
        turn=torch.tensor([turns[act] for act in acts], dtype=torch.int64),
        trajectory=torch.tensor([numbers[uid] for uid in uids], dtype=torch.int64),
        streams={
            n: torch.tensor(
                [x for row in chosen for x in row.streams[n][row.mask].tolist()]
            ).double()
            for n in names
        },
        ref_logp=policy.reference.log_softmax(-1)[where, token]
        if "ref_logp" in recipe.requirements
        else None,
        entropy=-(logs.exp() * logs).sum(-1) if "entropy" in recipe.requirements else None,
        value=policy.value[where] if "value" in recipe.requirements else None,
    )


def rows_of(groups: Iterable[Group], streams: Streams) -> list[list[Row]]:
    """Return the rows of every trajectory that has streams."""
    return [rows(t, streams[t.uid]) for g in groups for t in g.trajectories if t.uid in streams]
