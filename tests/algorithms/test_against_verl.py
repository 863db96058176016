"""The same numbers as verl's functions on random batches; skipped without verl 0.9.

verl holds a batch as one padded row a response; here a response is a trajectory of one turn. In its
GRPO the mean of a token loss over a sequence and then over sequences is our weight by trajectory.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.algorithms.made_batches import turn
from turnwise.algorithms import Batch, recipe
from turnwise.algorithms.checks import measured
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.regularisers import divergence
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.records import Group, Trajectory

core = pytest.importorskip(
    "verl.trainer.ppo.core_algos",
    reason="verl is not installed: pip install verl==0.9.1 to compare with it",
)

OmegaConf = pytest.importorskip("omegaconf").OmegaConf
GROUPS, SIZE, LONGEST = 3, 4, 6


def sample(seed):
    """Groups with rewards at the end, and their padded form."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, LONGEST + 1, size=GROUPS * SIZE)
    rewards = np.round(rng.normal(size=GROUPS * SIZE), 3)
    made = []
    for g in range(GROUPS):
        episodes = []
        for i in range(g * SIZE, (g + 1) * SIZE):
            n = int(lengths[i])
            acts = (turn(n, float(rewards[i])),)
            episodes.append(Trajectory(g, str(g), str(i), acts, False, 0.0, "terminated"))
        made.append(Group(g, str(g), tuple(episodes)))
    mask = torch.tensor(np.arange(LONGEST)[None] < lengths[:, None]).double()
    scores = torch.zeros(GROUPS * SIZE, LONGEST, dtype=torch.float64)
    scores[torch.arange(len(lengths)), torch.tensor(lengths) - 1] = torch.tensor(rewards)
    return made, mask, scores, np.repeat(np.arange(GROUPS), SIZE)


