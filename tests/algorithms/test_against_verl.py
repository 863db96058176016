"""The same numbers as verl's functions on random batches, where verl 0.9 can be imported.

verl holds a batch as one padded row a response; here a response is a trajectory of one turn. In its GRPO the mean of a token
loss over a sequence and then over sequences is our weight by trajectory.
"""

import numpy as np
import pytest
import torch

from turnwise.algorithms import Batch, recipe
from turnwise.algorithms.ratio import Ratio
from turnwise.algorithms.recipe import Recipe
from turnwise.algorithms.regularisers import divergence
from turnwise.algorithms.surrogate import Clip
from turnwise.records import Group, Trajectory, Turn

core = pytest.importorskip(
    "verl.trainer.ppo.core_algos", reason="verl is not installed: pip install verl==0.9.1 to compare with it"
)

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
            act = Turn("a", (1,), (2,) * n, (-1.0,) * n, None, "", "", "", True, {"env": float(rewards[i])}, "", "")
            episodes.append(Trajectory(g, str(g), str(i), (act,), False, 0.0, "terminated"))
        made.append(Group(g, str(g), tuple(episodes)))
    mask = torch.tensor(np.arange(LONGEST)[None] < lengths[:, None]).double()
    scores = torch.zeros(GROUPS * SIZE, LONGEST, dtype=torch.float64)
    scores[torch.arange(len(lengths)), torch.tensor(lengths) - 1] = torch.tensor(rewards)
    return made, mask, scores, np.repeat(np.arange(GROUPS), SIZE)


def flat(streams, name):
    return torch.tensor(np.concatenate([np.concatenate(streams[str(i)][name]) for i in range(GROUPS * SIZE)]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "theirs"), [("grpo", "compute_grpo_outcome_advantage"), ("rloo", "compute_rloo_outcome_advantage")]
)
def test_advantages(name, theirs, seed):
    groups, mask, scores, index = sample(seed)
    expected, _ = getattr(core, theirs)(scores, mask, index)
    found = flat(recipe(name).credit(groups), "advantage")
    assert torch.allclose(found, expected[mask.bool()].double(), atol=1e-6)


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
    logp, old, advantage = (torch.randn(mask.shape, generator=rng, dtype=torch.float64) * s for s in (0.4, 0.4, 1.0))
    logp.requires_grad_()
    high = 0.2 if loss == "vanilla" else 4e-4
    config = settings(clip=0.2 if loss == "vanilla" else 3e-4, high=high)
    expected, _ = core.get_policy_loss_fn(loss)(old, logp, advantage, mask, loss_agg_mode=mode, config=config)
    base = recipe("grpo", aggregate=aggregate)
    dual = 3.0 if loss == "vanilla" else None
    ours = Recipe("against", base.advantage, Clip(config.clip_ratio, high, dual), ratio, base.aggregate)
    rows = torch.arange(len(mask))[:, None].expand_as(mask)[keep]
    weight = flat(ours.credit(groups), "weight")
    streams = {"advantage": advantage[keep], "weight": weight}
    found, _ = ours.loss(Batch(logp[keep], old[keep], old[keep], rows, rows, streams))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)
    (a,), (b,) = (torch.autograd.grad(value, logp) for value in (found, expected))
    assert torch.allclose(a, b, atol=1e-6)


def settings(clip, high):
    from verl.workers.config import ActorConfig

    clips = {"clip_ratio": clip, "clip_ratio_low": clip, "clip_ratio_high": high, "clip_ratio_c": 3.0}
    return ActorConfig(strategy="fsdp", rollout_n=SIZE, ppo_micro_batch_size_per_gpu=1, **clips)


@pytest.mark.parametrize(("ours", "theirs"), [("k1", "kl"), ("k2", "mse"), ("k3", "low_var_kl")])
def test_divergences(ours, theirs):
    rng = torch.Generator().manual_seed(0)
    logp, reference = (torch.randn(50, generator=rng, dtype=torch.float64) * 0.5 for _ in range(2))  # verl caps k3 at 10
    assert torch.allclose(divergence(reference - logp, ours), core.kl_penalty_forward(logp, reference, theirs), atol=1e-6)
