"""GAE against the recursion written out, and the value loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.parts.critic import GAE, ValueLoss, discounted
from turnwise.algorithms.reducer import Reducer

number = st.floats(-2, 2)
episodes = st.lists(
    st.lists(st.tuples(st.integers(0, 4), number), min_size=1, max_size=5), min_size=1, max_size=5
)


def written(rewards, values, gamma, lam):
    """The sum over all later steps, term by term."""
    n = len(rewards)
    delta = [
        rewards[t] + (gamma * values[t + 1] if t + 1 < n else 0.0) - values[t] for t in range(n)
    ]
    return [sum((gamma * lam) ** (k - t) * delta[k] for k in range(t, n)) for t in range(n)]


@given(
    st.lists(st.lists(st.tuples(number, number), min_size=1, max_size=9), min_size=1, max_size=6),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_recursion(runs, gamma, lam):
    reward, value = (np.array([pair[i] for run in runs for pair in run]) for i in range(2))
    owner = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    found = discounted(reward, value, owner, gamma, lam)
    wanted = [
        v for run in runs for v in written([r for r, _ in run], [x for _, x in run], gamma, lam)
    ]
    assert found == pytest.approx(wanted, abs=1e-9)


@given(episodes, st.integers(0, 1000))
def test_rewards_and_values_by_token(runs, seed):
    """The reward of a turn without tokens moves to a neighbour; the sum of rewards stays."""
    rng = np.random.default_rng(seed)
    groups = [group(*[[turn(n, r) for n, r in run] for run in runs])]
    given_values = {
        f"g{i}": {"value": [rng.normal(size=n).tolist() for n, _ in run]}
        for i, run in enumerate(runs)
    }
    batch = GAE(0.9, 0.7)(credit_batch_of(groups, {"env": 1.0}, given_values), Reducer())
    found = batch.tokens["advantage"]
    owner = batch.owner[batch.turn_of]
    for i, run in enumerate(runs):
        tokens, rewards, early = 0, [], 0.0
        for n, r in run:
            tokens += n
            if n:
                rewards += [0.0] * (n - 1) + [r + early]
                early = 0.0
            elif rewards:
                rewards[-1] += r
            else:
                early += r
        values = [v for own in given_values[f"g{i}"]["value"] for v in own]
        assert found[owner == i] == pytest.approx(written(rewards, values, 0.9, 0.7), abs=1e-9)
    assert batch.tokens["returns"] == pytest.approx(found + batch.tokens["value_old"])


def test_lambda_one_is_the_return_less_the_value():
    groups = [group([turn(2), turn(1, 1.0)])]
    values = {"g0": {"value": [[0.5, 0.4], [0.2]]}}
    batch = GAE()(credit_batch_of(groups, {"env": 1.0}, values), Reducer())
    assert batch.tokens["advantage"] == pytest.approx([0.5, 0.6, 0.8]) and batch.tokens[
        "returns"
    ] == pytest.approx([1.0] * 3)


def test_without_values_they_are_zero():
    batch = GAE(gamma=0.5)(
        credit_batch_of([group([turn(2), turn(1, 1.0)])], {"env": 1.0}), Reducer()
    )
    assert batch.tokens["advantage"] == pytest.approx([0.25, 0.5, 1.0])
    empty = GAE()(credit_batch_of([], {"env": 1.0}), Reducer())
    assert (
        len(empty.tokens["advantage"]) == 0
        and len(GAE(over="turn")(credit_batch_of([], {"env": 1.0}), Reducer()).tokens["returns"])
        == 0
    )


def test_a_turn_without_tokens_in_turn_steps():
    groups = [group([turn(0, 0.5), turn(2), turn(0, 0.25), turn(1, 1.0)])]
    values = {"g0": {"value": [[], [0.0, 0.0], [], [0.0]]}}
    batch = GAE(gamma=0.5, over="turn")(credit_batch_of(groups, {"env": 1.0}, values), Reducer())
    assert batch.tokens["advantage"] == pytest.approx([0.75 + 0.5, 0.75 + 0.5, 1.0])


@pytest.mark.parametrize(
    ("clip", "value", "gradient"),
    [(None, 0.5 * 0.81, -0.9), (0.2, 0.5 * 0.81, -0.9), (0.05, 0.5 * 0.9025, 0.0)],
)
def test_the_value_loss(clip, value, gradient):
    import torch

    from turnwise.algorithms import Batch

    v = torch.tensor([0.1], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1).double()
    streams = {"returns": one, "value_old": 0 * one, "value_mask": one}
    term = ValueLoss(clip=clip)(Batch(one, one, one, one.long(), one.long(), streams, value=v))
    assert float(term.value[0].detach()) == pytest.approx(value)
    assert float(torch.autograd.grad(term.value.sum(), v)[0]) == pytest.approx(gradient)
    assert float(term.metrics["value_clip_share"][0]) == float(gradient == 0)