def flat(streams, name):
    return torch.tensor(
        np.concatenate([np.concatenate(streams[str(i)][name]) for i in range(GROUPS * SIZE)])
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "theirs"),
    [("grpo", "compute_grpo_outcome_advantage"), ("rloo", "compute_rloo_outcome_advantage")],
)
def test_advantages(name, theirs, seed):
    groups, mask, scores, index = sample(seed)
    expected, _ = getattr(core, theirs)(scores, mask, index)
    found = flat(recipe(name).credit(groups), "advantage")
    assert torch.allclose(found, expected[mask.bool()].double(), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_dr_grpo(seed):
    groups, mask, scores, index = sample(seed)
    expected, _ = core.compute_grpo_outcome_advantage(
        scores, mask, index, norm_adv_by_std_in_grpo=False
    )
    found = flat(recipe("dr_grpo").credit(groups), "advantage")
    assert torch.allclose(found, expected[mask.bool()].double(), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_reinforce_pp(seed, gamma):
    groups, mask, scores, _ = sample(seed)
    expected, _ = core.compute_reinforce_plus_plus_outcome_advantage(
        scores, mask, config=OmegaConf.create({"gamma": gamma})
    )
    found = flat(recipe("reinforce_pp", gamma=gamma).credit(groups), "advantage")
    assert torch.allclose(found, expected[mask.bool()], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_reinforce_pp_baseline(seed):
    groups, mask, scores, index = sample(seed)
    expected, _ = core.compute_reinforce_plus_plus_baseline_outcome_advantage(scores, mask, index)
    found = flat(recipe("reinforce_pp", baseline=True).credit(groups), "advantage")
    assert torch.allclose(found, expected[mask.bool()].double(), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 1.0), (0.95, 0.8)])
def test_gae_and_the_value_loss(seed, gamma, lam):
    groups, mask, scores, _ = sample(seed)
    keep = mask.bool()
    rng = torch.Generator().manual_seed(seed)
    old, new = (torch.randn(mask.shape, generator=rng, dtype=torch.float64) for _ in range(2))
    advantage, returns = core.compute_gae_advantage_return(scores, old * mask, mask, gamma, lam)
    given = {str(i): {"value": [old[i][keep[i]].tolist()]} for i in range(len(mask))}
    made = recipe("ppo", gamma=gamma, lam=lam)
    streams = made.credit(groups, None, given)
    assert torch.allclose(flat(streams, "advantage"), advantage[keep], atol=1e-6)
    assert torch.allclose(flat(streams, "returns"), returns[keep], atol=1e-6)
    expected, _ = core.compute_value_loss(new, returns, old, mask, 0.5)
    own = {
        name: flat(streams, name)
        for name in ("returns", "value_old", "value_mask", "weight", "advantage")
    }
    zero = torch.zeros(int(mask.sum())).double()
    b = Batch(zero, zero, zero, zero.long(), zero.long(), own, value=new[keep])
    assert float((own["weight"] * made.critic(b).value).sum()) == pytest.approx(
        float(expected), abs=1e-6
    )


@pytest.mark.parametrize("seed", range(5))
def test_cispo(seed):
    groups, mask, old, logp, advantage = tensors(seed)
    expected, _ = core.get_policy_loss_fn("cispo")(
        old, logp, advantage, mask, config=settings(clip=0.2, high=0.2)
    )
    same(recipe("cispo", clip=0.2, clip_high=0.2), groups, mask, old, logp, advantage, expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("low", "high"), [(0.05, 5.0), (-50.0, 50.0), (0.5, 1.0)])
def test_clip_cov(seed, low, high):
    """With a share of 1 all candidates are taken, and nothing is left to chance on either side."""
    groups, mask, old, logp, advantage = tensors(seed)
    config = settings(
        clip=0.2,
        high=0.2,
        loss_mode="clip_cov",
        clip_cov_ratio=1.0,
        clip_cov_lb=low,
        clip_cov_ub=high,
    )
    expected, _ = core.get_policy_loss_fn("clip_cov")(old, logp, advantage, mask, config=config)
    same(
        recipe("clip_cov", ratio=1.0, low=low, high=high),
        groups,
        mask,
        old,
        logp,
        advantage,
        expected,
    )


def tensors(seed):
    groups, mask, _, _ = sample(seed)
    rng = torch.Generator().manual_seed(seed)
    old, logp, advantage = (
        torch.randn(mask.shape, generator=rng, dtype=torch.float64) * s for s in (0.4, 0.4, 1.0)
    )
    return groups, mask, old, logp.requires_grad_(), advantage


def same(ours, groups, mask, old, logp, advantage, expected):
    """Loss and gradient of a recipe on padded tensors are those expected."""
    keep = mask.bool()
    credit = ours.credit(groups)
    streams = {name: flat(credit, name) for name in credit["0"]} | {"advantage": advantage[keep]}
    rows = torch.arange(len(mask))[:, None].expand_as(mask)[keep]
    b = Batch(logp[keep], old[keep], old[keep], rows, rows, streams)
    found, _ = ours.loss(replace(b, scalars=measured(ours, [b], logp)))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)
    (a,), (b_,) = (torch.autograd.grad(value, logp) for value in (found, expected))
    assert torch.allclose(a, b_, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("loss", "ratio", "aggregate", "mode"),
    [
        ("vanilla", Ratio("token"), "token", "token-mean"),
        ("vanilla", Ratio("token"), "trajectory", "seq-mean-token-mean"),
        ("gspo", Ratio("trajectory", gradient="own"), "trajectory", "seq-mean-token-mean"),
    ],
)
def test_losses_and_gradients(loss, ratio, aggregate, mode, seed):
    groups, mask, _, _ = sample(seed)
    keep = mask.bool()
    rng = torch.Generator().manual_seed(seed)
    logp, old, advantage = (
        torch.randn(mask.shape, generator=rng, dtype=torch.float64) * s for s in (0.4, 0.4, 1.0)
    )
    logp.requires_grad_()
    high = 0.2 if loss == "vanilla" else 4e-4
    config = settings(clip=0.2 if loss == "vanilla" else 3e-4, high=high)
    expected, _ = core.get_policy_loss_fn(loss)(
        old, logp, advantage, mask, loss_agg_mode=mode, config=config
    )
    base = recipe("grpo", aggregate=aggregate)
    dual = 3.0 if loss == "vanilla" else None
    ours = Recipe(
        "against", base.advantage, Clip(config.clip_ratio, high, dual), ratio, base.aggregate
    )
    rows = torch.arange(len(mask))[:, None].expand_as(mask)[keep]
    weight = flat(ours.credit(groups), "weight")
    streams = {"advantage": advantage[keep], "weight": weight}
    found, _ = ours.loss(Batch(logp[keep], old[keep], old[keep], rows, rows, streams))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)
    (a,), (b,) = (torch.autograd.grad(value, logp) for value in (found, expected))
    assert torch.allclose(a, b, atol=1e-6)


def settings(clip, high, **policy_loss):
    from verl.workers.config import ActorConfig, PolicyLossConfig

    clips = {
        "clip_ratio": clip,
        "clip_ratio_low": clip,
        "clip_ratio_high": high,
        "clip_ratio_c": 3.0,
    }
    return ActorConfig(
        strategy="fsdp",
        rollout_n=SIZE,
        ppo_micro_batch_size_per_gpu=1,
        policy_loss=PolicyLossConfig(**policy_loss),
        **clips,
    )


@pytest.mark.parametrize(("ours", "theirs"), [("k1", "kl"), ("k2", "mse"), ("k3", "low_var_kl")])
def test_divergences(ours, theirs):
    rng = torch.Generator().manual_seed(0)
    logp, reference = (
        torch.randn(50, generator=rng, dtype=torch.float64) * 0.5 for _ in range(2)
    )  # verl caps k3 at 10
    assert torch.allclose(
        divergence(reference - logp, ours),
        core.kl_penalty_forward(logp, reference, theirs),
        atol=1e-6,
    )
