"""The learner's step does not depend on how rows are packed, and repeats bit for bit."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.made_training import batch_of_rows, qwen, row
from turnwise.algorithms import Batch, recipe
from turnwise.errors import ConfigError
from turnwise.training.config import Optimiser
from turnwise.training.learner import Learner, StepProgress
from turnwise.training.optimiser import OptimizerGroup, schedule
from turnwise.training.packing import pack

LENGTHS = [9, 31, 12, 50, 7, 22]


def moved(
    settings: Optimiser, lengths: list[int] = LENGTHS, name: str = "grpo", **changes: Any
) -> tuple[Any, dict[str, float]]:
    """The model after an update, and the metrics."""
    model = qwen()
    learner = Learner(model, settings, seed=3)
    metrics = learner.update(batch_of_rows(lengths), recipe(name, **changes), StepProgress(0, 10))
    return model, metrics


def same(one: Any, two: Any, tolerance: float = 0.0) -> bool:
    return all(
        torch.allclose(a, b, rtol=0, atol=tolerance)
        for a, b in zip(one.parameters(), two.parameters(), strict=True)
    )


@pytest.mark.parametrize("changes", [{}, {"entropy_bonus": 0.1}], ids=["plain", "entropy"])
def test_micro_batches_do_not_matter(changes: dict[str, float]) -> None:
    # The rate is small against the weights: Adam's first step is the sign of the gradient, whatever
    # its size.
    settings = [Optimiser(name="muon", lr=1e-6, micro_tokens=tokens) for tokens in (1, 60, 10_000)]
    results = [moved(s, **changes) for s in settings]
    for model, metrics in results[1:]:
        assert same(model, results[0][0], 1e-4)
        assert metrics.keys() == results[0][1].keys()
        for key, value in metrics.items():
            assert value == pytest.approx(results[0][1][key], abs=1e-5), key


def test_the_gradient_is_that_of_the_plain_sum() -> None:
    rows = batch_of_rows(LENGTHS)
    model = qwen()
    learner = Learner(model, Optimiser(lr=1e-9, micro_tokens=60, max_grad_norm=1e9))
    norm = learner.update(rows, recipe("reinforce"))["grad_norm"]
    model.zero_grad()
    total = torch.zeros(())
    for r in rows:
        ids = torch.as_tensor(r.ids)[None]
        every = torch.log_softmax(model(input_ids=ids).logits[0, :-1], -1)
        logp = every.gather(1, ids[0, 1:, None])[:, 0]
        total = (
            total
            - (
                logp * torch.as_tensor(r.streams["weight"] * r.streams["advantage"])[1:].float()
            ).sum()
        )
    total.backward()
    squares: Any = [(p.grad**2).sum() for p in model.parameters()]
    wanted = torch.sqrt(sum(squares))
    assert norm == pytest.approx(float(wanted), rel=1e-4)


def test_an_update_is_deterministic() -> None:
    settings = Optimiser(name="muon", mini_batches=2, epochs=2)
    assert same(moved(settings)[0], moved(settings)[0])


def test_mini_batches_and_epochs_take_that_many_steps() -> None:
    _, metrics = moved(Optimiser(mini_batches=3, epochs=2))
    assert metrics["optimiser_steps"] == 6
    _, metrics = moved(Optimiser(mini_batches=30), lengths=[9, 12])
    assert metrics["optimiser_steps"] == 2


def test_more_mini_batches_than_trajectories_are_as_many_as_there_are_trajectories() -> None:
    """Each step is scaled by the mini-batches there are, not by those that were asked for."""
    asked, had = (moved(Optimiser(mini_batches=n), lengths=[9, 12]) for n in (30, 2))
    assert same(asked[0], had[0]) and asked[1] == had[1]
    assert asked[1]["ratio"] == pytest.approx(1.0, abs=0.05)


def test_mini_batches_weigh_what_the_whole_batch_does() -> None:
    """The metrics of several mini-batches are means over all of them, as those of one are."""
    one, four = (
        moved(Optimiser(lr=1e-9, mini_batches=n, epochs=e))[1] for n, e in ((1, 1), (4, 2))
    )
    for name in ("advantage", "policy_loss", "ratio"):
        assert four[name] == pytest.approx(one[name], abs=1e-4), name


def test_the_callback_is_called_after_every_optimizer_step() -> None:
    calls: list[int] = []
    learner = Learner(qwen(), Optimiser(mini_batches=2, epochs=3))
    rows = batch_of_rows(LENGTHS)
    learner.update(rows, recipe("grpo"), on_optimizer_step=lambda: calls.append(1))
    assert len(calls) == 6


def test_a_controller_s_factor_and_scalars_reach_the_step() -> None:
    seen: list[dict[str, float]] = []

    class Spy:
        requirements, regularisers, critic, rounds = frozenset[str](), (), None, 0

        def lr_scale(self, scalars: object) -> None:
            return None

        def loss(self, batch: Batch) -> Any:
            seen.append(batch.scalars)
            return recipe("grpo").loss(batch)

    model = qwen()
    before = copy.deepcopy(model)
    metrics = Learner(model, Optimiser(lr=0.5)).update(
        batch_of_rows([9]), Spy(), factor=0.0, scalars={"ess": 0.5}  # type: ignore[arg-type]
    )  # fmt: skip
    assert seen == [{"ess": 0.5}] and metrics["learning_rate"] == 0.0 and same(model, before)


def test_dropout_of_a_model_is_switched_off() -> None:
    model = qwen(attention_dropout=0.5)
    learner = Learner(model)
    rows = batch_of_rows([9, 12])
    model.train()
    assert all(
        module.attention_dropout == 0.0
        for module in model.modules()
        if hasattr(module, "attention_dropout")
    )
    one, two = (learner.policy(pack(rows, [0, 1]))[0] for _ in range(2))
    assert torch.equal(one, two)


def test_nothing_to_score_is_nothing_scored() -> None:
    assert Learner(qwen()).logprobs([], entropies=True) == ([], [])


def test_entropies_lie_on_the_policy_tokens() -> None:
    rows = batch_of_rows([9, 30])
    _, wide = Learner(qwen(), Optimiser(micro_tokens=10)).logprobs(rows, entropies=True)
    for values, r in zip(wide, rows, strict=True):
        assert (
            (values[r.mask] > 0).all()
            and (values <= np.log(40) + 1e-6).all()
            and not values[~r.mask].any()
        )


def test_mini_batches_never_cut_a_trajectory() -> None:
    seen: list[set[int]] = []

    class Spy(Learner):
        def _step(self, rows: Any, *rest: Any) -> dict[str, float]:
            seen.append({r.trajectory for r in rows})  # type: ignore[arg-type]
            return super()._step(rows, *rest)

    rows = [row(9 + k, uid=f"t{k // 2}", weight=0.01) for k in range(8)]
    Spy(qwen(), Optimiser(mini_batches=2)).update(rows, recipe("grpo"))
    assert len(seen) == 2 and not seen[0] & seen[1] and len(seen[0] | seen[1]) == 4


def test_old_logprobs_are_the_learner_s_unless_configured() -> None:
    rows = batch_of_rows(LENGTHS)
    seen: list[Batch] = []
    watched = recipe("grpo")

    class Spy:
        requirements, regularisers, critic = watched.requirements, (), None
        rounds = 0

        def lr_scale(self, scalars: object) -> None:
            return None

        def loss(self, batch: Batch) -> Any:
            seen.append(batch)
            return watched.loss(batch)

    for settings in (Optimiser(), Optimiser(epochs=2), Optimiser(epochs=2, old_logprobs="rollout")):
        seen.clear()
        learner = Learner(qwen(), settings)
        before, _ = learner.logprobs(rows)
        learner.update(rows, Spy())  # type: ignore[arg-type]
        wanted = np.concatenate([v[r.mask] for v, r in zip(before, rows, strict=True)])
        assert np.allclose(seen[-1].old_logp.numpy(), wanted, atol=1e-5) is (
            settings.old_logprobs == "learner"
        )
        assert np.allclose(seen[-1].rollout_logp.numpy(), -1.0)


def test_engine_gap_is_the_mean_difference() -> None:
    rows = batch_of_rows([9, 12])
    learner = Learner(qwen(), Optimiser(lr=1e-9))
    now, _ = learner.logprobs(rows)
    shifted = [
        replace(r, streams={**r.streams, "logprob": v + 0.25 * r.mask})
        for r, v in zip(rows, now, strict=True)
    ]
    assert learner.update(shifted, recipe("grpo"))["engine_gap"] == pytest.approx(0.25, abs=1e-5)


def test_the_reference_stays_where_it_was() -> None:
    rows = batch_of_rows(LENGTHS)
    learner = Learner(qwen(), Optimiser(lr=0.01), reference=True)
    before, _ = learner.logprobs(rows)
    learner.update(rows, recipe("grpo"))
    now, _ = learner.logprobs(rows)
    kept, _ = learner.logprobs(rows, reference=True)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(before, kept, strict=True))
    assert not np.allclose(now[0], before[0], atol=1e-3)
    with pytest.raises(ConfigError, match="has no reference model"):
        Learner(qwen()).logprobs(rows, reference=True)


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    rows = batch_of_rows([9])
    rows[0].streams["advantage"][:] = np.inf
    model = qwen()
    before = copy.deepcopy(model)
    metrics = Learner(model, Optimiser(lr=0.1)).update(rows, recipe("reinforce"))
    assert metrics["skipped_steps"] == 1 and same(model, before)


@pytest.mark.parametrize("name", ["grpo", "reinforce"])
def test_trajectories_without_advantage_are_spared_and_change_nothing(name: str) -> None:
    rows = batch_of_rows(LENGTHS)
    for k in (1, 3):
        rows[k].streams["advantage"][:] = 0.0
    results = []
    for skip in (True, False):
        model = qwen()
        settings = Optimiser(lr=1e-6, skip_zero_advantage=skip)
        results.append((model, Learner(model, settings).update(rows, recipe(name))))
    (one, spared), (two, whole) = results
    assert same(one, two, 1e-9)
    assert spared["tokens"] == whole["tokens"] - sum(LENGTHS[k] - 1 for k in (1, 3))
    for key in ("policy_loss", "grad_norm", "kl_old"):
        assert spared[key] == pytest.approx(whole[key], abs=1e-6)
    if name == "grpo":
        assert spared["ratio"] == pytest.approx(1.0)


def test_with_a_regulariser_nothing_is_spared() -> None:
    rows = batch_of_rows([9, 12])
    rows[0].streams["advantage"][:] = 0.0
    metrics = Learner(qwen()).update(rows, recipe("grpo", entropy_bonus=0.1))
    assert metrics["tokens"] == 8 + 11


def test_a_batch_without_any_advantage_takes_no_step() -> None:
    rows = batch_of_rows([9, 12])
    for r in rows:
        r.streams["advantage"][:] = 0.0
    model = qwen()
    before = copy.deepcopy(model)
    metrics = Learner(model, Optimiser(lr=0.1)).update(rows, recipe("grpo"))
    assert metrics["optimiser_steps"] == 0 and same(model, before)


def test_without_a_critic_a_recipe_that_requires_one_is_refused() -> None:
    class Wants:
        name, requirements = "wants", frozenset({"value"})

    with pytest.raises(ConfigError, match="critic"):
        Learner(qwen()).update(batch_of_rows([9]), Wants())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="critic"):
        Learner(qwen()).values(batch_of_rows([9]))


def test_gradient_checkpointing_changes_nothing() -> None:
    rows = batch_of_rows(LENGTHS)
    models = [qwen(), qwen()]
    for model, on in zip(models, (False, True), strict=True):
        Learner(model, Optimiser(name="muon", lr=1e-6), gradient_checkpointing=on).update(
            rows, recipe("grpo")
        )
        assert not model.training
    assert same(*models, tolerance=1e-4)


def test_bfloat16_products_stay_close() -> None:
    rows = batch_of_rows(LENGTHS)
    exact, _ = Learner(qwen()).logprobs(rows)
    rough, _ = Learner(qwen(), autocast=True).logprobs(rows)
    gap = max(float(np.abs(a - b).max()) for a, b in zip(exact, rough, strict=True))
    assert 0 < gap < 0.3


def test_state_goes_on_exactly() -> None:
    first, second = batch_of_rows(LENGTHS), batch_of_rows([30, 11, 8])
    whole = qwen()
    learner = Learner(whole, Optimiser(name="muon"))
    learner.update(first, recipe("grpo"))
    halfway, state = copy.deepcopy(whole.state_dict()), copy.deepcopy(learner.state())
    learner.update(second, recipe("grpo"))
    resumed = qwen(seed=5)
    resumed.load_state_dict(halfway)
    again = Learner(resumed, Optimiser(name="muon"))
    again.load(state)
    again.update(second, recipe("grpo"))
    assert same(whole, resumed)


def test_muon_moves_hidden_matrices_and_adamw_the_rest() -> None:
    group = OptimizerGroup(qwen(), Optimiser(name="muon"))
    adam, muon = group.optimizers
    shapes = [tuple(p.shape) for group in muon.param_groups for p in group["params"]]
    assert all(len(shape) == 2 for shape in shapes) and (40, 24) not in shapes
    assert (40, 24) in [tuple(p.shape) for group in adam.param_groups for p in group["params"]]
    frozen = qwen().requires_grad_(False)
    with pytest.raises(ConfigError, match="no weight"):
        OptimizerGroup(frozen, Optimiser())


def test_schedules() -> None:
    line = Optimiser(schedule="linear", final_lr=0.2, warmup_steps=2)
    assert [round(schedule(line, s, 12), 3) for s in (0, 1, 2, 7, 12)] == [0.5, 1.0, 1.0, 0.6, 0.2]
    assert schedule(Optimiser(schedule="cosine"), 5, 10) == pytest.approx(0.5)
    assert schedule(Optimiser(), 9, 10) == 1.0
    model = qwen()
    metrics = Learner(model, Optimiser(schedule="linear", lr=0.1)).update(
        batch_of_rows([9]), recipe("grpo"), StepProgress(5, 10), 0.5
    )
    assert metrics["learning_rate"] == pytest.approx(0.025)


def test_a_recipe_paces_its_own_learning_rate() -> None:
    """VCPO: what the engine recorded is far from the model, so few trajectories carry the weights
    and the step is shorter.
    """
    made = recipe("vcpo")
    results = []
    for tokens in (60, 10_000):
        model = qwen()
        before = copy.deepcopy(model)
        metrics = Learner(model, Optimiser(name="muon", lr=1e-3, micro_tokens=tokens)).update(
            batch_of_rows(LENGTHS), made
        )
        pairs = zip(model.parameters(), before.parameters(), strict=True)
        results.append((metrics, sum(float((a - b).abs().sum()) for a, b in pairs)))
    (metrics, length), (whole, other) = results
    assert 0 < metrics["lr_scale"] < 1 and metrics["lr_scale"] == pytest.approx(
        metrics["ess"] ** 0.5, rel=1e-4
    )
    assert whole["lr_scale"] == pytest.approx(
        metrics["lr_scale"], rel=1e-4
    ) and length == pytest.approx(other, rel=1e-2)
    unpaced = replace(made, mismatch=replace(made.mismatch, base=1e-12))  # type: ignore[type-var]
    model = qwen()
    before = copy.deepcopy(model)
    full = Learner(model, Optimiser(name="muon", lr=1e-3)).update(batch_of_rows(LENGTHS), unpaced)
    moved_by = sum(
        float((a - b).abs().sum())
        for a, b in zip(model.parameters(), before.parameters(), strict=True)
    )
    assert full["lr_scale"] == 1.0 and length / moved_by == pytest.approx(
        metrics["lr_scale"], rel=0.02
    )
    assert "lr_scale" not in moved(Optimiser())[1]
