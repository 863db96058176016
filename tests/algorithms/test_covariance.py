"""Clip-Cov and KL-Cov: which tokens they choose, and how many."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.algorithms.made_batches import batch, group, turn
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe, measured
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.papers.covariance import ClipCov, Lottery
from turnwise.algorithms.reducer import Reducer


def clip_cov_batch(ratio, logps, advantages, tickets):
    """A batch on policy, and the recipe with these bounds."""
    b = batch(logps, advantages)
    b = replace(
        b,
        old_logp=b.logp.detach(),
        streams={**b.streams, "ticket": torch.tensor(tickets, dtype=torch.float64)},
    )
    made = recipe("clip_cov", ratio=ratio)
    return made, replace(b, scalars=measured(made, [b], b.logp))


def test_tokens_of_large_covariance_lose_their_gradient():
    # mean logp -2, mean advantage 0: covariances 2, 0, 0, 2
    made, b = clip_cov_batch(
        1.0, [0.0, -2.0, -2.0, -4.0], [1.0, 1.0, -1.0, -1.0], [0.1, 0.2, 0.3, 0.9]
    )
    assert b.scalars == {
        "cov_tokens": 4.0,
        "cov_logp": -8.0,
        "cov_advantage": 0.0,
        "cov_candidates": 2.0,
    }
    loss, metrics = made.loss(b)
    assert torch.autograd.grad(loss, b.logp)[0].tolist() == pytest.approx([0, -0.25, 0.25, 0])
    assert float(metrics["cov_clip_share"]) == pytest.approx(0.5)


def test_at_least_one_token_is_chosen_by_its_ticket():
    made, b = clip_cov_batch(
        1e-9, [0.0, -2.0, -2.0, -4.0], [1.0, 1.0, -1.0, -1.0], [0.1, 0.2, 0.3, 0.9]
    )
    loss, _ = made.loss(b)  # one of two candidates: tickets below a half
    assert torch.autograd.grad(loss, b.logp)[0].tolist() == pytest.approx([0, -0.25, 0.25, 0.25])


def test_tickets_are_uniform_and_fixed_per_token():
    batch = credit_batch_of([group([turn(4000), turn(1000)])], {"env": 1.0})
    tickets = Lottery()(batch, Reducer()).tokens["ticket"]
    assert np.histogram(tickets, bins=10, range=(0, 1))[0] == pytest.approx([500] * 10, abs=100)
    assert len(np.unique(tickets)) == 5000
    other = credit_batch_of([group([turn(4000), turn(3)])], {"env": 1.0})
    assert (Lottery()(other, Reducer()).tokens["ticket"][:4000] == tickets[:4000]).all()


def test_kl_cov_marks_the_largest():
    groups = [group([turn(3, 1.0)], [turn(3)])]
    given = {"g0": {"old_logp": [[-0.1, -3.0, -1.0]]}, "g1": {"old_logp": [[-0.2, -2.0, -5.0]]}}
    streams = recipe("kl_cov", ratio=0.34).credit(groups, None, given)
    assert [v.tolist() for v in streams["g0"]["kl_cov"]] == [[1, 0, 0]] and streams["g1"]["kl_cov"][
        0
    ].tolist() == [0, 0, 1]
    assert (
        sum(
            v[0].sum()
            for v in [recipe("kl_cov").credit(groups, None, given)[u]["kl_cov"] for u in given]
        )
        == 1
    )


@pytest.mark.parametrize(
    "settings", [{"ratio": 0.3, "low": 0.1}, {"ratio": 1.0, "low": -9.0, "high": 9.0}, {}]
)
def test_clip_cov_holds_what_every_recipe_holds(settings):
    made = recipe("clip_cov", **settings)
    check_recipe(made, on_policy=False)
    assert isinstance(made.surrogate, ClipCov) and made.rounds == 2


def test_kl_cov_holds_what_every_recipe_holds():
    check_recipe(recipe("kl_cov", ratio=0.2))
