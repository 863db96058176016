"""The printed claim: every condition of it, errors apart, nothing cut off."""

from __future__ import annotations

import pytest

from tests.evaluation.made_episodes import broken, episode, turn
from tests.evaluation.test_score import claim, printed
from turnwise.evaluation.intervals import Interval
from turnwise.evaluation.metrics import measure
from turnwise.evaluation.tables import percent, signed


@pytest.mark.parametrize(
    ("value", "share", "gain"),
    [
        (Interval(0.642, 0.6, 0.6844, 100), "64.2 %  [60.0, 68.4]", "+64.2  [+60.0, +68.4]"),
        (Interval(-0.125, -0.2, 0.0, 9), "-12.5 %  [-20.0, 0.0]", "-12.5  [-20.0, +0.0]"),
        (Interval(1.0, 0.0, 1.0, 1), "100.0 %  [0.0, 100.0]", "+100.0  [+0.0, +100.0]"),
    ],
)
def test_intervals_as_text(value: Interval, share: str, gain: str) -> None:
    assert (percent(value), signed(value)) == (share, gain)


def test_what_is_absent_is_said_in_words() -> None:
    text = printed(claim(prompt=None, max_turns=None, sampling={}, environment_args={}))
    assert (
        "none: the agent reads no prompt" in text
        and "turn limit" in text
        and "none" in text.split("turn limit")[1][:20]
    )
    assert "sampling" not in text and "settings" not in text
    text = printed(claim(prompt="webshop/act@1", max_turns=15))
    assert "webshop/act@1" in text and "15" in text.split("turn limit")[1][:20]


def test_tokens_are_shown_for_agents_that_make_some() -> None:
    assert "generated per episode" not in printed(claim())
    model = measure(
        [episode(0, True, turns=(turn(prompt=10, completion=4), turn(prompt=30, completion=6)))]
    )
    text = printed(claim(metrics=model))
    assert "10 generated per episode, context up to 36" in text


def test_attempts_that_were_lost_show_over_how_many_tasks_pass_at_k_is() -> None:
    played = [episode(task, True) for task in range(3) for _ in range(2)] + [
        episode(9, False),
        broken(9),
    ]
    text = printed(claim(attempts=2, metrics=measure(played)))
    (two,) = [line for line in text.splitlines() if "pass@2" in line]
    assert two.rstrip().endswith("(3 tasks)") and "1 errored" in text
    (one,) = [line for line in text.splitlines() if "pass@1" in line]
    assert "tasks" not in one


def test_types_are_grouped_by_their_key_the_frequent_first() -> None:
    tags = ["category=b", "category=b", "category=a", "options=2", "category=c"]
    played = [episode(k, True, tags=(tag,)) for k, tag in enumerate(tags)]
    text = printed(claim(metrics=measure(played)))
    text = text[text.index("by type") :]
    names = [line.split()[0] for line in text.splitlines() if line.split()]
    assert names[names.index("category") :][:6] == ["category", "b", "a", "c", "options", "2"]


def test_without_types_there_is_no_table_of_them() -> None:
    assert "by type" not in printed(claim(metrics=measure([episode(0, True)])))
    assert "by type" in printed(claim())
