"""Conformance kit for engines: `check_engine` tests any engine against the `Engine` protocol.

    check_engine(lambda: MyEngine(...))

Each promise that does not hold is an `AssertionError` with one sentence that says which.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable, Sequence

from turnwise.agents.engines.base import Capabilities, Completion, Engine, Sampling
from turnwise.errors import EngineError

PENDING_REQUESTS = 8
STOP_REASONS = ("stop", "length", "abort")

Check = Callable[[Engine, tuple[int, ...]], Awaitable[None]]


def check_engine(
    make: Callable[[], Engine], prompt_ids: Sequence[int] = (1, 2, 3, 4), timeout: float = 120.0
) -> None:
    """Check an engine against every promise of `Engine`.

    Optional features are checked where `capabilities` claims them, and must be refused otherwise.
    Without stops the engine has to produce at least three tokens after `prompt_ids`.

    Args:
        make: returns a new engine at each call, always the same.
        prompt_ids: a prompt that the engine can continue.
        timeout: seconds for each check.

    Raises:
        AssertionError: for the first promise that does not hold.
    """
    prompt = tuple(prompt_ids)
    check_members(make())
    for check in CHECKS:
        asyncio.run(_with_engine(make(), check, prompt, timeout))
    check_event_loops(make(), prompt, timeout)


async def _with_engine(
    engine: Engine, check: Check, prompt: tuple[int, ...], timeout: float
) -> None:
    try:
        async with asyncio.timeout(timeout) as bound:
            await check(engine, prompt)
    except TimeoutError as problem:
        assert not bound.expired(), f"{check.__name__} did not end within {timeout:g} s"
        raise AssertionError(f"{check.__name__} raised {problem!r}") from problem
    finally:
        await engine.close()


def check_members(engine: Engine) -> None:
    """Check the types of the protocol's properties."""
    assert isinstance(engine, Engine), f"{type(engine).__name__} lacks members of Engine"
    assert isinstance(engine.capabilities, Capabilities), "capabilities is not a Capabilities"
    assert isinstance(engine.weights_version, int), "weights_version is not a whole number"
    limit = engine.max_context
    assert limit is None or limit > 1, f"max_context={limit} leaves no room for a reply"


