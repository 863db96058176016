"""Building recipes: combinations that work, those that do not, and the errors."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from tests.algorithms.made_batches import batch
from turnwise.algorithms import Recipe, recipe
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Fixed
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.regularisers import EntropyBonus
from turnwise.algorithms.parts.shapers import InvalidPenalty
from turnwise.algorithms.parts.strategy import Independent
from turnwise.algorithms.parts.surrogate import Clip, LogLikelihood
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Reads:
    """A reweighter that does nothing but state its requirements."""

    requirements: frozenset[str]
    provides: frozenset[str] = frozenset()

    def __call__(self, batch, reducer):
        return batch


def build(**slots):
    return Recipe(
        **{"name": "mine", "advantage": PeerAdvantage(), "surrogate": LogLikelihood(), **slots}
    )


def test_requirements_are_the_union_of_the_parts():
    reweighters = (Reads(frozenset({"precomputed:value"})),)
    made = build(
        ratio=Ratio("trajectory"),
        surrogate=Clip(),
        regularisers=(EntropyBonus(0.1),),
        reweighters=reweighters,
    )
    assert made.requirements == {"span:trajectory", "entropy", "precomputed:value"}


@dataclass(frozen=True, slots=True)
class Branching(Independent):
    branches = True


def test_a_strategy_that_branches_needs_forks():
    assert build(strategy=Independent(4)).requirements == frozenset()
    assert build(strategy=Branching(4)).requirements == {"fork"}


@pytest.mark.parametrize(
    ("slots", "sentence"),
    [
        (
            {"surrogate": Clip()},
            "recipe 'mine': Clip in the slot `surrogate` needs a ratio: fill the slot `ratio`",
        ),
        (
            {"reweighters": (Reads(frozenset({"critic"})),)},
            "slot `reweighters` needs a critic: fill the slot `critic`",
        ),
        (
            {"reweighters": (Reads(frozenset({"stream:novelty"})),)},
            "reads the stream 'novelty', which no other part writes",
        ),
        (
            {"reweighters": (Reads(frozenset({"reward:tool"})),)},
            "reads the reward component 'tool': count it in `rewards`",
        ),
        (
            {"reweighters": (Reads(frozenset({"entropi"})),)},
            "unknown requirement 'entropi' in recipe 'mine'.*did you mean 'entropy'",
        ),
        (
            {"shapers": (InvalidPenalty(),)},
            "adds the reward component 'invalid', which counts nothing: name it in `rewards`",
        ),
        ({"rewards": {"env": 0.0}}, "counts no reward component"),
    ],
)
def test_a_wrong_combination_is_not_built(slots, sentence):
    with pytest.raises(ConfigError, match=sentence):
        build(**slots)


def test_a_part_may_read_a_stream_of_another():
    reader, writer = (
        Reads(frozenset({"stream:novelty"})),
        Reads(frozenset(), frozenset({"stream:novelty"})),
    )
    assert build(reweighters=(writer, reader)).requirements == frozenset()


def test_a_recipe_is_frozen_and_can_be_changed_by_replace():
    made = recipe("grpo")
    with pytest.raises(FrozenInstanceError):
        made.name = "other"
    with pytest.raises(ConfigError, match="needs a ratio"):
        replace(made, ratio=None)


def test_metrics_are_means_with_fixed_length_weights_too():
    made = batch([0.5, 0.5], [1, 1], weight=[0.05, 0.05])
    made = replace(made, streams={**made.streams, "mass": made.streams["weight"] * 0 + 0.1})
    _, metrics = build(ratio=Ratio(), surrogate=Clip(), aggregate=Fixed(20)).loss(made)
    assert float(metrics["clip_share"]) == pytest.approx(1.0)
    assert float(metrics["policy_loss"]) == pytest.approx(-0.12)


def test_a_micro_batch_without_weight_has_a_differentiable_loss_of_zero():
    made = batch([0.5, 0.5], [1, 1], weight=[0.0, 0.0])
    loss, metrics = recipe("grpo").loss(made)
    loss.backward()
    assert (
        float(loss.detach()) == 0.0
        and made.logp.grad.tolist() == [0, 0]
        and float(metrics["ratio"]) == 0.0
    )


def test_importing_and_building_needs_no_torch():
    code = (
        "import sys; from turnwise.algorithms import recipe; "
        "recipe('grpo', kl=0.1).credit([]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_module_recipes_keeps_the_function_recipe():
    code = (
        "import turnwise.algorithms.recipes; from turnwise.algorithms import recipe; "
        "assert recipe('grpo').name == 'grpo'"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_sum_over_micro_batches_is_the_batch():
    """The same tokens in one batch and in two: loss and every metric add up."""
    log_ratio, advantage, weight = (
        [0.3, -0.1, 0.4, 0.5],
        [1.0, 1.0, -0.5, 2.0],
        [0.1, 0.4, 0.2, 0.3],
    )
    whole, metrics = recipe("grpo").loss(batch(log_ratio, advantage, weight=weight))
    halves = [
        recipe("grpo").loss(batch(log_ratio[s], advantage[s], weight=weight[s]))
        for s in (slice(0, 1), slice(1, 4))
    ]
    assert float(whole.detach()) == pytest.approx(sum(float(loss.detach()) for loss, _ in halves))
    for name, value in metrics.items():
        assert float(value) == pytest.approx(sum(float(m[name]) for _, m in halves))
