"""Instructions: the synthetic grammar of the official data, and paraphrases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.instructions import (
    OPENERS,
    GoalRequest,
    paraphrased,
    price_limit,
    synthetic,
)

BOOTS = GoalRequest("boots", ("waterproof", "non slip"), ("rubber sole",), ("hiking",))


def test_the_synthetic_grammar_word_for_word() -> None:
    assert synthetic(BOOTS, {"size": "small", "color": "red"}, 30) == (
        "Find me waterproof, non slip boots with rubber sole for hiking with color: red, and size: "
        "small, "
        "and price lower than 30.00 dollars"
    )
    assert synthetic(GoalRequest("tea", uses=("lunch",)), {}, None) == "Find me tea for lunch"
    limited = synthetic(GoalRequest("tea"), {}, 120)
    assert limited == "Find me tea, and price lower than 120.00 dollars"


@given(st.integers(0, 10**6))
def test_a_paraphrase_says_everything_the_grammar_says(seed: int) -> None:
    text = paraphrased(Draw(seed), BOOTS, {"size": "small", "color": "red"}, 30)
    assert text.startswith(OPENERS) and text == text.lower()
    assert all(word in text for word in (*BOOTS.attributes, "boots", "small", "red", "size"))
    assert text.endswith(", and price lower than 30.00 dollars") and ":" not in text


@given(st.integers(0, 10**6), st.floats(0.01, 1200, allow_nan=False))
def test_a_limit_is_above_the_price_and_one_of_the_next_four_tens(seed: int, price: float) -> None:
    limit = price_limit(Draw(seed), price)
    if price >= 980:
        assert limit is None
    else:
        assert limit is not None and limit % 10 == 0 and price < limit <= min(990, price + 40)
        assert (
            limit > (price // 10 + 1) * 10
        )  # the larger of two different ones is never the smallest


@pytest.mark.parametrize(
    ("price", "shares"),
    [(14.0, {30: 1 / 6, 40: 2 / 6, 50: 3 / 6}), (965.0, {980: 1 / 3, 990: 2 / 3})],
)
def test_limits_follow_the_law_of_the_larger_of_two(price: float, shares: dict[int, float]) -> None:
    draw = Draw("limits", price)
    drawn = [price_limit(draw, price) for _ in range(6000)]
    assert set(drawn) == set(shares)
    for limit, share in shares.items():
        assert abs(drawn.count(limit) / 6000 - share) < 0.03
