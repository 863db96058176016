"""A packed forward is the forward of each row alone, in value and in gradient."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.made_training import batch_of_rows, gpt2, mistral, qwen
from turnwise.errors import ConfigError
from turnwise.records import Row
from turnwise.training import attention, forward
from turnwise.training.forward import Policy
from turnwise.training.packing import pack

LENGTHS = [5, 31, 12, 50, 7]
MODEL = qwen()


def alone(
    model: Any, rows: list[Row], temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies by the plainest way there is: one row, transformers' own
    attention.
    """
    logps, entropies = [], []
    for row in rows:
        ids = torch.as_tensor(row.ids)[None]
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float() / temperature
        every = torch.log_softmax(logits, -1)
        keep = torch.as_tensor(row.mask[1:])
        logps.append(every.gather(1, ids[0, 1:, None])[:, 0][keep])
        entropies.append(-(every.exp() * every).sum(-1)[keep])
    return torch.cat(logps), torch.cat(entropies)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize(
    "model",
    [qwen(), mistral(window=6), mistral(window=500), gpt2()],
    ids=["qwen", "window", "wide", "gpt2"],
)
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_packed_equals_one_by_one(model: Any, temperature: float) -> None:
    rows = batch_of_rows(LENGTHS)
    logp, entropy = alone(model, rows, temperature)
    (logp.sum() + 0.1 * entropy.sum()).backward()
    wanted = gradients(model)
    ours, wide, _ = Policy(model, temperature)(pack(rows, range(len(rows))), entropies=True)
    (ours.sum() + 0.1 * wide.sum()).backward()
    assert torch.allclose(ours, logp, atol=1e-5) and torch.allclose(wide, entropy, atol=1e-5)
    found = gradients(model)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.allclose(found[name], value, atol=1e-5 * max(1.0, float(value.abs().max()))), (
            name
        )


def test_queries_in_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = qwen(), batch_of_rows(LENGTHS)
    whole, _, _ = Policy(model)(pack(rows, range(5)))
    monkeypatch.setattr(attention, "QUERY_BLOCK", 8)
    assert torch.allclose(Policy(model)(pack(rows, range(5)))[0], whole, atol=1e-5)
    monkeypatch.setattr(attention, "FUSED_FROM_TOKENS", 4)  # the fused kernel
    assert torch.allclose(Policy(model)(pack(rows, range(5)))[0], whole, atol=1e-5)


def test_logits_in_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows = qwen(), batch_of_rows(LENGTHS)
    whole, wide, _ = Policy(model)(pack(rows, range(5)), entropies=True)
    (whole * wide).sum().backward()
    wanted = gradients(model)
    monkeypatch.setattr(forward, "MAX_LOGITS", 40 * 7)
    chunked, wide, _ = Policy(model)(pack(rows, range(5)), entropies=True)
    (chunked * wide).sum().backward()
    assert torch.allclose(chunked, whole, atol=1e-6)
    for name, value in gradients(model).items():
        assert torch.allclose(value, wanted[name], atol=1e-5)


@settings(deadline=None)
@given(
    logits=st.lists(
        st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4), min_size=1, max_size=5
    )
)
def test_entropy_is_that_of_the_distribution(logits: list[list[float]]) -> None:
    found = forward.entropy_of(torch.tensor(logits))
    wanted = torch.distributions.Categorical(logits=torch.tensor(logits)).entropy()
    assert torch.allclose(found, wanted, atol=1e-4)
    assert ((found >= -1e-5) & (found <= np.log(4) + 1e-4)).all()


@settings(deadline=None, max_examples=25)
@given(chunk=st.integers(1, 40 * 60), lengths=st.lists(st.integers(4, 30), min_size=1, max_size=4))
def test_any_chunk_gives_the_same(chunk: int, lengths: list[int]) -> None:
    rows = batch_of_rows(lengths)
    made = pack(rows, range(len(rows)))
    whole, wide, _ = Policy(MODEL)(made, entropies=True)
    with patch.object(forward, "MAX_LOGITS", chunk):
        logp, entropy, _ = Policy(MODEL)(made, entropies=True)
        alone_, none, _ = Policy(MODEL)(made)
    assert torch.allclose(logp, whole, atol=1e-6) and torch.allclose(entropy, wide, atol=1e-6)
    assert torch.allclose(alone_, whole, atol=1e-6) and none is None


def test_log_probabilities_are_of_the_sampling_temperature() -> None:
    rows = batch_of_rows([20, 9])
    made = pack(rows, range(2))
    cold, hot = (Policy(MODEL, temperature)(made, entropies=True)[1] for temperature in (0.2, 5.0))
    assert (cold < hot).all(), "a hotter policy knows less what it does"


def test_the_order_of_rows_does_not_matter() -> None:
    model, rows = qwen(), batch_of_rows(LENGTHS)
    one, _, _ = Policy(model)(pack(rows, range(5)))
    two, _, _ = Policy(model)(pack(rows, [3, 0]))
    counts = [int(r.mask.sum()) for r in rows]
    parts = one.split(counts)
    assert torch.allclose(two, torch.cat([parts[3], parts[0]]), atol=1e-5)


def test_the_model_keeps_its_own_attention() -> None:
    model = qwen()
    before = model.config._attn_implementation
    Policy(model)(pack(batch_of_rows([9]), [0]))
    assert model.config._attn_implementation == before
    with pytest.raises(RuntimeError), attention.row_attention(model):
        raise RuntimeError
    assert model.config._attn_implementation == before


def test_soft_capped_scores_are_refused() -> None:
    q = torch.zeros(1, 2, 4, 8)
    with pytest.raises(ConfigError, match="soft-capped"):
        attention.attend(torch.nn.Module(), q, q, q, row_lengths=(4,), softcap=30.0)


def test_logits_are_finished_as_their_architecture_does() -> None:
    model = qwen()
    logits = torch.tensor([[1.0, -2.0]])
    assert torch.equal(forward.scaled_logits(model.config, logits), logits)
    model.config.logits_scaling = 2.0
    assert torch.allclose(forward.scaled_logits(model.config, logits), logits / 2)
    model.config.final_logit_softcapping = 1.0
    assert torch.allclose(forward.scaled_logits(model.config, logits), torch.tanh(logits / 2))
