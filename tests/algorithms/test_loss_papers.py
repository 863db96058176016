"""MinPRO, SAPO, GMPO, BAPO, VCPO and EPO against hand-worked numbers."""

import json
import math
from dataclasses import replace

import pytest
import torch

from tests.algorithms.made_batches import batch
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.papers.bapo import BalancedClip
from turnwise.algorithms.papers.epo import EntropyHistory, EntropySmoothing, schedule
from turnwise.algorithms.papers.min_pro import WorstPrefix
from turnwise.errors import ConfigError


def gradient(made, b):
    loss, metrics = made.loss(b)
    return torch.autograd.grad(loss, b.logp)[0].tolist(), float(loss.detach()), metrics


def logs(*ratios):
    return [math.log(r) for r in ratios]


def test_min_pro_uses_the_smallest_earlier_ratio():
    assert WorstPrefix()(
        batch([0.1, -0.3, 0.2, 0.4], [1.0] * 4, None, [0, 0, 0, 1])
    ).tolist() == pytest.approx([0.1, -0.2, -0.1, 0.4])
    assert WorstPrefix()(
        batch([0.1, 0.4, -0.3, 0.2], [1.0] * 4, None, [0, 1, 0, 0])
    ).tolist() == pytest.approx([0.1, 0.4, -0.2, -0.1])
    b = batch([0.1, -0.3, 0.2, 0.4], [1.0, 1.0, -1.0, 1.0], None, [0, 0, 0, 1])
    found, _, _ = gradient(recipe("min_pro"), b)
    assert found == pytest.approx(
        [-math.exp(0.1) / 4, -math.exp(-0.2) / 4, math.exp(-0.1) / 4, -1.28 / 4]
    )


def test_sapo_fades_on_both_sides():
    b = batch(logs(2.0, 0.5, 1.0), [1.0, -1.0, -2.0])
    found, loss, metrics = gradient(recipe("sapo"), b)
    sigmoid = [1 / (1 + math.exp(-x)) for x in (1.0, -0.525, 0.0)]
    assert loss == pytest.approx((-4 * sigmoid[0] + 4 / 1.05 * sigmoid[1] + 8 / 1.05 * 0.5) / 3)
    slopes = [4 * s * (1 - s) for s in sigmoid]
    assert found == pytest.approx([-slopes[0] * 2 / 3, slopes[1] * 0.5 / 3, 2 / 3])
    assert float(metrics["gate"]) == pytest.approx(sum(slopes) / 3)
    with pytest.raises(ConfigError, match="temperatures of a gate"):
        recipe("sapo", tau_neg=0.0)


def test_gmpo_clips_tokens_and_pools_a_trajectory():
    b = batch([0.6, -0.1, -0.6, 0.2], [1, 1, -1, -1], None, [0, 0, 1, 1])
    found, loss, metrics = gradient(recipe("gmpo"), b)
    won, lost = math.exp(0.15), math.exp(-0.1)
    assert loss == pytest.approx((lost - won) / 2) and float(metrics["clip_share"]) == 0.5
    assert found == pytest.approx([0, -won / 4, 0, lost / 4])


BOUNDS = {"low": 0.6, "low_max": 0.8, "high": 1.2, "high_max": 2.0, "step": 0.1}


@pytest.mark.parametrize(("target_of", "bounds"), [("share", (0.8, 1.8)), ("ratio", (0.6, 1.2))])
def test_bapo_by_both_readings_of_its_target(target_of, bounds):
    """P(h) = min(2, h), N(l) = max(0.5, l) + 0.95: a half of all asks for h = 1.8, a half of N has
    been met from the start.
    """
    made = recipe("bapo", target_of=target_of, dual_clip=None, **BOUNDS)
    b = batch(logs(2.0, 0.5, 0.95), [1, -1, -1])
    sums = {name: float(v) for name, v in made.measure(b).items()}
    assert made.surrogate.bounds(sums) == pytest.approx(bounds)
    _, loss, metrics = gradient(made, replace(b, scalars=sums))
    low, high = bounds
    assert loss == pytest.approx((-high + low + 0.95) / 3)
    assert (float(metrics["clip_low"]), float(metrics["clip_high"])) == pytest.approx(bounds)


def test_bapo_raising_the_lower_bound_raises_n():
    """The first half of the search moves away from its target, as in the paper and its code."""
    sums = recipe("bapo", **BOUNDS).measure(batch(logs(2.0, 0.5, 0.95), [1, -1, -1]))
    negative = [float(sums[f"bapo_n:{k}"]) for k in range(3)]
    assert negative == sorted(negative) and negative[0] < negative[-1]
    assert "bapo_n:3" not in sums and "bapo_p:8" in sums and "bapo_p:9" not in sums


def test_bapo_ends_at_its_last_bounds():
    clip = BalancedClip(0.6, 0.65, 1.2, 1.2, 0.1)
    assert clip.bounds({"bapo_p:0": 0.0, "bapo_n:0": 1.0, "bapo_n:1": 1.0}) == (0.65, 1.2)
    with pytest.raises(ConfigError, match="low_max"):
        BalancedClip(low=0.9, low_max=0.8)


