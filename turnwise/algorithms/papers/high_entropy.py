"""80/20: train only on the tokens with the highest entropy.

S. Wang et al., "Beyond the 80/20 Rule: High-Entropy Minority Tokens Drive Effective Reinforcement
Learning for LLM Reasoning", arXiv 2506.01939.

    m'_t = m_t 1[H_t >= the (1 - share) quantile of H over the batch]

The mean is over the tokens that are kept.

Fidelity:
    Certain: the rule, share 0.2, on DAPO's settings.
    Our reading: the batch is the whole rollout batch, over the policy's tokens (the authors' code
    takes the micro-batch), and H is the entropy that the engine recorded when it generated the
    token; on the first pass that is the current one. Ties at the quantile are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.papers import dapo
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HighEntropyTokens:
    """Train only on the share of tokens with the largest recorded entropy, at least one."""

    share: float = 0.2
    requirements = frozenset({"rollout:entropy"})

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(
                f"share = {self.share} keeps no token: give a number above 0 and up to 1"
            )

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        entropy = batch.recorded("entropy")
        own = entropy[batch.mask]
        number = reducer.count(own)
        bar = reducer.order(own, min(number - 1, int((1 - self.share) * number + 1e-9)))
        return batch.mask_tokens(entropy >= bar)


@refuses(drop_equal_groups="`dynamic_sampling` drops them")
def recipe(
    *,
    share: float = 0.2,
    clip: float = 0.2,
    clip_high: float = 0.28,
    dual_clip: float | None = None,
    dynamic_sampling: bool = True,
    max_length: int | None = None,
    buffer: int = 4096,
    ddof: int = 1,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build 80/20 on DAPO, with all of DAPO's settings."""
    base = dapo.recipe(
        clip=clip,
        clip_high=clip_high,
        dual_clip=dual_clip,
        dynamic_sampling=dynamic_sampling,
        max_length=max_length,
        buffer=buffer,
        ddof=ddof,
        common=common,
    )
    return replace(base, name="high_entropy", reweighters=(HighEntropyTokens(share),))
