"""Nothing is ever re-tokenised: what the engine produced is what the rows hold, for every
tokenizer, template and prompt.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agents.made_tokenizers import KINDS, made
from tests.agents.toy_players import Growing, RecordingEngine, Walk, Windowed
from turnwise.agents.agent import ModelAgent
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.engines.base import Sampling
from turnwise.agents.renderer import Renderer, Thinking
from turnwise.envs.prompt import Prompt, Step
from turnwise.records import Trajectory, from_json, rows, to_json

OBSERVATION = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "",
            " ",
            "\n",
            "<|im_end|>\n<|im_start|>assistant\n",
            "</s>",
            "[SEP] [M]",
            "ReplyStandsHere",
            "{{ messages }}",
        ]
    ),
)
THOUGHT = "<think>the price is lower</think>click[red]"
KIND = st.sampled_from(sorted(KINDS))
THINKING = st.sampled_from(["keep", "strip", "template"])


@st.composite
def conversation(draw: st.DrawFn, kind: str) -> tuple[list[str], list[list[int]]]:
    """Observations, and replies as token ids: any ids, some beyond the vocabulary, ended or cut,
    some of them thoughts.
    """
    tokenizer = made(kind)
    stops = Renderer(tokenizer).stop_ids
    anything = st.lists(st.integers(0, len(tokenizer) + 20), min_size=1, max_size=12)
    thought = st.just(Renderer(tokenizer).encode(THOUGHT))
    turns = draw(st.integers(1, 5))
    replies = []
    for _ in range(turns):
        words = draw(st.one_of(anything, thought))
        replies.append([*words, draw(st.sampled_from(stops))] if draw(st.booleans()) else words)
    return [draw(OBSERVATION) for _ in range(turns + 1)], replies


def played(
    kind: str, prompt: Prompt, thinking: Thinking, texts: list[str], replies: list[list[int]]
) -> tuple[Trajectory, list]:
    engine = RecordingEngine(lambda ids, sampling, turn: replies[turn])
    agent = ModelAgent(
        engine, made(kind), prompt, Sampling(max_tokens=99, entropies=True), thinking=thinking
    )
    episodes = episodes_for([len(replies)], 1, "train")
    (trajectory,) = play(episodes, lambda: Walk(texts=texts), agent)
    assert trajectory.error is None and len(trajectory.turns) == len(replies)
    ((_, said),) = engine.said.items()
    return trajectory, said


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(), kind=KIND, thinking=THINKING, prompt=st.sampled_from([Growing(), Windowed()])
)
def test_rows_hold_the_tokens_of_the_engine(
    data: st.DataObject, kind: str, thinking: Thinking, prompt: Prompt
) -> None:
    texts, replies = data.draw(conversation(kind))
    trajectory, said = played(kind, prompt, thinking, texts, replies)
    for turn, (prompt_ids, made_now), reply in zip(trajectory.turns, said, replies, strict=True):
        assert turn.prompt_ids == prompt_ids
        assert turn.completion_ids == made_now.ids == tuple(reply)
        assert turn.logprobs == made_now.logprobs and turn.entropies == made_now.entropies

    seen = 0
    for row in rows(trajectory):
        here = sorted(set(row.turn[row.mask].tolist()))
        last_prompt, last_made = said[here[-1]]
        assert row.ids.tolist() == [*last_prompt, *last_made.ids], (
            "a row is the last prompt and completion in it"
        )
        assert (row.turn[~row.mask] == -1).all()
        for k in here:
            prompt_ids, completion = said[k]
            place = np.flatnonzero(row.turn == k)
            assert place.tolist() == list(
                range(len(prompt_ids), len(prompt_ids) + len(completion.ids))
            )
            assert row.ids[place].tolist() == list(completion.ids)
            assert row.ids[: place[0]].tolist() == list(prompt_ids), (
                "what stands before is what the engine was given"
            )
            assert row.streams["logprob"][place].tolist() == list(completion.logprobs)
            assert row.streams["entropy"][place].tolist() == list(completion.logprobs)
        assert not row.streams["logprob"][~row.mask].any()
        seen += int(row.mask.sum())
    assert seen == sum(map(len, replies)), "each token of the model is trained on exactly once"
    assert from_json(to_json(trajectory)) == trajectory


@settings(max_examples=100, deadline=None)
@given(data=st.data(), kind=KIND)
def test_append_only_dialogues_that_keep_thinking_are_one_row(
    data: st.DataObject, kind: str
) -> None:
    texts, replies = data.draw(conversation(kind))
    trajectory, _ = played(kind, Growing(), "keep", texts, replies)
    assert len(rows(trajectory)) == 1


@settings(max_examples=100, deadline=None)
@given(data=st.data(), kind=KIND, one=THINKING, other=THINKING)
def test_windowed_and_append_only_prompts_carry_the_same_trainable_tokens(
    data: st.DataObject, kind: str, one: Thinking, other: Thinking
) -> None:
    texts, replies = data.draw(conversation(kind))

    def trainable(prompt: Prompt, thinking: Thinking) -> list[tuple[int, int, float]]:
        trajectory, _ = played(kind, prompt, thinking, texts, replies)
        return [
            (int(t), int(i), float(p))
            for row in rows(trajectory)
            for t, i, p in zip(
                row.turn[row.mask], row.ids[row.mask], row.streams["logprob"][row.mask], strict=True
            )
        ]

    assert trainable(Growing(), one) == trainable(Windowed(), other)


@pytest.mark.parametrize("kind", ["byte-bpe/chatml", "byte-bpe/strips-thinking"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_incremental_rendering_equals_rendering_the_whole_dialogue(
    kind: str, data: st.DataObject
) -> None:
    """Where the model says its words as the tokenizer would, the prompt is the template's own,
    token for token.
    """
    renderer = Renderer(made(kind))
    plain = st.text(st.characters(codec="utf-8", exclude_characters="<"), min_size=1, max_size=30)
    dialogue, messages = renderer.dialogue(), [{"role": "system", "content": "Walk."}]
    for _ in range(data.draw(st.integers(1, 5))):
        messages.append({"role": "user", "content": data.draw(plain)})
        assert list(dialogue.prompt(messages)) == renderer.encode(renderer.text(messages))
        reply = data.draw(plain)
        assert dialogue.add(renderer.completion(reply)) == reply
        messages.append({"role": "assistant", "content": reply})


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    kind=KIND,
    thinking=THINKING,
    prompt=st.sampled_from([Growing(), Windowed()]),
    cut=st.integers(0, 4),
)
def test_a_resumed_dialogue_continues_like_the_first(
    data: st.DataObject, kind: str, thinking: Thinking, prompt: Prompt, cut: int
) -> None:
    """After its parent's turns, a fork has the same prompt as its parent."""
    texts, replies = data.draw(conversation(kind))
    trajectory, said = played(kind, prompt, thinking, texts, replies)
    cut = min(cut, len(replies) - 1)
    renderer = Renderer(made(kind), thinking)
    first, again = renderer.dialogue(), renderer.dialogue()
    history = [
        Step(turn.observation, {}, turn.completion, turn.action) for turn in trajectory.turns[:cut]
    ]
    for k in range(cut):
        first.prompt(prompt.messages([*history[:k], Step(history[k].observation, {})]))
        first.add(trajectory.turns[k].completion_ids)
    if cut:
        turn = trajectory.turns[cut - 1]
        again.resume(
            prompt.messages([*history[:-1], Step(history[-1].observation, {})]),
            turn.prompt_ids,
            turn.completion_ids,
        )
    asked = prompt.messages([*history, Step(trajectory.turns[cut].observation, {})])
    assert first.prompt(asked) == again.prompt(asked) == said[cut][0]
