"""Models to train: any Hugging Face directory or hub id, or a tiny one made on the spot.

A tiny model learns on a CPU in minutes. It has Qwen3's architecture and random weights, and is
saved as an ordinary Hugging Face directory. Its tokenizer is a byte-level BPE trained on episodes
of the environment (training tasks only), and is designed for copying, which is most of what an
agent does: a word is the same token wherever it occurs. Letters and digits are never merged (`KT47`
is two pieces), digits are split in pairs, and where a word follows a sign without a space, as in
`click[blue]`, a joiner and a space are inserted, which decoding removes; so `[blue` and ` blue`
share a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from turnwise.agents.agent import Agent
from turnwise.agents.driver import MakeEnv, episodes_for, play
from turnwise.agents.engines.transformers.pretrained import load
from turnwise.agents.scripted import ExpertAgent, RandomAgent
from turnwise.agents.teams.team import Team
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import ConfigError, DataError
from turnwise.records import TaskId, Trajectory
from turnwise.training.config import Lora, Model, Tiny

END_OF_TEXT, END = "<|endoftext|>", "<|im_end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""One token before each message and one after it. ChatML's five would take a tenth of the time of a
tiny model.
"""
JOINER = "\x1f"
TOUCHING = r"(?<=[^\s\p{L}\p{N}])(?<!(?:^|\s)\[)(?=[\p{L}\p{N}])"
"""Positions between a sign and a word, except in a marker such as ` [SEP]`."""
PIECES = r" \[\p{L}+\]| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s"
"""Markers, words, pairs of digits, runs of signs, single blanks."""


def device_of(name: str) -> torch.device:
    """Return the device of `model.device`; `auto` is a GPU where there is one.

    Raises:
        ConfigError: for `cuda` without a GPU.
    """
    present = torch.cuda.is_available()
    if name == "cuda" and not present:
        raise ConfigError(
            "model.device is 'cuda' and this machine shows no GPU to torch: use 'auto' or 'cpu'"
        )
    return torch.device("cuda" if name == "cuda" or (name == "auto" and present) else "cpu")


def autocasts(settings: Model, device: torch.device) -> bool:
    """Return whether matrix products run in bfloat16; `auto` asks the hardware."""
    if settings.mixed_precision != "auto":
        return settings.mixed_precision == "yes"
    if device.type == "cuda":
        return settings.dtype == "float32" and torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


# Loading
# --------------------------------------------------------------------------------------------------


def load_model(path: str | Path, settings: Model, seed: int = 0) -> tuple[nn.Module, Any]:
    """Load a model to be trained and its tokenizer.

    Args:
        seed: of the initial adapters.

    Raises:
        DataError: when it is not there or cannot be loaded.
        ConfigError: without a chat template, or without peft when adapters are asked for.
    """
    model, tokenizer = load(str(path), str(device_of(settings.device)), settings.dtype)
    if settings.chat_template:
        template = Path(settings.chat_template)
        if not template.is_file():
            raise ConfigError(
                f"there is no chat template {template}: "
                "give the path of a Jinja file as model.chat_template"
            )
        tokenizer.chat_template = template.read_text(encoding="utf8")
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the tokenizer of {path} has no chat template: "
            "give the path of a Jinja file as model.chat_template"
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return (adapted(model, settings.lora) if settings.lora is not None else model), tokenizer


