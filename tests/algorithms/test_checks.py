"""The kit must catch these recipes: each has one mistake that real trainers have made."""

import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest

from turnwise.algorithms import Recipe, specimens
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.parts.advantage import PeerAdvantage, RewardToGo
from turnwise.algorithms.parts.aggregate import Fixed, Mean
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip, LogLikelihood, Term
from turnwise.records import rows


@dataclass(frozen=True)
class Part:
    """A part from a function, with freely chosen requirements."""

    run: object = field(compare=False)
    requirements: frozenset[str] = frozenset()

    def __call__(self, *arguments):
        return self.run(*arguments)


def build(**slots):
    return Recipe(
        **{
            "name": "mine",
            "advantage": PeerAdvantage(),
            "ratio": Ratio(),
            "surrogate": Clip(),
            **slots,
        }
    )


def whiten_micro_batch(batch, log_ratio):
    a = batch.streams["advantage"]
    return Term(-log_ratio.exp() * (a - a.mean()))


def own_share(batch, reducer):
    return batch.write(weight=batch.mask / max(1, batch.mask.sum()))


def local_mean(batch, reducer):
    a = batch.tokens["advantage"]
    return batch.write(advantage=a - (a.mean() if len(a) else 0.0))


def first_trajectory(batch, reducer):
    return batch.write(advantage=batch.tokens["advantage"] * (batch.owner[batch.turn_of] == 0))


def micro_batch_mean(batch):
    return Term(batch.logp * 0 + batch.logp.mean())


def nan(batch, reducer):
    return batch.write(advantage=batch.tokens["advantage"] / 0.0)


def pools_over_turns(batch):
    return Ratio("trajectory")(batch)


def one_rank_asks_twice(batch, reducer):
    if len(batch.trajectories) > 3:
        reducer.sum(np.ones(1))
    return batch


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("slots", "complaint"),
    [
        ({"surrogate": Part(whiten_micro_batch)}, "differs with"),
        ({"aggregate": Part(own_share)}, "differs between one process and several"),
        ({"reweighters": (Part(local_mean),)}, "differs between one process and several"),
        (
            {"reweighters": (Part(first_trajectory),)},
            "differs with .*shuffled|one process and several",
        ),
        ({"reweighters": (Part(nan),)}, "is not finite"),
        (
            {"regularisers": (Part(micro_batch_mean),), "aggregate": Mean("trajectory")},
            "differs with",
        ),
        ({"ratio": Part(pools_over_turns)}, "differs with .*a row each"),
        (
            {"surrogate": Part(lambda batch, r: Term(-2 * r.exp() * batch.streams["advantage"]))},
            "not the plain policy gradient",
        ),
        (
            {"surrogate": Part(lambda batch, r: Term(batch.logp, {"clip": batch.logp}))},
            "metric 'clip' is a detached scalar",
        ),
        (
            {"aggregate": Part(lambda batch, reducer: batch.write(weight=batch.mask * 0.5))},
            "weights sum to",
        ),
    ],
)
def test_a_mistake_is_caught(slots, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_recipe(build(**slots))


def test_tensors_that_are_not_required_are_absent():
    with pytest.raises((AssertionError, TypeError, AttributeError)):
        check_recipe(build(regularisers=(Part(lambda batch: Term(-batch.entropy)),)))


def test_a_different_objective_is_caught():
    with pytest.raises(AssertionError, match="where the objective says"):
        check_recipe(build(), lambda batch: (batch.streams["weight"] * batch.logp).sum())


def test_sound_recipes_pass():
    check_recipe(build(ratio=Ratio("trajectory")), on_policy=True)
    check_recipe(build(ratio=Ratio("turn"), aggregate=Mean("turn")))
    check_recipe(build(aggregate=Fixed(40)))
    check_recipe(build(advantage=RewardToGo(0.9, "batch"), surrogate=LogLikelihood(), ratio=None))


def test_specimens_have_what_real_batches_have():
    made = specimens.random_groups()
    trajectories = [t for g in made for t in g.trajectories]
    turns = [turn for t in trajectories for turn in t.turns]
    assert any(t.error for t in trajectories) and any(not turn.completion_ids for turn in turns)
    assert any(not turn.valid for turn in turns) and {turn.agent for turn in turns} >= {
        "solver",
        "checker",
    }
    assert min(Counter(g.uid for g in made for _ in g.trajectories).values()) == 1
    assert len({t.reward() for t in made[0].trajectories}) == 1
    assert specimens.random_groups(3) == specimens.random_groups(3) != specimens.random_groups(4)


def test_layouts_hold_the_same_tokens_in_other_rows():
    made = specimens.random_groups()
    for one, many in zip(
        specimens.laid_out(made, True), specimens.laid_out(made, False), strict=True
    ):
        for a, b in zip(one.trajectories, many.trajectories, strict=True):
            long, short = rows(a), rows(b)
            assert len(short) == sum(bool(t.completion_ids) for t in b.turns) >= len(long)
            assert [*np.concatenate([r.ids[r.mask] for r in long])] == [
                *np.concatenate([r.ids[r.mask] for r in short])
            ]
            assert [c for r in long for c in specimens.contexts(r)] == [
                c for r in short for c in specimens.contexts(r)
            ]


def test_the_kit_depends_on_its_seed_alone():
    random.seed(1)
    np.random.seed(1)
    before = specimens.random_groups(0)
    random.seed(2)
    np.random.seed(2)
    assert before == specimens.random_groups(0)
