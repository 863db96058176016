"""The model agent: its requests to the engine, and the acts it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.agents.made_tokenizers import made
from tests.agents.toy_players import Growing, Literal, RecordingEngine, Walk
from turnwise.agents.agent import Actor, Agent, ModelAgent, seed_of
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.engines.base import Completion, Engine, Sampling
from turnwise.agents.renderer import Renderer
from turnwise.agents.scripted import Demonstrator, ExpertAgent, RandomAgent, ReplayAgent


class Listening(RecordingEngine):
    """Records the sampling of each request."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            lambda ids, sampling, turn: made("byte-bpe/chatml").encode("go[on]"), **more
        )
        self.asked: list[tuple[str, Sampling]] = []

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        self.asked.append((session or "", sampling))
        return await super().generate(prompt_ids, sampling, session)


def test_each_turn_of_each_episode_has_a_seed_of_its_own_that_is_always_the_same() -> None:
    def seeds(sampling: Sampling, seed: int = 0) -> list[int | None]:
        engine = Listening()
        play(
            episodes_for([3], 4, "train", seed=seed),
            Walk,
            ModelAgent(engine, made("byte-bpe/chatml"), Literal(), sampling),
            concurrency=1,
        )
        return [asked.seed for _, asked in engine.asked]

    first = seeds(Sampling(max_tokens=9))
    assert len(set(first)) == 12 and first == seeds(Sampling(max_tokens=9))
    assert set(first).isdisjoint(seeds(Sampling(max_tokens=9, seed=1)))
    assert set(first).isdisjoint(seeds(Sampling(max_tokens=9), seed=1))
    assert all(seed is not None and 0 <= seed < 2**63 for seed in first)


def test_seeds_depend_on_every_part() -> None:
    assert seed_of(1, "a", 2) == seed_of(1, "a", 2) == 7966048045017696035
    assert (
        len(
            {
                seed_of(1, "a"),
                seed_of(1, "b"),
                seed_of(2, "a"),
                seed_of("1", "a"),
                seed_of(1, "a", 0),
            }
        )
        == 5
    )


def test_sessions_are_one_an_episode_and_stops_come_from_the_template() -> None:
    engine = Listening()
    tokenizer = made("byte-bpe/chatml")
    agent = ModelAgent(engine, tokenizer, Literal(), Sampling(max_tokens=9, temperature=0.5))
    episodes = episodes_for([2], 3, "train")
    play(episodes, Walk, agent)
    play(episodes, Walk, agent)
    assert len({session for session, _ in engine.asked}) == 6, (
        "playing an episode again is another session"
    )
    assert {s.stop_ids for _, s in engine.asked} == {Renderer(tokenizer).stop_ids}
    assert {s.temperature for _, s in engine.asked} == {0.5}
    own = ModelAgent(engine, tokenizer, Literal(), Sampling(stop_ids=(7,)))
    assert own.sampling.stop_ids == (7,)


def test_replies_never_outgrow_the_context() -> None:
    engine = Listening()
    (trajectory,) = play(
        episodes_for([9], 1, "train"),
        Walk,
        ModelAgent(
            engine, made("byte-bpe/chatml"), Literal(), Sampling(max_tokens=50), max_context=150
        ),
    )
    asked = [s.max_tokens for _, s in engine.asked]
    assert asked[0] == 50 and asked[-1] < 50 and trajectory.stop_reason == "length"
    assert all(len(t.prompt_ids) + n <= 150 for t, n in zip(trajectory.turns, asked, strict=True))


def test_an_empty_reply_ends_the_episode_and_an_aborted_one_is_an_error() -> None:
    class Odd(Listening):
        answer: Completion

        async def generate(
            self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
        ) -> Completion:
            return self.answer

    whole = Completion((1, 2), (-1.0, -1.0), None, "stop", 3)
    outcomes = []
    for answer in (
        replace(whole, ids=(), logprobs=(), stop_reason="length"),
        replace(whole, stop_reason="abort"),
    ):
        engine = Odd()
        engine.answer = answer
        (trajectory,) = play(
            episodes_for([2], 1, "train"),
            Walk,
            ModelAgent(engine, made("byte-bpe/chatml"), Growing()),
        )
        outcomes.append((trajectory.stop_reason, trajectory.error is None, len(trajectory.turns)))
    assert outcomes == [("length", True, 0), ("error", False, 0)]


def test_the_version_of_the_weights_is_recorded() -> None:
    engine = Listening(weights_version=4)
    (trajectory,) = play(
        episodes_for([2], 1, "train"),
        Walk,
        ModelAgent(engine, made("byte-bpe/chatml"), Literal(), name="buyer"),
    )
    assert [(t.agent, t.weights_version, t.stop_reason) for t in trajectory.turns] == [
        ("buyer", 4, "stop")
    ] * 2
    assert all(t.wall_seconds > 0 for t in trajectory.turns)


def test_the_protocols_are_met() -> None:
    tokenizer, engine = made("byte-bpe/chatml"), Listening()
    assert isinstance(engine, Engine)
    agents: list[Agent] = [
        RandomAgent(), ExpertAgent(), ReplayAgent([]), Demonstrator(tokenizer, Literal()),
        ModelAgent(engine, tokenizer, Literal()),
    ]  # fmt: skip
    (episode,) = episodes_for([1], 1, "train")
    for agent in agents:
        assert isinstance(agent, Agent)
        if not isinstance(agent, ReplayAgent):
            assert isinstance(agent.begin(episode), Actor)
