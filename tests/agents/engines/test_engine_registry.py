"""Engines by name, their factories, and what a run may require of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.agents.made_tokenizers import made
from tests.agents.toy_players import Literal, RecordingEngine, Walk
from turnwise.agents.agent import ModelAgent
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.engines.base import (
    Capabilities,
    Engine,
    EngineContext,
    Sampling,
    check_capabilities,
)
from turnwise.agents.engines.openai import OpenAIEngine
from turnwise.agents.engines.registry import ENGINES, make_engine
from turnwise.agents.engines.scripted import ScriptedEngine
from turnwise.errors import ConfigError, EngineError

CONTEXT = EngineContext(max_context=50, weights_version=3, concurrency=5)


def make_recording(context: EngineContext, word: str = "go[on]") -> RecordingEngine:
    """Somebody else's engine, found at `module:factory`."""
    ids = made("byte-bpe/chatml").encode(word)
    return RecordingEngine(lambda *_: ids, weights_version=context.weights_version)


def make_nothing(context: EngineContext) -> object:
    return object()


def test_the_names_of_our_engines() -> None:
    assert ENGINES.names() == ["openai", "scripted", "transformers"]


def test_an_engine_of_somebody_else_is_found_by_import_path() -> None:
    engine = make_engine(f"{__name__}:make_recording", CONTEXT, word="go[far]")
    assert isinstance(engine, Engine) and engine.weights_version == 3
    with pytest.raises(ConfigError, match=r"unknown option 'words'.*did you mean 'word'"):
        make_engine(f"{__name__}:make_recording", CONTEXT, words="x")
    with pytest.raises(ConfigError, match=r"made a object without .*generate.*see turnwise"):
        make_engine(f"{__name__}:make_nothing", CONTEXT)
    with pytest.raises(ConfigError, match=r"unknown engine 'transformer'.*'transformers'"):
        make_engine("transformer", CONTEXT)


def test_a_context_reaches_the_openai_engine() -> None:
    engine = make_engine("openai", EngineContext(path="qwen", max_context=50, weights_version=3),
                         base_url="http://localhost:1/v1", retries=0)  # fmt: skip
    assert isinstance(engine, OpenAIEngine)
    assert (engine.endpoint.model, engine.max_context, engine.weights_version) == ("qwen", 50, 3)
    assert engine.endpoint.retries == 0
    with pytest.raises(ConfigError, match="did you mean 'base_url'"):
        make_engine("openai", CONTEXT, url="http://localhost:1/v1")
    with pytest.raises(ConfigError, match="'openai' needs the option 'base_url'"):
        make_engine("openai", CONTEXT)


def test_a_scripted_engine_replays_texts_turn_by_turn() -> None:
    tokenizer = made("byte-bpe/chatml")
    engine = make_engine(
        "scripted", EngineContext(tokenizer=tokenizer), texts=["go[on]", "loop[here]", "go[on]"]
    )
    agent = ModelAgent(engine, tokenizer, Literal(), Sampling(max_tokens=30))
    first, second = play(episodes_for([3], 2, "train"), Walk, agent, max_turns=4)
    assert [turn.action for turn in first.turns] == ["go[on]", "loop[here]", "go[on]", "go[on]"]
    assert [turn.completion_ids for turn in first.turns] == [
        turn.completion_ids for turn in second.turns
    ]
    assert first.success and {turn.stop_reason for turn in first.turns} == {"stop"}


def test_a_scripted_engine_needs_completions_or_texts() -> None:
    for options in ({}, {"completions": [[1]], "texts": ["x"]}):
        with pytest.raises(ConfigError, match="either completions"):
            make_engine("scripted", CONTEXT, **options)
    with pytest.raises(ConfigError, match="needs a tokenizer"):
        make_engine("scripted", CONTEXT, texts=["x"])
    with pytest.raises(ConfigError, match="at least one completion"):
        ScriptedEngine([])
    engine = make_engine("scripted", CONTEXT, completions=[[1, 2]])
    assert (engine.max_context, engine.weights_version) == (50, 3)


def test_required_capabilities_are_checked_in_one_sentence() -> None:
    engine = OpenAIEngine("http://localhost:1/v1", "m")
    check_capabilities(engine, {})
    check_capabilities(ScriptedEngine([[1]]), {"entropies": "the recipe 'empg'"})
    says = "the recipe 'empg' needs the engine capability 'entropies', which OpenAIEngine lacks"
    with pytest.raises(ConfigError, match=says):
        check_capabilities(engine, {"entropies": "the recipe 'empg'"})
    with pytest.raises(ConfigError, match=r"unknown capability 'entropy'.*'entropies'"):
        check_capabilities(engine, {"entropy": "the recipe 'empg'"})


def test_the_transformers_engine_shares_or_loads_a_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from tests.agents.engines.test_transformers_engine import build

    model = build("Qwen3")
    engine: Any = make_engine(
        "transformers", EngineContext(model=model, concurrency=5, weights_version=3), seed=0
    )
    assert engine.weights_version == 3 and engine.max_context == 256
    assert engine._model is model and len(engine._stepper.table.ids) == 5
    assert engine.capabilities == Capabilities(True, True, True, True)
    half: Any = make_engine("transformers", EngineContext(model=model, dtype="bfloat16"), slots=2)
    assert half._model is not model and next(half._model.parameters()).dtype == torch.bfloat16
    tokenizer = made("byte-bpe/chatml")
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = make_engine("transformers", EngineContext(path=str(tmp_path), max_context=40))
    assert loaded.max_context == 40
    out = asyncio.run(loaded.generate([1, 2], Sampling(max_tokens=2)))
    assert len(out.ids) == 2
    with pytest.raises(ConfigError, match="needs a model"):
        make_engine("transformers", EngineContext())
    with pytest.raises(ConfigError, match="unknown dtype 'float8'"):
        make_engine("transformers", EngineContext(model=model), dtype="float8")
    with pytest.raises(EngineError, match="max_context=4096 does not fit"):
        make_engine("transformers", EngineContext(model=model, max_context=4096))