async def check_completion(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check lengths, ranges and the stop reason of completions at several temperatures."""
    for temperature, top_p, top_k in ((0.0, 1.0, 0), (1.0, 1.0, 0), (0.7, 0.9, 5)):
        sampling = Sampling(temperature, top_p, top_k, max_tokens=3)
        out = await engine.generate(prompt, sampling)
        _check_form(engine, sampling, out)
        assert len(out.ids) == 3, f"{len(out.ids)} tokens were produced without a stop, not 3"
    out = await engine.generate(prompt, Sampling(max_tokens=1))
    assert len(out.ids) == 1, f"max_tokens=1 gave {len(out.ids)} tokens"


def _check_form(engine: Engine, sampling: Sampling, out: Completion) -> None:
    size = len(out.ids)
    assert all(isinstance(i, int) and i >= 0 for i in out.ids), "ids are not token ids"
    assert len(out.logprobs) == size, f"{size} ids have {len(out.logprobs)} log-probabilities"
    assert all(math.isfinite(x) and x <= 1e-4 for x in out.logprobs), (
        "a log-probability is positive or not finite"
    )
    assert size <= sampling.max_tokens, f"{size} tokens are more than {sampling.max_tokens}"
    assert out.stop_reason in STOP_REASONS, f"unknown stop reason {out.stop_reason!r}"
    assert out.weights_version == engine.weights_version, (
        f"a completion of weights {engine.weights_version} reports {out.weights_version}"
    )
    if not sampling.entropies:
        assert out.entropies is None, "entropies were returned without being asked for"
        return
    assert out.entropies is not None and len(out.entropies) == size, (
        f"{size} ids do not have as many entropies"
    )
    assert all(math.isfinite(x) and x >= -1e-4 for x in out.entropies), (
        "an entropy is negative or not finite"
    )


async def check_entropies(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check that entropies are returned, or refused by an engine without the capability."""
    sampling = Sampling(max_tokens=3, entropies=True)
    if engine.capabilities.entropies:
        _check_form(engine, sampling, await engine.generate(prompt, sampling))
        return
    try:
        await engine.generate(prompt, sampling)
    except EngineError:
        return
    raise AssertionError("entropies are no capability, and asking for them raised no EngineError")


async def check_stops(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check that a completion ends after its first stop id, or where `stop_when` says so."""
    greedy = Sampling(temperature=0.0, max_tokens=3)
    free = await engine.generate(prompt, greedy)
    stop = free.ids[-1]
    end = free.ids.index(stop) + 1
    sampling = Sampling(temperature=0.0, max_tokens=3, stop_ids=(stop,))
    out = await engine.generate(prompt, sampling)
    _check_form(engine, sampling, out)
    assert out.ids == free.ids[:end], (
        f"greedy {free.ids} with the stop id {stop} became {out.ids}, not {free.ids[:end]}"
    )
    assert out.stop_reason == "stop", f"a stop id gave the stop reason {out.stop_reason!r}"
    if engine.capabilities.stop_when:
        two = Sampling(temperature=0.0, max_tokens=3, stop_when=lambda ids: len(ids) == 2)
        out = await engine.generate(prompt, two)
        assert out.ids == free.ids[:2], f"stop_when after 2 tokens gave {out.ids}"
        assert out.stop_reason == "stop", f"stop_when gave the stop reason {out.stop_reason!r}"


async def check_context(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check that a prompt which fills the context ends with `length` rather than an error."""
    if engine.max_context is None:
        return
    for room in (0, 1):
        size = engine.max_context - room
        ids = tuple(itertools.islice(itertools.cycle(prompt), size))
        out = await engine.generate(ids, Sampling(max_tokens=3))
        assert len(out.ids) == room and out.stop_reason == "length", (
            f"a prompt of {size} tokens in a context of {engine.max_context} gave "
            f"{len(out.ids)} tokens and {out.stop_reason!r}, not {room} and 'length'"
        )


async def check_sessions(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check turns of one session, several sessions at once, and releases in any order."""
    await engine.release("unknown")
    sampling = Sampling(max_tokens=3, seed=1)
    first = await engine.generate(prompt, sampling, "a")
    longer = (*prompt, *first.ids, *prompt)
    outs = await asyncio.gather(
        engine.generate(longer, sampling, "a"), engine.generate(prompt, sampling, "b")
    )
    for out in outs:
        _check_form(engine, sampling, out)
    for session in ("b", "a", "a"):
        await engine.release(session)
    assert (await engine.generate(prompt, sampling, "a")).ids, "a released session cannot go on"


async def check_seeds(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check that a seed decides the tokens, alone and beside other requests."""
    if not engine.capabilities.seeds:
        return
    alone = await engine.generate(prompt, Sampling(max_tokens=3, seed=7))
    together = await asyncio.gather(
        *(engine.generate(prompt, Sampling(max_tokens=3, seed=s)) for s in (5, 7, 6))
    )
    assert together[1].ids == alone.ids, (
        f"seed 7 gave {alone.ids} alone and {together[1].ids} beside other requests"
    )


async def check_weights(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check that an update changes the recorded version, or is refused with `EngineError`."""
    version = engine.weights_version + 1
    sampling = Sampling(max_tokens=3)
    running = []
    if engine.capabilities.in_flight_updates:
        running.append(asyncio.ensure_future(engine.generate(prompt, sampling)))
        await asyncio.sleep(0)
    try:
        await engine.update_weights(None, version)
    except EngineError as problem:
        assert not running, f"updates in flight are a capability, and one raised {problem}"
        return
    assert engine.weights_version == version, (
        f"after an update to version {version}, weights_version is {engine.weights_version}"
    )
    for out in await asyncio.gather(*running):
        assert len(out.ids) == 3 and out.weights_version in (version - 1, version), (
            f"a request in flight during an update to version {version} gave {len(out.ids)} "
            f"tokens of version {out.weights_version}"
        )
    _check_form(engine, sampling, await engine.generate(prompt, sampling))


async def check_close(engine: Engine, prompt: tuple[int, ...]) -> None:
    """Check that closing ends requests in flight, and that later ones are refused."""
    tasks = [
        asyncio.ensure_future(engine.generate(prompt, Sampling(max_tokens=3)))
        for _ in range(PENDING_REQUESTS)
    ]
    await asyncio.sleep(0)
    await engine.close()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, Completion | EngineError), (
            f"a request in flight when the engine was closed ended with {result!r}"
        )
    try:
        await engine.generate(prompt, Sampling(max_tokens=1))
    except EngineError:
        return
    raise AssertionError("a closed engine answered, and raised no EngineError")


def check_event_loops(engine: Engine, prompt: tuple[int, ...], timeout: float) -> None:
    """Check that an engine can be used from one `asyncio.run` after another, as `play` does."""

    async def once() -> Completion:
        async with asyncio.timeout(timeout):
            return await engine.generate(prompt, Sampling(max_tokens=2))

    try:
        asyncio.run(once())
        asyncio.run(once())
    except RuntimeError as problem:
        raise AssertionError(f"the engine is bound to one event loop: {problem}") from problem
    finally:
        asyncio.run(engine.close())


CHECKS: tuple[Check, ...] = (
    check_completion,
    check_entropies,
    check_stops,
    check_context,
    check_sessions,
    check_seeds,
    check_weights,
    check_close,
)
