"""Clip-Cov and KL-Cov: restrain the few tokens that make entropy collapse.

G. Cui et al., "The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models",
arXiv 2505.22617.

    cov_t    = (A_t - mean A) (log pi(y_t) - mean log pi)
    Clip-Cov   of the unclipped tokens with cov in (low, high), r N at random lose their gradient
    KL-Cov     the r N tokens of largest cov are penalised with beta |log pi - log pi_old|

Entropy falls with the covariance of advantage and likelihood.

Fidelity:
    Certain (paper, the authors' code, verl): the covariance, the ranges (1, 5), r = 2e-4, beta = 1
    (verl's setting is 0.1).
    Our reading: means are over the trained tokens of the mini-batch, where every implementation
    takes the micro-batch, so that results do not depend on how it is cut. Each token has a random
    number that follows from its trajectory, turn and position: a token is chosen with probability
    r N / (number of candidates), so r N are chosen on average, and all where there are no more.
    KL-Cov ranks by the policy's likelihood at the start of the update, which is what the authors'
    theory is about, so the ranking is exact over the whole batch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip, Term, Unclipped
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.algorithms.streams import Batch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Lottery:
    """Write `ticket`: a number in [0, 1) per token, fixed by its trajectory, turn and position."""

    requirements = frozenset[str]()
    provides = frozenset({"stream:ticket"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        turns = zip(batch.owner, batch.index, batch.length, strict=True)
        drawn = [_tickets(batch.trajectories[o].uid, int(k), int(n)) for o, k, n in turns]
        return batch.write(ticket=np.concatenate(drawn) if drawn else np.zeros(0))


def _tickets(uid: str, turn: int, number: int) -> np.ndarray:
    seed = hashlib.blake2b(f"ticket {uid} {turn}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed, "big")).random(number)


@dataclass(frozen=True, slots=True)
class ClipCov:
    """`Clip`, with the gradient removed from some tokens of large covariance.

    Also reports `cov_clip_share`, the share of those tokens.
    """

    clip: Clip = field(default_factory=Clip)
    ratio: float = 2e-4
    low: float = 1.0
    high: float = 5.0
    requirements = frozenset({"ratio", "measure", "stream:ticket"})
    rounds = 2

    def measure(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Sum what the means need, and in the second round the number of candidates."""
        logp, advantage = batch.logp.detach(), batch.streams["advantage"]
        if "cov_tokens" not in batch.scalars:
            return {
                "cov_tokens": logp.new_ones(len(logp)).sum(),
                "cov_logp": logp.sum(),
                "cov_advantage": advantage.sum(),
            }
        clipped = self.clip(batch, logp - batch.old_logp).metrics["clip_share"]
        return {"cov_candidates": self._candidates(batch, clipped).sum()}

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        term = self.clip(batch, log_ratio)
        wanted = max(int(self.ratio * batch.scalars["cov_tokens"]), 1)
        # Above 1 where there are fewer candidates than wanted: then all are drawn.
        share = wanted / max(1.0, batch.scalars["cov_candidates"])
        drawn = batch.streams["ticket"] < share
        taken = self._candidates(batch, term.metrics["clip_share"]) * drawn
        return Term(term.value * (1.0 - taken), {**term.metrics, "cov_clip_share": taken})

    def _candidates(self, batch: Batch, clipped: torch.Tensor) -> torch.Tensor:
        """Return [N] 1.0 where the covariance is within the bounds and the ratio is not clipped."""
        number = batch.scalars["cov_tokens"]
        gap = batch.logp.detach() - batch.scalars["cov_logp"] / number
        cov = (batch.streams["advantage"] - batch.scalars["cov_advantage"] / number) * gap
        return ((cov > self.low) & (cov < self.high)).to(cov.dtype) * (1.0 - clipped)


@dataclass(frozen=True, slots=True)
class LargestCovariance:
    """Write `kl_cov`: 1 on the tokens with the largest covariance, 0 elsewhere.

    Marks the share `ratio` of the trained tokens, and at least one.
    """

    ratio: float = 2e-4
    requirements = frozenset({"precomputed:old_logp"})
    provides = frozenset({"stream:kl_cov"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        logp, advantage = batch.recorded("old_logp"), batch.tokens["advantage"]
        own = batch.mask
        cov = (advantage - reducer.mean(advantage[own])) * (logp - reducer.mean(logp[own]))
        number = reducer.count(cov[own])
        bar = reducer.order(cov[own], number - max(int(self.ratio * number), 1))
        return batch.write(kl_cov=(own & (cov >= bar)).astype(np.float64))


@dataclass(frozen=True, slots=True)
class KLCov:
    """beta |log pi - log pi_old| on the tokens marked in the stream `kl_cov`.

    Reports `kl_cov_share`.
    """

    beta: float = 1.0
    requirements = frozenset({"stream:kl_cov"})

    def __call__(self, batch: Batch) -> Term:
        marked = batch.streams["kl_cov"]
        distance = (batch.logp - batch.old_logp).abs()
        return Term(self.beta * marked * distance, {"kl_cov_share": marked})


def clip_cov(
    *,
    ratio: float = 2e-4,
    low: float = 1.0,
    high: float = 5.0,
    clip: float = 0.2,
    clip_high: float | None = None,
    ddof: int = 1,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build GRPO with Clip-Cov. `ratio` is r, the share of tokens that lose their gradient."""
    return common.build(
        "clip_cov",
        advantage=PeerAdvantage(ddof=ddof),
        reweighters=(Lottery(),),
        ratio=Ratio("token"),
        surrogate=ClipCov(Clip.of(clip, clip_high), ratio, low, high),
    )


def kl_cov(
    *,
    ratio: float = 2e-4,
    beta: float = 1.0,
    ddof: int = 1,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build GRPO without a clip, with KL-Cov. `ratio` is r, the share of penalised tokens."""
    return common.build(
        "kl_cov",
        advantage=PeerAdvantage(ddof=ddof),
        reweighters=(LargestCovariance(ratio),),
        ratio=Ratio("token"),
        surrogate=Unclipped(),
        regularisers=(*common.regularisers, KLCov(beta)),
    )
