"""A tiny model is an ordinary Hugging Face directory, and its tokenizer gives a word one token
wherever it stands.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from turnwise.agents.renderer import Renderer
from turnwise.training.config import Tiny
from turnwise.training.model import JOINER, save_tiny, tiny_model, tiny_tokenizer

SHOP = [
    "Instruction: [SEP] Find me oval table with color: blue, and price lower than 90.00 dollars "
    "[SEP] Search",
    "click[blue] click[kt47] search[oval table] $15.0 [SEP] KT47 [SEP] oval table", "user\n",
    "assistant\n",
] * 30  # fmt: skip
SMALL = Tiny(vocab=500, hidden=32, layers=1, heads=2, head_dim=16, intermediate=64, context=128)
CASED, UNCASED = (
    tiny_tokenizer(SHOP, SMALL),
    tiny_tokenizer(SHOP, SMALL.model_copy(update={"lowercase": True})),
)


def pieces(tokenizer: Any, text: str) -> list[str]:
    return [tokenizer.decode([i]) for i in tokenizer.encode(text, add_special_tokens=False)]


@given(text=st.text(max_size=80).filter(lambda text: JOINER not in text))
def test_any_text_comes_back(text: str) -> None:
    assert CASED.decode(CASED.encode(text, add_special_tokens=False)) == text


@given(
    words=st.lists(
        st.sampled_from(
            ["[SEP]", "click[blue]", "KT47", "$15.0", "90.00", "a", "-", "oval", "\n", "«é»"]
        )
    )
)
def test_shop_text_comes_back_uncased(words: list[str]) -> None:
    text = " ".join(words)
    assert UNCASED.decode(UNCASED.encode(text, add_special_tokens=False)) == text.lower()


def test_a_word_has_one_token_wherever_it_stands() -> None:
    (blue,) = CASED.encode(" blue", add_special_tokens=False)
    for text in ("click[blue]", "color: blue,", "(blue", "[SEP] blue [SEP]"):
        assert blue in CASED.encode(text, add_special_tokens=False), text


def test_letters_and_digits_are_never_merged() -> None:
    assert [p.strip(" ") for p in pieces(UNCASED, " KT47 90.00")] == [
        "kt",
        "47",
        "90",
        "." + JOINER,
        "00",
    ]
    assert UNCASED.encode(" KT47") == UNCASED.encode(" kt47")
    assert pieces(UNCASED, "x [SEP] y").count(" [sep]") == 1


def test_the_same_texts_give_the_same_tokenizer_and_the_same_weights() -> None:
    again = tiny_tokenizer(SHOP, SMALL)
    assert again.backend_tokenizer.to_str() == CASED.backend_tokenizer.to_str()
    before = torch.random.get_rng_state()
    one, two, other = (tiny_model(SMALL, CASED, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_it_is_saved_as_any_model_is(tmp_path: Path) -> None:
    save_tiny(tmp_path / "tiny", SHOP, SMALL)
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(tmp_path / "tiny"),
        AutoTokenizer.from_pretrained(tmp_path / "tiny"),
    )
    assert model.config.tie_word_embeddings and model.get_input_embeddings().weight.shape[0] == len(
        tokenizer
    )
    text = "".join(random.Random(0).sample(SHOP, 3))
    assert tokenizer.encode(text) == CASED.encode(text)
    assert tokenizer.chat_template == CASED.chat_template


@pytest.mark.parametrize("tokenizer", [CASED, UNCASED], ids=["cased", "uncased"])
def test_its_template_grows_by_appending(tokenizer: Any) -> None:
    renderer = Renderer(tokenizer)
    assert renderer.stop_ids == (tokenizer.eos_token_id,)
    dialogue = renderer.dialogue()
    first = dialogue.prompt([{"role": "user", "content": "Search"}])
    reply = dialogue.add(renderer.completion("click[blue]"))
    assert reply == "click[blue]"
    messages = [
        {"role": "user", "content": "Search"},
        {"role": "assistant", "content": reply},
        {"role": "user", "content": "oval"},
    ]
    second = dialogue.prompt(messages)  # type: ignore[arg-type]
    assert second[: len(first)] == first
    whole = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert list(second) == tokenizer.encode(whole, add_special_tokens=False)
