"""Conformance kit for recipes: `check_recipe(recipe)`.

A paper's test calls it beside its own numbers. It raises `AssertionError` with a sentence when the
recipe's loss, gradient, metrics or streams change with the size of micro-batches, the layout of
rows, the order of trajectories or the number of processes; when a token without weight matters;
when `requirements` is incomplete; or when the first on-policy step is not the plain policy
gradient. Everything runs in float64 on the batches of `specimens`.
"""

from __future__ import annotations

import pickle
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from turnwise.algorithms import specimens
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import AllSum
from turnwise.algorithms.specimens import TinyPolicy
from turnwise.algorithms.streams import Batch, Streams
from turnwise.records import Floats, Group, Row

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class UpdateResult:
    """One update of a recipe, summed over micro-batches."""

    loss: float
    gradient: torch.Tensor
    """[contexts, vocabulary] with respect to the policy's logits."""
    values: torch.Tensor
    """[contexts] with respect to the critic's values."""
    metrics: dict[str, float]


def check_recipe(
    recipe: Recipe,
    objective: Callable[[Batch], torch.Tensor] | None = None,
    on_policy: bool = True,
    seed: int = 0,
) -> None:
    """Check a recipe.

    Args:
        objective: the paper's objective written out independently, on a whole batch: J [scalar], to
            be maximised. Loss and gradient must be those of -J.
        on_policy: whether in theory the first step, without regularisers, is the plain policy
            gradient.

    Raises:
        AssertionError: for the first property that does not hold.
    """
    groups = specimens.random_groups(seed)
    policy = TinyPolicy.random(seed)
    streams = credit(recipe, groups, policy)
    reference = evaluate(recipe, policy, [_flat(specimens.rows_of(groups, streams))])
    check_streams(recipe, groups, streams)
    check_batching(recipe, groups, policy, reference)
    check_processes(recipe, groups, policy, streams)
    check_masked(recipe, policy, _flat(specimens.rows_of(groups, streams)))
    if objective is not None:
        check_objective(recipe, policy, _flat(specimens.rows_of(groups, streams)), objective)
    if on_policy:
        check_on_policy(recipe, policy, _flat(specimens.rows_of(groups, streams)))
    assert pickle.loads(pickle.dumps(recipe)) == recipe, "a pickled recipe is not equal to itself"


def credit(
    recipe: Recipe, groups: Sequence[Group], policy: TinyPolicy, all_sum: AllSum | None = None
) -> Streams:
    """Run the credit plane with the precomputed streams that the recipe requires."""
    return recipe.credit(groups, all_sum, specimens.precomputed_streams(recipe, groups, policy))


def evaluate(
    recipe: Recipe,
    policy: TinyPolicy,
    micro_batches: Iterable[Sequence[Row]],
    on_policy: bool = False,
) -> UpdateResult:
    """Accumulate loss, gradient and metrics over micro-batches, as a trainer does."""
    import torch

    parts = [specimens.batch_of(recipe, part, policy, on_policy) for part in micro_batches if part]
    scalars = measured(recipe, parts, policy.current)
    total, gradient, sums = 0.0, torch.zeros_like(policy.current), dict[str, float]()
    values = torch.zeros_like(policy.value)
    for part in parts:
        loss, metrics = recipe.loss(replace(part, scalars=scalars))
        assert loss.shape == () and loss.dtype == torch.float64, (
            "the loss of a float64 batch is a float64 scalar"
        )
        ours = torch.autograd.grad(loss, (policy.current, policy.value), materialize_grads=True)
        gradient, values = gradient + ours[0], values + ours[1]
        total += float(loss.detach())
        for name, metric in metrics.items():
            assert metric.shape == () and not metric.requires_grad, (
                f"metric {name!r} is a detached scalar"
            )
            sums[name] = sums.get(name, 0.0) + float(metric)
    return UpdateResult(total, gradient, values, sums)