def adapted(model: nn.Module, settings: Lora) -> nn.Module:
    """Add low-rank adapters, the only trainable weights. Raises `ConfigError` without peft."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as problem:
        raise ConfigError(
            "[model.lora] needs peft: install it with pip install 'turnwise[train]'"
        ) from problem
    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout,
        target_modules=targets, task_type="CAUSAL_LM",
    )  # fmt: skip
    wrapped: nn.Module = get_peft_model(model, config)
    return wrapped


# Tiny models
# --------------------------------------------------------------------------------------------------


def make_tiny(
    directory: Path, settings: Tiny, make_env: MakeEnv, prompt: Prompt | Team,
    tasks: Sequence[TaskId], split: str, max_turns: int | None, seed: int,
) -> None:  # fmt: skip
    """Write a tiny model and its tokenizer, trained on `settings.texts` evenly spread tasks.

    Raises:
        DataError: when no episode could be played.
    """
    spread = tasks[:: max(1, len(tasks) // settings.texts)][: settings.texts]
    save_tiny(directory, texts_of(make_env, prompt, spread, split, max_turns), settings, seed)


def texts_of(
    make_env: MakeEnv, prompt: Prompt | Team, tasks: Sequence[TaskId], split: str,
    max_turns: int | None,
) -> list[str]:  # fmt: skip
    """Play the tasks and return what an agent (or team) reads and writes.

    The expert plays the first half of the tasks where the environment has one; random actions play
    the second.
    """
    half = len(tasks) // 2
    prompts: Mapping[str, Prompt] = prompt.prompts if isinstance(prompt, Team) else {"": prompt}
    only = next(iter(prompts.values()))

    def played(agent: Agent, chosen: Sequence[TaskId]) -> list[Trajectory]:
        player = prompt.agent(lambda role, own: agent) if isinstance(prompt, Team) else agent
        return play(episodes_for(chosen, 1, split), make_env, player, max_turns=max_turns)

    at_random = played(RandomAgent(), tasks[half:])
    experts = played(ExpertAgent(), tasks[:half]) if has_expert(make_env, split) else []
    texts: list[str] = []
    for turn in (turn for trajectory in [*experts, *at_random] for turn in trajectory.turns):
        reply = prompts.get(turn.agent, only).reply(turn.action)
        texts += ["user\n", turn.observation, "assistant\n", reply]
    first = next((turn for trajectory in at_random for turn in trajectory.turns), None)
    if first is None:
        why = at_random[0].error if at_random else "there is no task"
        raise DataError(f"no episode could be played to train a tokenizer on: {why}")
    step = Step(first.observation, {"admissible": [], "instruction": first.observation})
    messages = [message for own in prompts.values() for message in own.messages([step])]
    if not all(isinstance(message, Mapping) for message in messages):
        raise ConfigError(
            f"messages() of prompt {only.name!r} returned {messages[0]!r} for a message: return a "
            "list of dictionaries with role and content"
        )
    rules = [message["content"] for message in messages if message["role"] == "system"]
    cues = [f"\n{role}:" for role in prompts if role]
    return [*texts, *(["system\n", *rules, *cues] * len(at_random))]


def has_expert(make_env: MakeEnv, split: str) -> bool:
    """Return whether the environment has an expert."""
    env = make_env()
    env.reset(seed=0, options={"split": split})
    ask: Any = getattr(env.unwrapped, "expert_action", None)
    return ask is not None and ask() is not None


def tiny_tokenizer(texts: Iterable[str], settings: Tiny) -> PreTrainedTokenizerFast:
    """Train a tokenizer with a chat template. The same texts give the same tokenizer."""
    lower = [normalizers.Lowercase()] if settings.lowercase else []
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.Sequence(
        [*lower, normalizers.Replace(Regex(TOUCHING), JOINER + " ")]
    )
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace(JOINER + " ", "")])
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab, special_tokens=[END_OF_TEXT, *ROLES, END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    bpe.train_from_iterator(list(texts), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=END, pad_token=END_OF_TEXT,
        additional_special_tokens=list(ROLES), clean_up_tokenization_spaces=False,
        model_max_length=settings.context,
    )  # fmt: skip
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def tiny_model(settings: Tiny, tokenizer: Any, seed: int = 0) -> Qwen3ForCausalLM:
    """Make a Qwen3 with random float32 weights. The global random state is not changed."""
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=settings.hidden, head_dim=settings.head_dim,
        intermediate_size=settings.intermediate, num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads, num_key_value_heads=settings.kv_heads,
        max_position_embeddings=settings.context, tie_word_embeddings=True, rope_theta=10_000.0,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)


def save_tiny(directory: str | Path, texts: Iterable[str], settings: Tiny, seed: int = 0) -> Path:
    """Make a tokenizer and a model, and write them as a Hugging Face directory; return it."""
    target = Path(directory)
    tokenizer = tiny_tokenizer(texts, settings)
    tiny_model(settings, tokenizer, seed).save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target
