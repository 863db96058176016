"""An algorithm as a list of parts: one frozen object that fills the slots and runs both planes.

`credit` runs the credit plane (filters, shapers, advantage, reweighters, aggregate) on groups of
trajectories, `loss` the loss plane (ratio, surrogate, mismatch, regularisers) on the policy tokens
of a micro-batch. A trainer calls these two and reads `requirements`; it does not depend on any
algorithm's name. Wrong combinations are errors when the recipe is built, not hours later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

from turnwise.algorithms.credit_batch import CreditPart, credit_batch_of
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.controller import Controller, Steady
from turnwise.algorithms.parts.ratio import MAX_LOG_RATIO
from turnwise.algorithms.parts.sampler import Sampler, Uniform
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.reducer import AllSum, Reducer
from turnwise.algorithms.streams import REQUIREMENTS, Batch, Streams
from turnwise.errors import ConfigError, unknown
from turnwise.records import Group

if TYPE_CHECKING:
    import torch

    from turnwise.algorithms.parts.strategy import RolloutStrategy


class RatioPart(Protocol):
    """Computes [N] log-ratios, with gradient."""

    @property
    def requirements(self) -> frozenset[str]: ...
    def __call__(self, batch: Batch) -> torch.Tensor: ...


class SurrogatePart(Protocol):
    """Computes the policy's loss from [N] log-ratios (zeros in a recipe without a ratio)."""

    @property
    def requirements(self) -> frozenset[str]: ...
    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term: ...


class LossPart(Protocol):
    """A regulariser, a mismatch correction (whose term is multiplied) or a critic's loss."""

    @property
    def requirements(self) -> frozenset[str]: ...
    def __call__(self, batch: Batch) -> Term: ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """An algorithm. Slots that hold a tuple run it in order.

    Raises:
        ConfigError: when parts do not fit together, with what is missing.
    """

    name: str
    advantage: CreditPart
    surrogate: SurrogatePart
    ratio: RatioPart | None = None
    aggregate: CreditPart = field(default_factory=Mean)
    sampler: Sampler = field(default_factory=Uniform)
    strategy: RolloutStrategy | None = None
    """None: every trajectory of a group is rolled out on its own."""
    filters: tuple[CreditPart, ...] = ()
    shapers: tuple[CreditPart, ...] = ()
    reweighters: tuple[CreditPart, ...] = ()
    regularisers: tuple[LossPart, ...] = ()
    mismatch: LossPart | None = None
    controller: Controller = field(default_factory=Steady)
    critic: LossPart | None = None
    rewards: Mapping[str, float] = field(default_factory=lambda: {"env": 1.0})
    """Weight of each reward component in the return; components that are not named have none."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def requirements(self) -> frozenset[str]:
        """The union of the parts' requirements, by their names in `streams.REQUIREMENTS`."""
        names = {name for _, part in _parts(self) for name in _requirements(part)}
        forks = self.strategy is not None and self.strategy.branches
        return frozenset(names & REQUIREMENTS.keys() | ({"fork"} if forks else set()))

    def credit(
        self,
        groups: Sequence[Group],
        all_sum: AllSum | None = None,
        precomputed: Streams | None = None,
    ) -> Streams:
        """Run the credit plane.

        Args:
            groups: this process's groups, whole. Trajectories with an `error` are left out of
                everything.
            all_sum: adds a float64 array over all processes; None on a single one. Called equally
                often on every process.
            precomputed: token streams computed before, where `requirements` has a
                `precomputed:NAME`.

        Returns:
            trajectory uid -> stream -> turn -> [completion tokens]. Always `advantage` and
            `weight`, and further streams that parts write. `weight` sums to one over all processes.
            Trajectories that a filter dropped, or of which nothing is trained, are absent; when
            nothing is left the result is empty and there is no step to take.
        """
        batch, reducer = credit_batch_of(groups, self.rewards, precomputed), Reducer(all_sum)
        before, after = (*self.filters, *self.shapers), (*self.reweighters, self.aggregate)
        for part in (*before, self.advantage, *after):
            batch = part(batch, reducer)
        return batch.streams()

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Run the loss plane.

        Both results are sums over tokens of weight times value, so adding them over the
        micro-batches of a batch gives the batch's loss and the batch's means. Tokens of weight 0
        are removed before anything is computed.

        Returns:
            A scalar loss with gradient, and scalar metrics without: those that parts name
            (`clip_share`, `kl_ref`, `mismatch_weight`, …) and

                policy_loss   the surrogate's part of the loss
                ratio         importance ratio pi / pi_old, before the clip
                kl_old        KL(pi_old || pi), k3, nats per token
                advantage     as the credit plane wrote it
                entropy       nats, when something requires it
        """
        batch = trained(batch)
        weight = batch.streams["weight"]
        # Metrics are means, also where the weights of the loss do not sum to one.
        share = weight / batch.streams["mass"] if "mass" in batch.streams else weight
        log_ratio = self.ratio(batch) if self.ratio is not None else batch.logp.detach() * 0.0
        policy = self.surrogate(batch, log_ratio)
        value, metrics = policy.value, dict(policy.metrics)
        if self.mismatch is not None:
            correction = self.mismatch(batch)
            value = value * correction.value
            metrics.update(correction.metrics)
        total = (weight * value).sum()
        # Of the tokens' own ratios, whatever level `self.ratio` pools over.
        own = (batch.logp - batch.old_logp).detach().clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        metrics.update(kl_old=own.expm1() - own, advantage=batch.streams["advantage"])
        if self.ratio is not None:
            metrics["ratio"] = log_ratio.detach().exp()
        if batch.entropy is not None:
            metrics["entropy"] = batch.entropy.detach()
        sums = {"policy_loss": total.detach()}
        for part in (*self.regularisers, *(() if self.critic is None else (self.critic,))):
            term = part(batch)
            total = total + (weight * term.value).sum()
            metrics.update(term.metrics)
        return total, {**sums, **{name: (share * values).sum() for name, values in metrics.items()}}

    def measure(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Sum over a micro-batch what parts need of the whole mini-batch before its loss.

        When `requirements` has `measure`, the trainer calls this on every micro-batch (no gradient
        is needed), adds the results over micro-batches and processes, and puts them into
        `Batch.scalars`; all that `rounds` times, each round with the results of those before. A
        part opts in by requiring `measure` and defining `measure(batch) -> dict`, as adaptive clip
        bounds and covariance clipping do.
        """
        batch, sums = trained(batch), dict[str, "torch.Tensor"]()
        for _, part in _parts(self):
            if "measure" in _requirements(part):
                sums.update(part.measure(batch))
        return sums

    @property
    def rounds(self) -> int:
        """Calls of `measure` for a mini-batch: the largest `rounds` of a part, or 1."""
        asking = [part for _, part in _parts(self) if "measure" in _requirements(part)]
        return max((getattr(part, "rounds", 1) for part in asking), default=0)

    def lr_scale(self, scalars: Mapping[str, float]) -> float | None:
        """Return the learning rate's factor for one mini-batch, or None when no part has one.

        The trainer multiplies it onto the controller's factor. A part opts in by defining
        `lr_scale(scalars) -> float`, which reads the results of `measure` and `probe`, as VCPO
        does: its learning rate follows the effective sample size of the mini-batch.
        """
        found = [part.lr_scale(scalars) for _, part in _parts(self) if hasattr(part, "lr_scale")]
        return math.prod(found) if found else None

    def probe(self, batch: Batch) -> torch.Tensor:
        """Return a scalar whose gradient's norm some part needs before the loss.

        When `requirements` has `probe`, the trainer differentiates this over every micro-batch of a
        mini-batch, adds the gradients over micro-batches and processes, and puts the norm of the
        sum over all model weights into `Batch.scalars["probe_norm"]`; no weight is updated. A part
        opts in by requiring `probe` and defining `probe(batch) -> scalar`, as ST-PPO's correction
        of the clipping bias does.
        """
        batch = trained(batch)
        found = [part.probe(batch) for _, part in _parts(self) if "probe" in _requirements(part)]
        return sum(found[1:], start=found[0]) if found else batch.logp.sum() * 0.0