def measured(recipe: Recipe, parts: Sequence[Batch], of: torch.Tensor) -> dict[str, float]:
    """Return the recipe's measurements of a whole mini-batch, before its losses.

    `of` is the tensor that a probe is differentiated by.
    """
    scalars: dict[str, float] = {}
    for _ in range(recipe.rounds):
        found: dict[str, float] = {}
        for part in parts:
            for name, value in recipe.measure(replace(part, scalars=scalars)).items():
                found[name] = found.get(name, 0.0) + float(value)
        scalars = scalars | found
    if "probe" in recipe.requirements and parts:
        scalars["probe_norm"] = _probed(recipe, parts, of)
    return scalars


def _probed(recipe: Recipe, parts: Sequence[Batch], of: torch.Tensor) -> float:
    """Return the norm of the gradient of the recipe's probe over a mini-batch."""
    import torch

    total = torch.zeros_like(of)
    for part in parts:
        probe = recipe.probe(part)
        total += torch.autograd.grad(probe, of, materialize_grads=True, retain_graph=True)[0]
    return float(total.norm())


def check_streams(recipe: Recipe, groups: Sequence[Group], streams: Streams) -> None:
    """Check that streams fit the tokens, are finite and leave out errored trajectories.

    Weights must sum to one, or to the stream `mass`.
    """
    known = {t.uid: t for g in groups for t in g.trajectories}
    total, mass = 0.0, 1.0
    for uid, own in streams.items():
        assert known[uid].error is None, f"the errored trajectory {uid} has credit"
        assert {"advantage", "weight"} <= own.keys(), (
            "every trajectory has the streams `advantage` and `weight`"
        )
        for name, values in own.items():
            lengths = [len(v) for v in values]
            assert lengths == [len(turn.completion_ids) for turn in known[uid].turns], (
                f"stream {name!r} does not fit {uid}"
            )
            assert all(np.isfinite(v).all() for v in values), (
                f"stream {name!r} of {uid} is not finite"
            )
        total += float(sum(np.sum(v) for v in own["weight"]))
        mass = next((float(v[0]) for v in own.get("mass", ()) if len(v)), 1.0)
    assert streams and abs(total - mass) < TOLERANCE, f"weights sum to {total}, not to {mass}"
    errored = [
        replace(g, trajectories=tuple(replace(t, error="no answer") for t in g.trajectories))
        for g in groups
    ]
    assert recipe.credit(errored) == {} and recipe.credit([]) == {}, (
        "a batch without whole trajectories has no streams"
    )


def check_batching(
    recipe: Recipe, groups: Sequence[Group], policy: TinyPolicy, reference: UpdateResult
) -> None:
    """Check that nothing depends on micro-batches, rows or order."""
    rng = random.Random(0)
    shuffled = [
        replace(g, trajectories=tuple(rng.sample(g.trajectories, len(g.trajectories))))
        for g in groups
    ]
    rng.shuffle(shuffled)
    for append_only in (True, False):
        for name, order in (("in order", groups), ("shuffled", shuffled)):
            laid = specimens.laid_out(order, append_only)
            own = specimens.rows_of(laid, credit(recipe, laid, policy))
            cuts = {"one batch": [_flat(own)], "a trajectory each": own}
            if "span:trajectory" not in recipe.requirements:
                cuts["a row each"] = [[row] for row in _flat(own)]
            for cut, parts in cuts.items():
                layout = "one row a trajectory" if append_only else "one row a turn"
                _same(
                    evaluate(recipe, policy, parts),
                    reference,
                    f"{layout}, {name}, micro-batches of {cut}",
                )


def check_processes(
    recipe: Recipe, groups: Sequence[Group], policy: TinyPolicy, streams: Streams
) -> None:
    """Check that several processes write what one writes.

    One of them has a single group, one the rest, and one nothing.
    """
    shares = [list(groups[:1]), list(groups[1:]), []]
    pool, results = _ThreadAllSum(len(shares)), [Streams() for _ in shares]

    def work(rank: int) -> None:
        results[rank] = credit(recipe, shares[rank], policy, pool.all_sum(rank))

    threads = [
        threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(len(shares))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive(), "the processes did not ask for the same sums"
    joined = {uid: own for result in results for uid, own in result.items()}
    assert joined.keys() == streams.keys(), (
        "several processes give credit to other trajectories than one"
    )
    for uid, own in streams.items():
        for name, values in own.items():
            both = zip(values, joined[uid][name], strict=True)
            assert all(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE) for a, b in both), (
                f"{name!r} differs between one process and several"
            )


