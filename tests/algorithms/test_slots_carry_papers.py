"""Parts that a third party would write, outside the package.

They use what no built-in recipe combines: a statistic of the mini-batch, a stream passed from the
credit plane to the loss, and a learning-rate factor. Each works without a change to a recipe, a
batch or a trainer.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.algorithms.made_batches import batch, group, turn
from turnwise.algorithms import Recipe, recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.filters import MaskTurns
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip, Term

NOTHING = frozenset[str]()


def build(**slots):
    return Recipe(
        **{
            "name": "draft",
            "advantage": PeerAdvantage(),
            "ratio": Ratio(),
            "surrogate": Clip(),
            **slots,
        }
    )


@dataclass(frozen=True)
class Late:
    """Write a stream: the share of the trajectory's turns before this one."""

    requirements = NOTHING
    provides = frozenset({"stream:late"})

    def __call__(self, batch, reducer):
        turns = np.bincount(batch.owner, minlength=len(batch.trajectories))
        return batch.write(late=batch.spread(batch.index / turns[batch.owner]))


@dataclass(frozen=True)
class Narrowing:
    """Read it: the clip range narrows towards the end of an episode.

    It is halved while negative advantages outweigh the positive ones.
    """

    requirements = frozenset({"ratio", "measure", "stream:late"})

    def measure(self, made):
        value = made.streams["weight"] * made.streams["advantage"]
        return {"positive": value.clamp(min=0).sum(), "negative": -value.clamp(max=0).sum()}

    def lr_scale(self, scalars):
        return 0.5 if scalars["positive"] < scalars["negative"] else 1.0

    def __call__(self, made, log_ratio):
        width = 0.2 * (1 - made.streams["late"]) * self.lr_scale(made.scalars)
        ratio, advantage = log_ratio.exp(), made.streams["advantage"]
        return Term(-(ratio * advantage).minimum(ratio.clamp(1 - width, 1 + width) * advantage))


def test_a_part_passes_a_stream_to_another():
    made = build(reweighters=(Late(),), surrogate=Narrowing())
    streams = made.credit([group([turn(2), turn(1, 1.0)], [turn(1)])])
    assert [v.tolist() for v in streams["g0"]["late"]] == [[0, 0], [0.5]]
    assert (
        made.lr_scale({"positive": 1.0, "negative": 2.0}) == 0.5
        and recipe("grpo").lr_scale({}) is None
    )
    b = batch([0.5, 0.5], [1.0, 1.0])
    b.streams["late"] = b.logp.detach() * 0 + 0.5
    loss, _ = made.loss(
        type(b)(*[getattr(b, f) for f in b.__slots__[:-1]], {"positive": 1.0, "negative": 0.0})
    )
    assert float(loss.detach()) == pytest.approx(-1.1)


@pytest.mark.parametrize(
    "slots",
    [{"reweighters": (Late(),), "surrogate": Narrowing()}, {"filters": (MaskTurns("void"),)}],
    ids=["narrowing", "masked"],
)
def test_drafts_hold_what_every_recipe_holds(slots):
    check_recipe(build(**slots))
