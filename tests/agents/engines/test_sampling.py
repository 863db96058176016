"""Sampling: distributions, supports, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from turnwise.agents.engines.transformers.stepper import Draws, draw, uniforms  # noqa: E402


def how(
    n: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    entropies: bool = False,
) -> Draws:
    return Draws(
        temperature=np.full(n, temperature, dtype=np.float32),
        top_p=np.full(n, top_p, dtype=np.float32),
        top_k=np.full(n, top_k, dtype=np.int64),
        uniform=uniforms(np.full(n, seed, dtype=np.uint64), np.arange(n)),
        entropies=entropies,
    )


def tokens(logits: Any, n: int, **asked: Any) -> Any:
    return draw(logits.expand(n, -1), how(n, **asked))[0].long().numpy()


PROBS = torch.tensor([[0.4, 0.05, 0.25, 0.1, 0.2]])


def chi_square(counts: Any, probs: Any) -> float:
    expected = probs * counts.sum()
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_distribution_at_temperature(temperature: float) -> None:
    n = 50_000
    wanted = (PROBS.log() / temperature).softmax(-1)[0].numpy()
    counts = np.bincount(tokens(PROBS.log(), n, temperature=temperature, seed=7), minlength=5)
    assert chi_square(counts, wanted) < 18.47  # 99.9 % of chi-square with 4 degrees of freedom


def test_uniforms_are_uniform_over_seeds_and_over_positions() -> None:
    n = 100_000
    for drawn in (
        uniforms(np.full(n, 3, dtype=np.uint64), np.arange(n)),
        uniforms(np.arange(n, dtype=np.uint64), np.zeros(n, dtype=np.int64)),
        uniforms(np.arange(n, dtype=np.uint64) * np.uint64(2**40), np.arange(n)),
    ):
        assert drawn.min() > 0 and drawn.max() < 1
        counts = np.bincount((drawn * 64).astype(int), minlength=64)
        assert chi_square(counts, np.full(64, 1 / 64)) < 104  # 99.9 % with 63 degrees of freedom
        assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.015


def test_a_draw_depends_on_seed_and_position_alone() -> None:
    seeds, counters = np.array([5, 6, 5], dtype=np.uint64), np.array([0, 0, 1])
    alone = uniforms(seeds[1:2], counters[1:2])
    assert uniforms(seeds, counters)[1] == alone[0] and len(set(uniforms(seeds, counters))) == 3


@pytest.mark.parametrize(
    ("asked", "support"),
    [
        ({"top_k": 1}, {0}),
        ({"top_k": 3}, {0, 2, 4}),
        ({"top_k": 9}, {0, 1, 2, 3, 4}),
        ({"top_p": 0.3}, {0}),
        ({"top_p": 0.64}, {0, 2}),
        ({"top_p": 0.66}, {0, 2, 4}),
        ({"top_p": 0.99}, {0, 1, 2, 3, 4}),
        ({"top_p": 1e-9}, {0}),
        ({"top_p": 0.6, "top_k": 2}, {0}),  # of what top-k leaves, 0.4 / 0.65 is already enough
        ({"top_p": 0.7, "top_k": 2}, {0, 2}),
    ],
)
def test_truncation_keeps_exactly_the_support(asked: dict[str, Any], support: set[int]) -> None:
    n = 20_000
    counts = np.bincount(tokens(PROBS.log(), n, **asked), minlength=5)
    assert set(np.flatnonzero(counts)) == support
    kept = np.array(sorted(support))
    probs = PROBS[0].numpy()[kept]
    assert chi_square(counts[kept], probs / probs.sum()) < 18.47 + len(kept)


def test_rows_of_one_batch_have_their_own_parameters() -> None:
    n, logits = 3, PROBS.log().expand(3, -1)
    mixed = Draws(
        temperature=np.array([0, 1, 2], dtype=np.float32),
        top_p=np.array([1, 1e-6, 1], dtype=np.float32), top_k=np.zeros(n, dtype=np.int64),
        uniform=np.array([0.99, 0.99, 0.999999]), entropies=True,
    )  # fmt: skip
    ids, logprobs, entropies = draw(logits, mixed)
    assert ids[:2].tolist() == [0, 0] and ids[2] == 4
    flat = (PROBS.log() / 2).log_softmax(-1)[0]
    assert logprobs.tolist() == pytest.approx([np.log(0.4), np.log(0.4), float(flat[4])], abs=1e-6)
    assert float(entropies[2]) == pytest.approx(float(-(flat.exp() * flat).sum()), abs=1e-6)


def test_tokens_without_mass_are_never_drawn_and_entropies_stay_finite() -> None:
    logits = torch.full((4, 6), float("-inf"))
    logits[:, 2], logits[:, 4] = 0.0, 0.0
    extreme = Draws(
        temperature=np.ones(4, dtype=np.float32), top_p=np.ones(4, dtype=np.float32),
        top_k=np.zeros(4, dtype=np.int64),
        uniform=np.array([2.0**-41, 0.5, 0.500001, 1 - 2.0**-41]), entropies=True,
    )  # fmt: skip
    ids, _, entropies = draw(logits, extreme)
    assert set(ids.tolist()) <= {2, 4} and ids[0] == 2 and ids[3] == 4
    assert entropies.tolist() == pytest.approx([np.log(2)] * 4, abs=1e-6)


def test_entropy_of_a_uniform_distribution_is_its_logarithm() -> None:
    out = draw(torch.zeros(2, 1540), how(2, entropies=True))
    assert out.shape == (3, 2) and out[2].tolist() == pytest.approx([np.log(1540)] * 2, abs=1e-5)
    assert draw(torch.zeros(2, 8), how(2)).shape == (2, 2)


def test_low_precision_logits_are_drawn_from_in_float32() -> None:
    logits = torch.randn(1, 500, generator=torch.Generator().manual_seed(0)).bfloat16()
    drawn = draw(logits.expand(50, -1), how(50, seed=3))
    same = draw(logits.float().expand(50, -1), how(50, seed=3))
    assert torch.equal(drawn, same)
