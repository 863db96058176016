"""A model small enough to learn on a CPU in minutes, with a tokenizer made for the text it will
read.

The architecture is Qwen3's, the weights are random, and what is saved is an ordinary Hugging Face
directory, so nothing downstream knows that it is tiny. The tokenizer is a byte-level BPE trained on
episodes of the environment (training tasks only). It is made for copying, which is most of what an
agent does: a word has one token wherever it stands. Letters and digits are never merged (`KT47` is
two pieces), digits go two by two, and where a word touches a sign before it, as in `click[blue]`, a
joiner and a space are put between, which decoding takes out again; so `[blue` and ` blue` share a
token. With `lowercase` the tokenizer is uncased.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from turnwise.training.config import Tiny

END_OF_TEXT, END = "<|endoftext|>", "<|im_end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""One token before a message and one after: with ChatML's five a tenth of a tiny model's time would
go to brackets.
"""
JOINER = "\x1f"
TOUCHING = r"(?<=[^\s\p{L}\p{N}])(?<!(?:^|\s)\[)(?=[\p{L}\p{N}])"
"""Where a word begins right after a sign, other than in a marker such as ` [SEP]`."""
PIECES = r" \[\p{L}+\]| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s"
"""Markers, words, pairs of digits, runs of signs, single blanks."""


def tiny_tokenizer(texts: Iterable[str], settings: Tiny) -> PreTrainedTokenizerFast:
    """A tokenizer with a chat template, trained on `texts`. The same texts give the same tokenizer."""
    lower = [normalizers.Lowercase()] if settings.lowercase else []
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Sequence(
        [*lower, normalizers.Replace(Regex(TOUCHING), JOINER + " ")]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace(JOINER + " ", "")])
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab, special_tokens=[END_OF_TEXT, *ROLES, END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    made.train_from_iterator(list(texts), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END, pad_token=END_OF_TEXT, additional_special_tokens=list(ROLES),
        clean_up_tokenization_spaces=False, model_max_length=settings.context,
    )  # fmt: skip
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def tiny_model(settings: Tiny, tokenizer: Any, seed: int = 0) -> Qwen3ForCausalLM:
    """A Qwen3 with random weights, in float32. The caller's random state is left alone."""
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=settings.hidden, intermediate_size=settings.intermediate,
        num_hidden_layers=settings.layers, num_attention_heads=settings.heads, num_key_value_heads=settings.kv_heads,
        head_dim=settings.head_dim, max_position_embeddings=settings.context, tie_word_embeddings=True, rope_theta=10_000.0,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)


def save_tiny(directory: str | Path, texts: Iterable[str], settings: Tiny, seed: int = 0) -> Path:
    """Make both and write them as a Hugging Face directory; returns it."""
    target = Path(directory)
    tokenizer = tiny_tokenizer(texts, settings)
    tiny_model(settings, tokenizer, seed).save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target
