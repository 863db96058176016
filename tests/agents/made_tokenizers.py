"""Small tokenizers of different kinds, with chat templates, trained for the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXT = [
    "Instruction: find me a long sleeve shirt with color: red [SEP] Search",
    "search[long sleeve shirt] click[buy now] click[b0abcdefgh] click[back to search]",
    "Thought: the price is lower than 40.00 dollars Action: click[red] system user assistant",
] * 20

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STRIPS_THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and '</think>' in m.content and not loop.last %}"
    "{{ m.content.split('</think>')[-1].lstrip() }}"
    "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PREFIX_CHANGES = (
    "{% for m in messages %}<|im_start|>{{ m.role }}{% if loop.last %} (latest){% endif %}\n"
    "{{ m.content | trim }}<|im_end|>{% if not loop.last %}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}\n<|im_start|>assistant\n{% endif %}"
)
DEFAULT_SYSTEM = (
    "<s>{% if messages[0].role != 'system' %}SYSTEM: be good {% endif %}"
    "{% for m in messages %}{{ m.role | upper }}: {{ m.content | trim }}"
    "{{ '</s>' if m.role == 'assistant' else ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}[CLS] {% for m in messages %}[{{ 'M' if m.role == 'assistant' else 'U' }}] "
    "{{ m.content }} [SEP] {% endfor %}"
    "{% if add_generation_prompt %}[M] {% endif %}"
)


def byte_bpe(template: str | None) -> Any:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = template
    return tokenizer


def unigram(template: str | None) -> Any:
    core = Tokenizer(models.Unigram())
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.train_from_iterator(
        TEXT,
        trainers.UnigramTrainer(
            vocab_size=150,
            special_tokens=["<unk>", "<s>", "</s>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = template
    return tokenizer


def word_piece(template: str | None) -> Any:
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    special = ["[UNK]", "[CLS]", "[SEP]", "[U]", "[M]"]
    core.train_from_iterator(
        TEXT, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="[UNK]",
        sep_token="[SEP]",
        additional_special_tokens=["[CLS]", "[U]", "[M]"],
    )
    tokenizer.chat_template = template
    return tokenizer


KINDS: dict[str, Callable[[], Any]] = {
    "byte-bpe/chatml": lambda: byte_bpe(CHATML),
    "byte-bpe/strips-thinking": lambda: byte_bpe(STRIPS_THINKING),
    "byte-bpe/prefix-changes": lambda: byte_bpe(PREFIX_CHANGES),
    "unigram/default-system": lambda: unigram(DEFAULT_SYSTEM),
    "word-piece/no-system-role": lambda: word_piece(NO_SYSTEM),
}
_MADE: dict[str, Any] = {}


def made(kind: str) -> Any:
    """Return the tokenizer of that kind, built once."""
    if kind not in _MADE:
        _MADE[kind] = KINDS[kind]()
    return _MADE[kind]