def check_masked(recipe: Recipe, policy: TinyPolicy, chosen: Sequence[Row]) -> None:
    """Check that tokens of weight 0 have no gradient and no effect, however extreme they are."""
    batch = specimens.batch_of(recipe, chosen, policy)
    drop = (batch.turn * 7 + batch.trajectory) % 5 == 0
    streams = {**batch.streams, "weight": batch.streams["weight"].masked_fill(drop, 0.0)}
    results = []
    for extreme in (0.0, -1e4):
        logp = batch.logp.detach().masked_fill(drop, extreme).requires_grad_()
        part = replace(batch, logp=logp, streams=streams)
        loss, _ = recipe.loss(replace(part, scalars=measured(recipe, [part], logp)))
        (gradient,) = _grad(loss, logp)
        assert bool((gradient[drop] == 0).all()), "a token of weight 0 has a gradient"
        results.append((float(loss.detach()), gradient))
    assert results[0][0] == results[1][0] and bool((results[0][1] == results[1][1]).all()), (
        "a token of weight 0 changes the loss"
    )


def check_objective(
    recipe: Recipe,
    policy: TinyPolicy,
    chosen: Sequence[Row],
    objective: Callable[[Batch], torch.Tensor],
) -> None:
    """Check that loss and gradient are those of an objective written independently."""
    ours = evaluate(recipe, policy, [chosen])
    written = -objective(specimens.batch_of(recipe, chosen, policy))
    (gradient,) = _grad(written, policy.current)
    wanted = float(written.detach())
    assert abs(ours.loss - wanted) < TOLERANCE, (
        f"the loss is {ours.loss} where the objective says {wanted}"
    )
    assert _close(ours.gradient, gradient), (
        "the gradient is not autograd's of the written objective"
    )


def check_on_policy(recipe: Recipe, policy: TinyPolicy, chosen: Sequence[Row]) -> None:
    """Check that with one policy the gradient is -sum of weight x advantage x grad log pi.

    The current, the old and the engine's policy are the same.
    """
    plain = replace(recipe, regularisers=(), critic=None)
    ours = evaluate(plain, policy, [chosen], on_policy=True)
    batch = specimens.batch_of(plain, chosen, policy)
    (gradient,) = _grad(
        -(batch.streams["weight"] * batch.streams["advantage"] * batch.logp).sum(), policy.current
    )
    assert _close(ours.gradient, gradient), (
        "the first on-policy step is not the plain policy gradient"
    )


class _ThreadAllSum:
    """An all-sum between threads that stand for processes."""

    def __init__(self, number: int) -> None:
        self.parts: list[Floats] = [np.zeros(0)] * number
        self.barrier = threading.Barrier(number, timeout=30)

    def all_sum(self, rank: int) -> AllSum:
        def add(array: Floats) -> Floats:
            self.parts[rank] = array
            self.barrier.wait()
            total = np.sum(np.stack(self.parts), axis=0)
            self.barrier.wait()
            return total

        return add


def _grad(loss: torch.Tensor, of: torch.Tensor) -> tuple[torch.Tensor, ...]:
    import torch

    return torch.autograd.grad(loss, of, materialize_grads=True)


def _flat(parts: Iterable[Sequence[Row]]) -> list[Row]:
    return [row for part in parts for row in part]


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool((a - b).abs().max() < TOLERANCE)


def _same(ours: UpdateResult, reference: UpdateResult, where: str) -> None:
    assert abs(ours.loss - reference.loss) < TOLERANCE, (
        f"the loss differs with {where}: {ours.loss} and {reference.loss}"
    )
    assert _close(ours.gradient, reference.gradient), f"the gradient differs with {where}"
    assert _close(ours.values, reference.values), f"the critic's gradient differs with {where}"
    assert ours.metrics.keys() == reference.metrics.keys(), f"there are other metrics with {where}"
    for name, value in reference.metrics.items():
        assert abs(ours.metrics[name] - value) < TOLERANCE, (
            f"metric {name!r} differs with {where}: {ours.metrics[name]} and {value}"
        )
