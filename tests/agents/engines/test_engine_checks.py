"""The conformance kit: our engines pass, and each broken promise is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.agents.engines.test_openai_engine import Reply, Server
from turnwise.agents.engines.base import Capabilities, Completion, Sampling
from turnwise.agents.engines.checks import check_engine
from turnwise.agents.engines.openai import OpenAIEngine
from turnwise.agents.engines.scripted import ScriptedEngine
from turnwise.errors import EngineError

IDS = (5, 6, 7, 8, 9)


def scripted() -> ScriptedEngine:
    return ScriptedEngine([IDS], max_context=32)


def test_the_scripted_engine_passes() -> None:
    check_engine(scripted)
    check_engine(lambda: ScriptedEngine(lambda ids, turn: [turn, *ids, len(ids)]))


@pytest.mark.parametrize("fast", [True, False])
def test_the_transformers_engine_passes(fast: bool) -> None:
    pytest.importorskip("torch")
    from tests.agents.engines.test_transformers_engine import build
    from turnwise.agents.engines.transformers.engine import TransformersEngine

    model = build("Qwen3")
    check_engine(lambda: TransformersEngine(model, slots=3, max_context=40, fast=fast))


@pytest.fixture
def completion_server() -> Iterator[Server]:
    """A server with the protocol of vLLM, whose model is a scripted engine."""
    model = ScriptedEngine([IDS], max_context=32)

    def answer(path: str, body: dict[str, Any]) -> Reply:
        if len(body["prompt"]) >= 32:
            return 400, {"error": {"message": "the maximum context length is 32 tokens"}}, {}
        sampling = Sampling(
            max_tokens=body["max_tokens"], stop_ids=tuple(body.get("stop_token_ids", ()))
        )
        out = asyncio.run(model.generate(body["prompt"], sampling))
        choice = {
            "finish_reason": out.stop_reason, "token_ids": list(out.ids),
            "logprobs": {"token_logprobs": list(out.logprobs)},
        }  # fmt: skip
        return 200, {"choices": [choice]}, {}

    server = Server()
    server.answer = answer
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_the_openai_engine_passes(completion_server: Server) -> None:
    check_engine(lambda: OpenAIEngine(completion_server.url, "m", max_context=32))


class Changed(ScriptedEngine):
    """A scripted engine whose completions go through `change`."""

    change: Callable[[Completion, Sampling], Completion]

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        return type(self).change(await super().generate(prompt_ids, sampling, session), sampling)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda out, s: replace(out, logprobs=out.logprobs[1:]), "3 ids have 2 log-prob"),
        (lambda out, s: replace(out, logprobs=(0.5,) * len(out.ids)), "is positive"),
        (lambda out, s: replace(out, stop_reason="eos"), "unknown stop reason 'eos'"),
        (lambda out, s: replace(out, weights_version=4), "of weights 0 reports 4"),
        (lambda out, s: replace(out, entropies=out.logprobs), "without being asked for"),
        (lambda out, s: replace(out, entropies=None), "do not have as many entropies"),
        (
            lambda out, s: replace(out, stop_reason="length"),
            "a stop id gave the stop reason 'length'",
        ),
    ],
)
def test_a_malformed_completion_is_named(change: Any, says: str) -> None:
    class Broken(Changed):
        pass

    Broken.change = staticmethod(change)
    with pytest.raises(AssertionError, match=says):
        check_engine(lambda: Broken([IDS], max_context=32))


class Overlong(ScriptedEngine):
    @staticmethod
    def _cut(ids: Sequence[int], limit: int, sampling: Sampling) -> tuple[tuple[int, ...], str]:
        return tuple(ids), "length"


class DeafToStops(ScriptedEngine):
    @staticmethod
    def _cut(ids: Sequence[int], limit: int, sampling: Sampling) -> tuple[tuple[int, ...], str]:
        return tuple(ids[:limit]), "length"


class BeyondItsContext(ScriptedEngine):
    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        if len(prompt_ids) >= 32:
            raise EngineError("too long")
        return await super().generate(prompt_ids, sampling, session)


class StrictAboutSessions(ScriptedEngine):
    async def release(self, session: str) -> None:
        if session not in self._turns:
            raise KeyError(session)
        await super().release(session)


class Seedless(ScriptedEngine):
    count = 0

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        Seedless.count += 1
        out = await super().generate(prompt_ids, sampling, session)
        if sampling.temperature and out.ids:
            return replace(out, ids=(Seedless.count, *out.ids[1:]))
        return out


class OldVersion(ScriptedEngine):
    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        return None


class NeverClosed(ScriptedEngine):
    async def close(self) -> None:
        return None


class Hanging(ScriptedEngine):
    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        await asyncio.sleep(60)
        raise AssertionError


class EntropiesUnclaimed(ScriptedEngine):
    capabilities = Capabilities()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Overlong, "5 tokens are more than 3"),
        (DeafToStops, "a stop id gave the stop reason 'length'|became"),
        (OldVersion, "after an update to version 1, weights_version is 0"),
        (NeverClosed, "a closed engine answered"),
        (Seedless, "seed 7 gave"),
        (EntropiesUnclaimed, "raised no EngineError"),
    ],
)
def test_a_broken_promise_is_named(kind: type[ScriptedEngine], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_engine(lambda: kind([IDS], max_context=32))


@pytest.mark.parametrize(
    ("kind", "error"), [(BeyondItsContext, EngineError), (StrictAboutSessions, KeyError)]
)
def test_an_error_of_the_engine_is_passed_on(
    kind: type[ScriptedEngine], error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_engine(lambda: kind([IDS], max_context=32))


def test_a_hanging_engine_is_bounded() -> None:
    with pytest.raises(AssertionError, match=r"check_completion did not end within 0\.05 s"):
        check_engine(lambda: Hanging([IDS]), timeout=0.05)


def test_an_object_that_is_no_engine_is_refused() -> None:
    with pytest.raises(AssertionError, match="object lacks members of Engine"):
        check_engine(lambda: object())  # type: ignore[arg-type,return-value]
