"""Replies that end by themselves, prompts without a chat template, and environments that are closed
whatever happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from tests.agents.made_tokenizers import CHATML, byte_bpe, made
from tests.agents.toy_players import Growing, RecordingEngine, Walk
from turnwise.agents.agent import ModelAgent
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.engines.base import Sampling
from turnwise.agents.renderer import Renderer
from turnwise.agents.scripted import Demonstrator
from turnwise.algorithms.parts.strategy import Branch
from turnwise.envs.prompt import RAW, Action, Message, SelfEnding, Step, Templated
from turnwise.errors import ConfigError
from turnwise.records import rows


@dataclass(frozen=True)
class Bracketed:
    """`go[on]` is a whole reply as soon as its bracket is closed."""

    name: ClassVar[str] = "toy/bracketed"
    endings: ClassVar[str] = "]"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return Growing().messages(history)

    def ended(self, text: str) -> bool:
        return "]" in text

    def parse(self, text: str) -> Action:
        return Action(text, True)

    def reply(self, action: str, thought: str = "") -> str:
        return action


@dataclass(frozen=True)
class Untemplated(Bracketed):
    name: ClassVar[str] = "toy/raw"
    template: ClassVar[str] = RAW


def babbling(ids: Sequence[int], sampling: Sampling, turn: int) -> list[int]:
    """An engine without `stop_when`: it generates beyond the bracket."""
    return made("byte-bpe/chatml").encode("go[on] click[red] Search", add_special_tokens=False)[
        : sampling.max_tokens
    ]


def test_tokens_after_the_end_of_a_reply_are_dropped() -> None:
    tokenizer = made("byte-bpe/chatml")
    engine = RecordingEngine(babbling)
    (trajectory,) = play(
        episodes_for([2], 1, "train"),
        Walk,
        ModelAgent(engine, tokenizer, Bracketed(), Sampling(max_tokens=40)),
    )
    (said,) = engine.said.values()
    assert [turn.completion for turn in trajectory.turns] == ["go[on]", "go[on]"]
    for turn, (_, produced) in zip(trajectory.turns, said, strict=True):
        kept = len(turn.completion_ids)
        assert turn.completion_ids == produced.ids[:kept] and kept < len(produced.ids)
        assert turn.logprobs == produced.logprobs[:kept] and turn.stop_reason == "stop"
        assert tokenizer.decode(turn.completion_ids[:-1]) != "go[on]"  # no shorter prefix is whole
    first, second = trajectory.turns
    assert (
        second.prompt_ids[: len(first.prompt_ids) + len(first.completion_ids)]
        == first.prompt_ids + first.completion_ids
    )
    assert len(rows(trajectory)) == 1


def test_a_reply_without_an_end_is_kept_whole() -> None:
    renderer = Renderer(made("byte-bpe/chatml"))
    ids = renderer.encode("go[on")
    assert renderer.reply_length(Bracketed(), ids) == len(ids)
    assert renderer.reply_length(Growing(), renderer.encode("go[on] go[on]")) == len(
        renderer.encode("go[on] go[on]")
    )


def test_a_demonstration_ends_where_a_model_would_be_stopped() -> None:
    tokenizer = made("byte-bpe/chatml")
    (shown,) = play(episodes_for([2], 1, "train"), Walk, Demonstrator(tokenizer, Bracketed()))
    ends = Renderer(tokenizer).stop_ids
    assert all(
        turn.completion_ids[-1] not in ends and turn.completion == "go[on]" for turn in shown.turns
    )


def test_without_a_template_contents_are_concatenated() -> None:
    tokenizer = byte_bpe(None)
    agent = ModelAgent(RecordingEngine(babbling), tokenizer, Untemplated(), Sampling(max_tokens=40))
    (trajectory,) = play(episodes_for([2], 1, "train"), Walk, agent)
    last = trajectory.turns[-1]
    contents = [
        message["content"]
        for message in Growing().messages(
            [Step("step 0 of 2", {}, "go[on]"), Step("step 1 of 2", {})]
        )
    ]
    assert tokenizer.decode(last.prompt_ids) == "".join(contents)
    assert len(rows(trajectory)) == 1 and trajectory.success


def test_a_prompt_with_a_template_of_its_own_takes_no_other() -> None:
    tokenizer = byte_bpe(CHATML)
    assert (
        isinstance(Untemplated(), Templated)
        and isinstance(Bracketed(), SelfEnding)
        and not isinstance(Growing(), SelfEnding)
    )
    assert Renderer.of(tokenizer, Untemplated()).text([{"role": "user", "content": " a"}]) == " a"
    assert "<|im_start|>" in Renderer.of(tokenizer, Bracketed()).text(
        [{"role": "user", "content": "a"}]
    )
    with pytest.raises(ConfigError, match=r"toy/raw.*chat_template"):
        Renderer.of(tokenizer, Untemplated(), template=CHATML)


def test_the_embedded_engine_stops_at_the_token_of_stop_when() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from turnwise.agents.engines.transformers.engine import TransformersEngine

    torch.manual_seed(0)
    model = transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(
            vocab_size=97,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=256,
        )
    )
    engine = TransformersEngine(model, slots=2)
    sampling = Sampling(max_tokens=20, seed=3)
    free = asyncio.run(engine.generate([5, 6, 7], sampling))
    asked: list[int] = []

    def third(ids: Sequence[int]) -> bool:
        asked.append(len(ids))
        return len(ids) == 3

    stopped = asyncio.run(engine.generate([5, 6, 7], replace(sampling, stop_when=third)))
    assert (len(free.ids), free.stop_reason) == (20, "length")
    assert (stopped.ids, stopped.stop_reason, asked) == (free.ids[:3], "stop", [1, 2, 3])


class Wrong:
    """Branches once, then at a turn that does not exist."""

    branches = True

    def __init__(self) -> None:
        self.asked = 0

    def start(self, task: Any) -> int:
        return 1

    def before_step(self, group: Any, uid: str, entropies: Any) -> int:
        return 0

    def after_turn(self, group: Any, uid: str) -> list[Branch]:
        self.asked += 1
        if self.asked > 1:
            return [Branch("nobody", 1)]
        return [Branch(uid, 1), Branch(uid, 1)]

    def after_trajectory(self, group: Any, uid: str) -> list[Branch]:
        return []


def test_environments_of_forks_that_never_started_are_closed() -> None:
    Walk.made = Walk.closed = 0
    opened: list[Walk] = []

    class Counted(Walk):
        def fork(self) -> Any:
            other = super().fork()
            opened.append(other)
            return other

        def close(self) -> None:
            closed.append(self)

    closed: list[Walk] = []
    agent = ModelAgent(
        RecordingEngine(babbling), made("byte-bpe/chatml"), Bracketed(), Sampling(max_tokens=40)
    )
    with pytest.raises(ConfigError, match="nobody"):
        play(episodes_for([5], 1, "train"), Counted, agent, strategy=Wrong(), concurrency=1)
    assert len(opened) == 2 and all(any(other is env for env in closed) for other in opened)
