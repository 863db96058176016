"""Samplers and controllers."""

import numpy as np

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms.parts.controller import Control, Steady
from turnwise.algorithms.parts.sampler import Uniform


def test_uniform_draws_without_repeats_while_it_can():
    tasks = list(range(100, 110))
    drawn = Uniform().choose(tasks, 10, np.random.default_rng(0), {})
    assert sorted(drawn) == tasks
    assert len(Uniform().choose(tasks, 25, np.random.default_rng(0), {})) == 25


def test_the_same_generator_draws_the_same_tasks_and_all_are_drawn_alike():
    tasks = ["a", "b", "c", "d"]
    once, again = (Uniform().choose(tasks, 3, np.random.default_rng(5), {}) for _ in range(2))
    assert once == again
    rng = np.random.default_rng(0)
    counts = np.unique(
        [Uniform().choose(tasks, 1, rng, {})[0] for _ in range(4000)], return_counts=True
    )[1]
    assert counts.min() > 850 and counts.max() < 1150  # 1000 expected, standard deviation 27


def test_uniform_asks_for_no_more_than_the_number_of_groups():
    done = [group([turn(1)], uid=str(i)) for i in range(3)]
    assert Uniform().missing(done, 5) == 2 and Uniform().missing(done, 3) == 0 == Uniform().missing(
        done, 2
    )


def test_steady_changes_nothing():
    assert Steady()(7, 10, {"entropy": 0.1}) == Control(1.0, {})