def trained(batch: Batch) -> Batch:
    """Return the tokens of a batch that have a weight.

    Masked tokens enter no ratio, no pooling and no gradient.
    """
    keep = batch.streams["weight"] != 0
    cut = {f.name: getattr(batch, f.name) for f in fields(batch)}
    cut = {name: value[keep] if hasattr(value, "shape") else value for name, value in cut.items()}
    return replace(
        batch, **{**cut, "streams": {name: values[keep] for name, values in batch.streams.items()}}
    )


def _parts(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """Yield (slot, part) for every part."""
    for f in fields(recipe):
        if f.name in ("name", "rewards"):
            continue
        held = getattr(recipe, f.name)
        for part in held if isinstance(held, tuple) else (held,):
            if part is not None:
                yield f.name, part


def _requirements(part: object) -> frozenset[str]:
    return getattr(part, "requirements", frozenset())


def _check(recipe: Recipe) -> None:
    """Raise a ConfigError for the first part that does not fit the others."""
    parts = list(_parts(recipe))
    rewards = {f"reward:{name}" for name in recipe.rewards}
    provided = {"stream:advantage", "stream:weight", *rewards, *REQUIREMENTS}
    provided |= {"ratio"} if recipe.ratio is not None else set()
    provided |= {"critic"} if recipe.critic is not None else set()
    provided |= {name for _, part in parts for name in _provides(part, "stream")}
    for slot, part in parts:
        where = f"recipe {recipe.name!r}: {type(part).__name__} in the slot `{slot}`"
        for requirement in sorted(_requirements(part) - provided):
            raise _unmet(requirement, where)
        for reward in sorted(_provides(part, "reward") - rewards):
            raise ConfigError(
                f"{where} adds the reward component {reward.partition(':')[2]!r}, "
                "which counts nothing: name it in `rewards`"
            )
    if not any(recipe.rewards.values()):
        raise ConfigError(
            f"recipe {recipe.name!r} counts no reward component: "
            "give `rewards` a weight that is not 0"
        )


def _provides(part: object, kind: str) -> set[str]:
    return {name for name in getattr(part, "provides", ()) if name.startswith(f"{kind}:")}


def _unmet(requirement: str, where: str) -> ConfigError:
    kind, _, name = requirement.partition(":")
    if requirement in ("ratio", "critic"):
        return ConfigError(f"{where} needs a {requirement}: fill the slot `{requirement}`")
    if kind == "stream":
        return ConfigError(
            f"{where} reads the stream {name!r}, which no other part writes: add the part that does"
        )
    if kind == "reward":
        return ConfigError(f"{where} reads the reward component {name!r}: count it in `rewards`")
    return unknown("requirement", requirement, [*REQUIREMENTS, "ratio", "critic"], where)
