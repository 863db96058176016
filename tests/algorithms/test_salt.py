"""SALT: the worked example, and properties of random walks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import group
from tests.algorithms.walks import by_turn, flat, shop, walk
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.papers.salt import SharedEdges
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError


def shared(groups, advantages, **settings):
    """SharedEdges on advantages given by trajectory, by turn."""
    batch = credit_batch_of(groups, {"env": 1.0})
    batch = batch.write(advantage=batch.spread(np.array(advantages)[batch.owner]))
    found = SharedEdges(**settings)(batch, Reducer()).tokens["advantage"]
    return [found[batch.owner == i].tolist() for i in range(len(advantages))]


def test_the_worked_example():
    expected = [
        [0, 0.166667, 0.5],
        [0, 0.166667, 0.5, 0.5],
        [0, -0.5, -0.5],
        [0, 0.166667, -0.5, -0.5, -0.5],
    ]
    assert flat(by_turn(recipe("salt", scale="none"), shop())) == pytest.approx(
        flat(expected), abs=1e-6
    )
    scaled = by_turn(recipe("salt"), shop())
    assert scaled[0] == pytest.approx([0, 0.288675, 0.866024], abs=1e-6)
    assert sum(flat(scaled)) == pytest.approx(-0.866024, abs=1e-5)


def test_on_rloo_the_base_is_the_mean_of_the_others():
    assert by_turn(recipe("salt", base="rloo"), shop())[0] == pytest.approx([0, 2 / 9, 2 / 3])


def test_history_tells_transitions_apart():
    x = walk([("s0", "a", "s1"), ("s1", "c", "s3")])
    y = walk([("s0", "b", "s2"), ("s2", "d", "s1"), ("s1", "c", "s3")])
    assert shared([group(x, y)], [0.5, -0.5]) == [[0.5, 0.0], [-0.5, -0.5, 0.0]]
    for history in (1, -1):
        assert shared([group(x, y)], [0.5, -0.5], history=history) == [
            [0.5, 0.5],
            [-0.5, -0.5, -0.5],
        ]


def test_the_whole_past_is_a_tree_of_prefixes():
    x = walk([("s0", "a", "s1"), ("s1", "c", "s2"), ("s2", "d", "s3")])
    y = walk([("s0", "a", "s1"), ("s1", "c", "s2"), ("s2", "e", "s4")])
    z = walk([("s0", "a", "s1"), ("s1", "b", "s1"), ("s1", "c", "s2")])
    third = 1 / 3
    found = shared([group(x, y, z)], [1.0, 1.0, -1.0], history=-1)
    assert flat(found) == pytest.approx([third, 1, 1, third, 1, 1, third, -1, -1])
    assert shared([group(x, y, z)], [1.0, 1.0, -1.0])[0][1] == pytest.approx(
        third
    )  # without history the third one's c joins


def test_loops():
    one = walk([("a", "x", "b"), ("b", "y", "a"), ("a", "x", "b")])
    two = walk([("a", "x", "b")])
    assert flat(shared([group(one, two)], [1.0, -1.0])) == pytest.approx([1 / 3, 1, 1 / 3, 1 / 3])
    assert flat(shared([group(one, two)], [1.0, -1.0], loops="trajectory")) == [0, 1, 0, 0]


def test_different_transitions_are_not_merged():
    base = ("s", "a", "t")
    for other in (("s2", "a", "t"), ("s", "b", "t"), ("s", "a", "t2")):
        assert flat(shared([group(walk([base]), walk([other]))], [1.0, -1.0])) == [1.0, -1.0]
    two = [group(walk([base]), uid="g"), group(walk([base]), uid="h")]
    assert flat(shared(two, [1.0, -1.0])) == [1.0, -1.0]


def test_equal_returns_stay_as_they_are_and_equal_walks_cancel():
    path = [("s0", "a", "s1"), ("s1", "b", "s2")]
    alike = group(
        *[
            walk(path, 1.0, "won"),
            walk(path, 1.0, "won"),
            walk(path, 0.0, "lost"),
            walk(path, 0.0, "lost"),
        ]
    )
    found = by_turn(recipe("salt"), [alike])
    assert [t[0] for t in found] == [0.0] * 4
    assert [t[1] for t in found] == pytest.approx(
        [0.866024, 0.866024, -0.866024, -0.866024], abs=1e-6
    )


steps = st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from("abc"))


@given(
    st.lists(
        st.tuples(st.lists(steps, min_size=1, max_size=6), st.floats(-2, 2)), min_size=1, max_size=6
    ),
    st.randoms(),
)
def test_any_walks(walks, random):
    groups, advantages = [group(*[walk(path) for path, _ in walks])], [a for _, a in walks]
    found = shared(groups, advantages)
    length = [len(path) for path, _ in walks]
    assert sum(flat(found)) == pytest.approx(
        sum(n * a for n, a in zip(length, advantages, strict=True)), abs=1e-9
    )
    assert min(advantages) - 1e-9 <= min(flat(found)) and max(flat(found)) <= max(advantages) + 1e-9
    own = np.repeat(advantages, length)
    assert np.var(flat(found)) <= np.var(own) + 1e-9
    doubled = shared(groups, [2 * a for a in advantages])
    assert flat(doubled) == pytest.approx([2 * v for v in flat(found)], abs=1e-9)
    order = list(range(len(walks)))
    random.shuffle(order)
    mixed = shared([group(*[walk(walks[i][0]) for i in order])], [advantages[i] for i in order])
    assert all(mixed[k] == pytest.approx(found[i], abs=1e-9) for k, i in enumerate(order))


def test_without_sharing_it_is_the_base():
    apart = group(
        *[
            walk([(f"{k}", "a", f"{k}b"), (f"{k}b", "b", f"{k}c")], w)
            for k, w in enumerate([1.0, 0.0, 0.0])
        ]
    )
    assert by_turn(recipe("salt"), [apart]) == by_turn(recipe("grpo"), [apart])


@pytest.mark.parametrize(
    "settings", [{}, {"base": "rloo"}, {"history": 2}, {"history": -1}, {"loops": "trajectory"}]
)
def test_holds_what_every_recipe_holds(settings):
    made = recipe("salt", **settings)
    check_recipe(made)
    assert isinstance(made.advantage, PeerAdvantage)


def test_a_wrong_history_is_refused():
    with pytest.raises(ConfigError, match="history = -2"):
        recipe("salt", history=-2)
