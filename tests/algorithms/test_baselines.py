"""DAPO, Dr. GRPO, GSPO, CISPO, REINFORCE++ and turn-level RLOO: numbers by hand, and where they are
one another.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.algorithms.made_batches import batch, group, turn
from tests.algorithms.walks import by_turn, flat
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.parts.advantage import Whiten
from turnwise.algorithms.parts.sampler import Dynamic
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError
from turnwise.records import Group


def two():
    """Returns 1, 1, 0, 0; the first trajectory has two turns."""
    return [group([turn(2), turn(1, 1.0)], [turn(1, 1.0)], [turn(2)], [turn(2)])]


def test_overlong_shaping():
    lengths = [4, 6, 8, 10, 30]
    groups = [group(*[[turn(n - 2), turn(2)] for n in lengths])]
    penalties = [0, 0, -0.5, -1, -1]
    made = recipe("dapo", max_length=10, buffer=4)
    batch = made.shapers[0](credit_batch_of(groups, made.rewards), Reducer())
    assert batch.returns.tolist() == pytest.approx(penalties)
    assert batch.rewards["overlong"][0::2].tolist() == [0.0] * 5  # paid in the last turn
    assert recipe("dapo", max_length=10).shapers[0].buffer == 10
    with pytest.raises(ConfigError, match="buffer of 0"):
        recipe("dapo", max_length=10, buffer=0)


def test_dynamic_sampling_asks_for_what_is_missing():
    equal, mixed = (
        group([turn(1, 1.0)], [turn(1, 1.0)], uid="e"),
        group([turn(1, 1.0)], [turn(1)], uid="m"),
    )
    broken = group([turn(1, 1.0)], [turn(1)], uid="b", errors=(1,))
    sampler = Dynamic()
    assert sampler.missing([equal, mixed, broken], 3) == 2
    assert set(recipe("dapo").credit([equal, mixed])) == {"m0", "m1"}
    assert len(Dynamic(oversample=1.5).choose(range(50), 4, np.random.default_rng(0), {})) == 6
    third = group([turn(1, 1.0)], [turn(1)], [turn(1)], uid="t")
    assert Dynamic(low=0.4).missing([mixed, third], 2) == 1
    nothing = Group("n", "n", ())
    assert sampler.missing([nothing], 1) == 1
    assert recipe("dapo", dynamic_sampling=False).sampler.missing([equal], 1) == 0


def test_dr_grpo_has_no_division():
    streams = recipe("dr_grpo", length=10).credit(two())
    assert by_turn(recipe("dr_grpo"), two())[0] == pytest.approx([0.5, 0.5])
    assert flat(
        [flat([v.tolist() for v in own["weight"]]) for own in streams.values()]
    ) == pytest.approx([1 / 40] * 8)


def test_both_forms_of_gspo_give_one_gradient():
    values = []
    for variant in ("sequence", "token"):
        b = batch(
            [0.3, -0.1, 0.4, -0.2],
            [1, 1, 1, -2],
            [0, 0, 1, 2],
            [0, 0, 0, 1],
            [1 / 6, 1 / 6, 1 / 6, 1 / 2],
        )
        loss, _ = recipe("gspo", variant=variant, clip=0.5, clip_high=0.5).loss(b)
        values.append(torch.autograd.grad(loss, b.logp)[0])
    s = float(np.exp(0.2))
    assert values[0].tolist() == pytest.approx([-s / 6] * 3 + [np.exp(-0.2)])
    assert torch.allclose(*values)


def test_gspo_clips_whole_sequences():
    b = batch([0.3, -0.29, 0.0], [1, 1, 1], [0, 0, 1], [0, 0, 1])
    _, metrics = recipe("gspo").loss(b)
    assert float(metrics["clip_share"]) == pytest.approx(2 / 3)
    assert float(recipe("grpo").loss(b)[1]["clip_share"]) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("settings", "weights"),
    [({"clip_high": 0.2}, [0.5, 1.0, 1.2]), ({"clip": 0.2, "clip_high": 0.2}, [0.8, 1.0, 1.2])],
)
def test_cispo_keeps_every_gradient(settings, weights):
    b = batch([float(np.log(0.5)), 0.0, 1.0], [2, 1, -1])
    loss, metrics = recipe("cispo", **settings).loss(b)
    wanted = -np.array(weights) * [2, 1, -1] / 3
    assert torch.autograd.grad(loss, b.logp)[0].tolist() == pytest.approx(wanted)
    assert float(metrics["clip_share"]) == pytest.approx(sum(w in (0.8, 1.2) for w in weights) / 3)


def test_reinforce_pp_by_hand():
    returns = np.array([0.81, 0.9, 1.0, 1.0, 0, 0, 0, 0])
    wanted = (returns - returns.mean()) / np.sqrt(returns.var(ddof=1) + 1e-8)
    streams = recipe("reinforce_pp", gamma=0.9).credit(two())
    assert flat(
        [flat([v.tolist() for v in own["advantage"]]) for own in streams.values()]
    ) == pytest.approx(wanted)


def test_reinforce_pp_subtracts_the_kl_to_the_reference():
    turns = [(2, 1), (1,), (2,), (2,)]
    given = {
        f"g{i}": {
            "old_logp": [[-1.0] * n for n in lengths],
            "ref_logp": [[-1.5] * n for n in lengths],
        }
        for i, lengths in enumerate(turns)
    }
    plain = recipe("reinforce_pp", kl=0.2)
    streams = replace(plain, reweighters=()).credit(two(), None, given)
    assert flat([v.tolist() for v in streams["g0"]["advantage"]]) == pytest.approx(
        [1 - 0.3, 1 - 0.2, 1 - 0.1]
    )
    assert flat([v.tolist() for v in streams["g2"]["advantage"]]) == pytest.approx([-0.2, -0.1])
    assert (
        plain.requirements >= {"precomputed:ref_logp", "precomputed:old_logp"}
        and not recipe("reinforce_pp").requirements
    )


def test_turn_rloo_compares_turns_of_one_index():
    groups = [group([turn(1, 0.5), turn(1, 1.0)], [turn(1, 0.0), turn(1, 0.5)], [turn(1, 0.9)])]
    found = by_turn(recipe("turn_rloo"), groups)
    assert found[0] == pytest.approx([1.5 - (0.5 + 0.9) / 2, 1.0 - 0.5])
    assert found[1] == pytest.approx([0.5 - (1.5 + 0.9) / 2, 0.5 - 1.0])
    assert found[2] == pytest.approx([0.9 - (1.5 + 0.5) / 2])
    assert by_turn(recipe("turn_rloo"), [group([turn(1, 1.0)], uid="g")])[0] == [1.0]


def test_whitening_leaves_out_what_is_masked():
    batch = credit_batch_of([group([turn(2), turn(2)])], {"env": 1.0}).write(
        advantage=np.array([1.0, 3.0, 100.0, 100.0])
    )
    batch = batch.mask_turns(np.array([True, False]))
    found = Whiten()(batch, Reducer()).tokens["advantage"]
    assert found == pytest.approx([-(0.5**0.5), 0.5**0.5, 0, 0])
    assert Whiten(centre=False)(batch, Reducer()).tokens["advantage"][:2] == pytest.approx(
        found[:2] + 2
    )
    same = batch.write(advantage=np.full(4, 0.3))
    assert Whiten()(same, Reducer()).tokens["advantage"].tolist() == pytest.approx(
        [0.0] * 4, abs=1e-9
    )


def test_papers_reduce_to_grpo():
    """Without their own changes, all give the credit and the loss of GRPO over tokens."""
    groups = [
        group(
            [turn(2, entropies=(0.1, 0.2)), turn(1, 1.0, entropies=(0.3,))],
            [turn(3, entropies=(0.5,) * 3)],
        )
    ]
    same = {
        "grpo": {"aggregate": "token"},
        "dapo": {"clip_high": 0.2},
        "arpo": {"initial": 16, "dual_clip": None},
        "dr_mas": {"unit": "trajectory"},
        "simpletir": {"clip_high": 0.2, "dual_clip": None},
        "aepo": {"a": 0.0, "dual_clip": None},
    }
    b = batch([0.3, -0.4, 0.1], [0.5, -1.0, 1.0])
    losses = {
        name: float(recipe(name, **settings).loss(b)[0].detach()) for name, settings in same.items()
    }
    credits = {name: recipe(name, **settings).credit(groups) for name, settings in same.items()}
    for name in same:
        assert losses[name] == pytest.approx(losses["grpo"], abs=1e-12), name
        for uid, own in credits["grpo"].items():
            for stream in ("advantage", "weight"):
                assert all(
                    np.allclose(a, c)
                    for a, c in zip(own[stream], credits[name][uid][stream], strict=True)
                ), name


@pytest.mark.parametrize(
    ("name", "settings", "on_policy"),
    [
        ("dapo", {}, True),
        ("dapo", {"max_length": 10, "buffer": 4}, True),
        ("dr_grpo", {"length": 7}, True),
        ("gspo", {}, False),
        ("gspo", {"variant": "token", "clip": 0.1, "clip_high": 0.1}, True),
        ("cispo", {}, True),
        ("reinforce_pp", {}, True),
        ("reinforce_pp", {"kl": 0.1, "gamma": 0.9}, True),
        ("reinforce_pp", {"baseline": True, "kl": 0.1}, True),
        ("turn_rloo", {}, True),
    ],
)
def test_holds_what_every_recipe_holds(name, settings, on_policy):
    check_recipe(recipe(name, **settings), on_policy=on_policy)