def test_vcpo_scales_the_learning_rate_by_effective_sample_size():
    """Weights 1 and 3: (1 + 3)^2 / (1 + 9) = 1.6 of 2."""
    made = recipe("vcpo", cap=2.0)
    b = batch([math.log(3) / 2] * 2 + [0.0], [1.0, 1.0, -1.0], None, [1, 1, 0])
    sums = {name: float(v) for name, v in made.measure(b).items()}
    assert sums == pytest.approx({"ess_sum": 4.0, "ess_squares": 10.0, "ess_number": 2.0})
    assert (
        made.lr_scale(sums) == pytest.approx(math.sqrt(0.8))
        and recipe("vcpo", base=0.55).lr_scale(sums) == 1.0
    )
    assert recipe("grpo").lr_scale(sums) is None
    found, _, metrics = gradient(made, replace(b, scalars=sums))
    assert found == pytest.approx([-2 / 3, -2 / 3, 1 / 3])
    assert float(metrics["ess"]) == pytest.approx(0.8) and float(
        metrics["mismatch_share"]
    ) == pytest.approx(2 / 3)


def test_vcpo_weights_that_would_overflow_stay_finite():
    made = recipe("vcpo")
    far = replace(batch([50.0] * 10 + [-50.0] * 10, [1.0] * 20, None, [0] * 10 + [1] * 10))
    sums = {name: float(v) for name, v in made.measure(far).items()}
    assert made.lr_scale(sums) == pytest.approx(math.sqrt(0.5)) and all(
        math.isfinite(v) for v in sums.values()
    )


def epo_batch(entropies, index, scalars):
    b = batch(
        [0.0] * len(index),
        [0.0] * len(index),
        index,
        entropy=torch.tensor(entropies).double().requires_grad_(),
    )
    return replace(
        b, streams={**b.streams, "turn_index": torch.tensor(index).double()}, scalars=scalars
    )


def test_epo_hinge_has_a_gradient_outside_of_the_band():
    """Turn 0 has h = 1 and H = 3, beyond 2 h; turn 1 is inside; turn 2 has no history."""
    b = epo_batch(
        [3.0, 1.2, 9.0], [0, 1, 2], {"epo_history:0": 1.0, "epo_history:1": 1.0, "epo_beta": 0.5}
    )
    term = EntropySmoothing(coefficient=0.1, alpha=4.0, low=0.5)(b)
    assert term.value.tolist() == pytest.approx([-0.1 * (3 - 0.5 * 4 * 1), -0.12, -0.9])
    assert torch.autograd.grad(term.value.sum(), b.entropy)[0].tolist() == pytest.approx(
        [0.1, -0.1, -0.1]
    )
    assert term.metrics["outside"].tolist() == [1, 0, 0]
    low = EntropySmoothing(coefficient=0.1, alpha=4.0, low=0.5)(
        replace(b, scalars={"epo_history:1": 4.0, "epo_beta": 0.5})
    )
    assert low.value[1].item() == pytest.approx(-0.1 * (1.2 - 0.5 * 4 * 0.8))
    late = EntropySmoothing(coefficient=0.1, alpha=4.0, from_turn=1)(b)
    assert late.metrics["outside"].tolist() == [0, 0, 0]


def test_epo_pools_over_turns_by_default():
    b = epo_batch([1.0, 5.0], [0, 0], {"epo_history:0": 1.5})
    assert EntropySmoothing(1.0)(b).metrics["outside"].tolist() == [0, 0] and EntropySmoothing(1.0)(
        b
    ).value.tolist() == [-3.0, -3.0]
    assert EntropySmoothing(1.0, level="token")(b).metrics["outside"].tolist() == [0, 1]
    assert (
        "span:turn" in EntropySmoothing().requirements
        and "span:turn" not in EntropySmoothing(level="token").requirements
    )


def test_epo_history_excludes_the_current_step():
    controller, memory = EntropyHistory(), {}
    first = {"entropy_sum:0": 6.0, "entropy_count:0": 2.0}
    second = {"entropy_sum:0": 3.0, "entropy_count:0": 1.0}
    second |= {"entropy_sum:1": 5.0, "entropy_count:1": 4.0}
    history = []
    for step, metrics in enumerate([first, second, {}]):
        control = controller(step, 10, {**metrics, "reward": 1.0, **memory})
        memory = json.loads(json.dumps(dict(control.memory)))  # as a checkpoint would
        history.append({name: v for name, v in control.scalars.items() if name != "epo_beta"})
    assert history == [{}, {"epo_history:0": 3.0}, {"epo_history:0": 3.0, "epo_history:1": 1.25}]
    assert memory == {"epo_sum:0": 9.0, "epo_count:0": 3.0, "epo_sum:1": 5.0, "epo_count:1": 4.0}


def test_epo_schedule_falls():
    assert [schedule(p) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(
        [1.0, 1 - 0.2 * (1 - math.exp(-0.5)), 0.8 * math.exp(-1.5), 0.8 * math.exp(-3)]
    )
    assert EntropyHistory("constant")(9, 10, {}).scalars == {"epo_beta": 1.0}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("min_pro", {"clip": None, "aggregate": "trajectory"}),
        ("sapo", {"kl": 0.1}),
        ("gmpo", {"clip": 0.1}),
        ("bapo", {"target_of": "ratio"}),
        ("vcpo", {"cap": 1.1}),
        ("epo", {"level": "token"}),
    ],
)
def test_variants_hold_what_every_recipe_holds(name, settings):
    check_recipe(recipe(name, **settings))
