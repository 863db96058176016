"""The engine equals the plain forward for any batch, turns, evictions and order of arrival."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from turnwise.agents.engines.base import Completion, Engine, Sampling  # noqa: E402
from turnwise.agents.engines.transformers.engine import TransformersEngine  # noqa: E402
from turnwise.agents.engines.transformers.fast_forward import PackedForward  # noqa: E402
from turnwise.errors import EngineError  # noqa: E402

V = 97
SIZES: dict[str, Any] = {
    "vocab_size": V, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 256,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
GPT2: dict[str, Any] = {
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 256,
    "vocab_size": V,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
NEOX = {name: size for name, size in SIZES.items() if name != "num_key_value_heads"}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "Qwen3": ("Qwen3Config", {**SIZES, "head_dim": 8}),
    "Qwen2": ("Qwen2Config", SIZES),
    "Llama": (
        "LlamaConfig",
        {**SIZES, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True},
    ),
    "Llama-yarn": (
        "LlamaConfig",
        {**SIZES, "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}},
    ),
    "Mistral-full": ("MistralConfig", {**SIZES, "sliding_window": None}),
    "Mistral-sliding": ("MistralConfig", {**SIZES, "sliding_window": 9}),
    "Gemma3-mixed": (
        "Gemma3TextConfig",
        {**SIZES, "head_dim": 8, "sliding_window": 9,
         "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "Gemma2-softcap": ("Gemma2Config", {**SIZES, "head_dim": 8, "sliding_window": 9}),
    "GPT2": ("GPT2Config", GPT2),
    "GPTNeoX": ("GPTNeoXConfig", NEOX),
    "Qwen3Moe": (
        "Qwen3MoeConfig",
        {**SIZES, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
         "moe_intermediate_size": 16},
    ),
}  # fmt: skip


def build(name: str, seed: int = 0) -> Any:
    """A random model whose next-token distributions are far from uniform."""
    kind, sizes = ARCHITECTURES[name]
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.fixture(scope="module")
def qwen() -> Any:
    return build("Qwen3")


def plain(model: Any, prompt: Sequence[int], ids: Sequence[int], temperature: float = 1.0) -> Any:
    """[T, V] log-probabilities of the model's own forward at each of `ids`."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    return (logits / temperature).log_softmax(-1)


def assert_equals_plain(
    model: Any, prompt: Sequence[int], got: Completion, temperature: float = 1.0
) -> None:
    expected = plain(model, prompt, got.ids, temperature)
    chosen = expected.gather(-1, torch.tensor(got.ids)[:, None])[:, 0]
    assert torch.allclose(
        chosen, torch.tensor(got.logprobs, dtype=torch.float32), atol=1e-5, rtol=0
    )
    if got.entropies is not None:
        entropy = -(expected.exp() * expected).sum(-1)
        assert torch.allclose(
            entropy, torch.tensor(got.entropies, dtype=torch.float32), atol=1e-5, rtol=0
        )


def ids_of(rng: np.random.Generator, low: int, high: int) -> list[int]:
    return [int(x) for x in rng.integers(0, V, int(rng.integers(low, high)))]


async def episode(
    engine: TransformersEngine, model: Any, key: int, turns: int = 3, windowed: bool = False
) -> None:
    """Play a few turns; a windowed dialogue drops its middle before the last one."""
    rng = np.random.default_rng(key)
    prompt = ids_of(rng, 3, 40)
    for turn in range(turns):
        asked = Sampling(
            max_tokens=int(rng.integers(1, 20)), seed=key * 10 + turn, entropies=key % 2 == 0
        )
        got = await engine.generate(prompt, asked, session=f"episode-{key}")
        assert len(got.ids) == asked.max_tokens == len(got.logprobs)
        assert_equals_plain(model, prompt, got)
        prompt = prompt + list(got.ids) + ids_of(rng, 1, 20)
        if windowed and turn == turns - 2:
            prompt = prompt[:5] + prompt[9:]
    await engine.release(f"episode-{key}")


PACKED = ("Qwen3", "Qwen2", "Llama", "Llama-yarn", "Mistral-full")


@pytest.mark.parametrize(
    ("name", "fast"), [(name, False) for name in ARCHITECTURES] + [(name, True) for name in PACKED]
)
def test_equals_the_plain_forward_over_turns_evictions_and_windows(name: str, fast: bool) -> None:
    model = build(name)
    engine = TransformersEngine(model, slots=3, max_context=200, fast=fast)

    async def everyone() -> None:
        await asyncio.gather(
            *[episode(engine, model, key, windowed=key % 3 == 0) for key in range(7)]
        )

    asyncio.run(everyone())
    assert PackedForward.covers(model, torch.device("cpu")) == (name in PACKED)


def test_is_an_engine(qwen: Any) -> None:
    assert isinstance(TransformersEngine(qwen), Engine)


def test_only_the_new_observation_is_computed(qwen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TransformersEngine(qwen, slots=2)
    computed: list[int] = []
    original = PackedForward.__call__

    def spy(self: Any, table: Any, rows: Any, take: Any, span: int) -> Any:
        computed.append(int(take.sum()))
        return original(self, table, rows, take, span)

    monkeypatch.setattr(PackedForward, "__call__", spy)

    async def two_turns() -> None:
        prompt = list(range(40))
        first = await engine.generate(prompt, Sampling(max_tokens=5, seed=1), session="a")
        assert computed == [40, 1, 1, 1, 1]
        computed.clear()
        await engine.generate(
            [*prompt, *first.ids, 7, 8], Sampling(max_tokens=2, seed=1), session="a"
        )
        assert computed == [3, 1]  # the last drawn token was never fed, and two are new

    asyncio.run(two_turns())


def test_episodes_of_one_task_compute_their_common_prompt_once(
    qwen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(qwen, slots=8)
    computed: list[int] = []
    original = PackedForward.__call__

    def spy(self: Any, table: Any, rows: Any, take: Any, span: int) -> Any:
        computed.append(int(take.sum()))
        return original(self, table, rows, take, span)

    monkeypatch.setattr(PackedForward, "__call__", spy)
    prompt = [int(x) for x in np.random.default_rng(3).integers(0, V, 60)]

    async def group() -> list[Completion]:
        return await asyncio.gather(
            *[
                engine.generate(prompt, Sampling(max_tokens=4, seed=k), session=str(k))
                for k in range(8)
            ]
        )

    completions = asyncio.run(group())
    assert sum(computed) <= 60 + 7 * 1 + 8 * 3
    for got in completions:
        assert_equals_plain(qwen, prompt, got)
    assert len({got.ids for got in completions}) > 1


@pytest.mark.parametrize("fast", [True, False])
def test_a_seed_gives_the_same_tokens_alone_and_in_a_batch(qwen: Any, fast: bool) -> None:
    prompt = list(range(5, 25))
    asked = Sampling(max_tokens=12, seed=123, top_p=0.9)

    async def among(others: int) -> Completion:
        engine = TransformersEngine(qwen, slots=8, fast=fast)
        rng = np.random.default_rng(others)
        crowd = [
            asyncio.create_task(
                engine.generate(ids_of(rng, 2, 50), Sampling(max_tokens=9, seed=k, temperature=0.7))
            )
            for k in range(others)
        ]
        got = await engine.generate(prompt, asked)
        await asyncio.gather(*crowd)
        return got

    alone, small, large = (asyncio.run(among(n)) for n in (0, 5, 20))
    assert alone.ids == small.ids == large.ids
    assert alone.logprobs == pytest.approx(large.logprobs, abs=1e-5)


def test_requests_without_a_seed_differ_and_the_engine_seed_repeats_them(qwen: Any) -> None:
    async def twice(seed: int) -> list[tuple[int, ...]]:
        engine = TransformersEngine(qwen, seed=seed)
        return [(await engine.generate([1, 2, 3], Sampling(max_tokens=10))).ids for _ in range(2)]

    first, again, other = asyncio.run(twice(1)), asyncio.run(twice(1)), asyncio.run(twice(2))
    assert first[0] != first[1] and first == again and first != other


def test_greedy_is_the_argmax_and_its_logprob_is_at_temperature_one(qwen: Any) -> None:
    prompt = [4, 9, 16, 25]
    got = asyncio.run(
        TransformersEngine(qwen).generate(
            prompt, Sampling(temperature=0, max_tokens=15, entropies=True)
        )
    )
    assert list(got.ids) == plain(qwen, prompt, got.ids).argmax(-1).tolist()
    assert_equals_plain(qwen, prompt, got)


def test_logprobs_are_at_temperature_and_before_truncation(qwen: Any) -> None:
    prompt = [4, 9, 16, 25]
    asked = Sampling(temperature=1.7, top_p=0.5, top_k=20, max_tokens=15, seed=3, entropies=True)
    assert_equals_plain(
        qwen, prompt, asyncio.run(TransformersEngine(qwen).generate(prompt, asked)), temperature=1.7
    )


def test_stops_after_a_stop_token_which_belongs_to_the_completion(qwen: Any) -> None:
    async def both() -> tuple[Completion, Completion]:
        engine = TransformersEngine(qwen)
        free = await engine.generate([5, 6, 7], Sampling(max_tokens=20, seed=9))
        return free, await engine.generate(
            [5, 6, 7], Sampling(max_tokens=20, seed=9, stop_ids=(free.ids[6], V - 1))
        )

    free, stopped = asyncio.run(both())
    end = free.ids.index(free.ids[6]) + 1
    assert (
        stopped.ids == free.ids[:end]
        and stopped.stop_reason == "stop"
        and free.stop_reason == "length"
    )
    assert len(stopped.logprobs) == end and stopped.entropies is None


def test_the_context_ends_a_completion_and_a_full_prompt_gives_an_empty_one(qwen: Any) -> None:
    async def three() -> list[Completion]:
        engine = TransformersEngine(qwen, max_context=32)
        asked = Sampling(max_tokens=10, seed=1, entropies=True)
        return [await engine.generate(list(range(n)), asked, session="s") for n in (28, 31, 32)]

    some, one, none = asyncio.run(three())
    assert [len(some.ids), len(one.ids), len(none.ids)] == [4, 1, 0]
    assert (
        some.stop_reason == one.stop_reason == none.stop_reason == "length" and none.entropies == ()
    )
    assert_equals_plain(qwen, range(28), some)


def test_more_requests_than_slots_wait_and_a_cancelled_one_frees_its_slot(qwen: Any) -> None:
    engine = TransformersEngine(qwen, slots=2)

    async def crowd() -> None:
        tasks = [
            asyncio.create_task(engine.generate([k, 1, 2], Sampling(max_tokens=8, seed=k)))
            for k in range(9)
        ]
        endless = asyncio.create_task(engine.generate([3, 3], Sampling(max_tokens=250)))
        while not any(task.done() for task in tasks):
            await asyncio.sleep(0)
        endless.cancel()
        for k, got in enumerate(await asyncio.gather(*tasks)):
            assert_equals_plain(qwen, [k, 1, 2], got)
        with pytest.raises(asyncio.CancelledError):
            await endless

    asyncio.run(crowd())
    assert engine._stepper.table.busy() == []


def test_other_coroutines_run_between_steps(qwen: Any) -> None:
    engine = TransformersEngine(qwen)

    async def both() -> int:
        task, ticks = asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=40))), 0
        while not task.done():
            ticks += 1
            await asyncio.sleep(0)
        return ticks

    assert asyncio.run(both()) >= 40


def test_new_weights_change_what_is_computed_and_drop_every_cache() -> None:
    model, other = build("Qwen3", seed=1), build("Qwen3", seed=2)
    engine = TransformersEngine(model)

    async def before_and_after() -> tuple[Completion, Completion]:
        prompt, asked = list(range(30)), Sampling(max_tokens=6, seed=4)
        old = await engine.generate(prompt, asked, session="a")
        await engine.update_weights(other.state_dict(), version=7)
        new = await engine.generate(prompt, asked, session="a")
        assert_equals_plain(other, prompt, new)
        return old, new

    old, new = asyncio.run(before_and_after())
    assert old.logprobs != new.logprobs and (old.weights_version, new.weights_version) == (0, 7)


def test_a_running_request_continues_under_new_weights() -> None:
    model, other = build("Qwen3", seed=1), build("Qwen3", seed=2)
    engine, prompt = TransformersEngine(model), list(range(12))

    async def change() -> Completion:
        task = asyncio.create_task(engine.generate(prompt, Sampling(max_tokens=20, seed=4)))
        request = None
        while request is None or len(request.ids) < 5:
            await asyncio.sleep(0)
            request = engine._stepper.table.request[0]
        with torch.no_grad():
            for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
                mine.copy_(theirs)
        await engine.update_weights(None, version=1)
        return await task

    got = asyncio.run(change())
    expected = plain(other, prompt, got.ids).gather(-1, torch.tensor(got.ids)[:, None])[:, 0]
    assert (
        torch.allclose(expected[-10:], torch.tensor(got.logprobs[-10:]), atol=1e-5)
        and got.weights_version == 1
    )
    assert not torch.allclose(expected[:5], torch.tensor(got.logprobs[:5]), atol=1e-3)


def test_another_dtype_is_a_copy_that_follows_the_model() -> None:
    model = build("Qwen3", seed=1)
    engine = TransformersEngine(model, dtype=torch.bfloat16)

    async def follow() -> tuple[Completion, Completion]:
        first = await engine.generate(list(range(9)), Sampling(max_tokens=4, seed=4))
        with torch.no_grad():
            model.model.embed_tokens.weight.add_(torch.randn_like(model.model.embed_tokens.weight))
        await engine.update_weights(None, version=2)
        return first, await engine.generate(list(range(9)), Sampling(max_tokens=4, seed=4))

    first, second = asyncio.run(follow())
    assert next(model.parameters()).dtype == torch.float32 and first.logprobs != second.logprobs
    chosen = plain(model, range(9), second.ids).gather(-1, torch.tensor(second.ids)[:, None])[:, 0]
    assert torch.allclose(chosen, torch.tensor(second.logprobs), atol=0.3)


def test_wrong_weights_are_refused_whole(qwen: Any) -> None:
    engine, before = TransformersEngine(qwen), {k: v.clone() for k, v in qwen.state_dict().items()}
    good = dict(qwen.state_dict())
    bad = {
        "unknown": {**good, "extra": torch.zeros(1)},
        "missing": {k: v for k, v in good.items() if "q_proj" not in k},
        "of another shape": {k: v[:1] * 0 for k, v in good.items()},
    }
    for word, weights in bad.items():
        with pytest.raises(EngineError, match=word):
            asyncio.run(engine.update_weights(weights, version=1))
    assert (
        all(torch.equal(before[k], v) for k, v in qwen.state_dict().items())
        and engine.weights_version == 0
    )


def test_a_failing_model_fails_every_request_and_the_engine_stays_usable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = build("GPT2")
    engine, original = TransformersEngine(model, slots=2), model.forward

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("out of memory")

    async def fail_then_work() -> None:
        monkeypatch.setattr(model, "forward", broken)
        tasks = [
            engine.generate([k, 1], Sampling(max_tokens=5, seed=k), session=str(k))
            for k in range(4)
        ]
        failures = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(f, EngineError) and "out of memory" in str(f) for f in failures)
        monkeypatch.setattr(model, "forward", original)
        got = await engine.generate([0, 1], Sampling(max_tokens=5, seed=0), session="0")
        assert_equals_plain(model, [0, 1], got)

    asyncio.run(asyncio.wait_for(fail_then_work(), 60))


@pytest.mark.parametrize("prompt", [[], [V], [-1, 3]])
def test_a_malformed_prompt_fails_alone(qwen: Any, prompt: list[int]) -> None:
    engine = TransformersEngine(qwen)

    async def both() -> Completion:
        good = asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=3)))
        with pytest.raises(EngineError, match=r"0\.\.96"):
            await engine.generate(prompt, Sampling())
        return await good

    assert len(asyncio.run(both()).ids) == 3


def test_closing_fails_waiting_requests_and_refuses_new_ones(qwen: Any) -> None:
    engine = TransformersEngine(qwen)

    async def close() -> None:
        task = asyncio.create_task(engine.generate([1, 2], Sampling(max_tokens=200)))
        await asyncio.sleep(0)
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await task
        with pytest.raises(EngineError, match="closed"):
            await engine.generate([1, 2], Sampling())

    asyncio.run(close())


def test_one_engine_serves_several_event_loops_and_survives_an_interrupted_one(qwen: Any) -> None:
    engine = TransformersEngine(qwen, slots=2)

    async def interrupted() -> None:
        asyncio.get_running_loop().create_task(
            engine.generate([1, 2], Sampling(max_tokens=200), session="a")
        )
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(interrupted())
    got = asyncio.run(engine.generate([1, 2], Sampling(max_tokens=5, seed=1), session="a"))
    assert_equals_plain(qwen, [1, 2], got)


def test_a_model_in_training_runs_in_eval_mode_and_is_given_back_in_training() -> None:
    kind, sizes = ARCHITECTURES["GPT2"]
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        getattr(transformers, kind)(**sizes, resid_pdrop=0.5)
    ).train()
    got = asyncio.run(TransformersEngine(model).generate([1, 2, 3], Sampling(max_tokens=5, seed=1)))
    assert model.training
    assert_equals_plain(model.eval(), [1, 2, 3], got)


@pytest.mark.parametrize(
    ("kind", "sizes", "reason"),
    [
        (
            "MambaConfig",
            {"vocab_size": V, "hidden_size": 32, "num_hidden_layers": 2},
            "linear_attention",
        ),
        (
            "BloomConfig",
            {"vocab_size": V, "hidden_size": 32, "n_layer": 2, "n_head": 4},
            "cannot run on the slot cache",
        ),
    ],
)
def test_models_that_slots_cannot_serve_are_refused_with_a_reason(
    kind: str, sizes: dict[str, Any], reason: str
) -> None:
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**sizes))
    with pytest.raises(EngineError, match=reason):
        TransformersEngine(model)


def test_a_wrong_attention_mask_is_noticed_when_the_engine_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = build("Qwen3")
    monkeypatch.setattr(
        PackedForward,
        "_causal_mask",
        lambda self, queries, span: torch.zeros((*queries.shape[:-1], span)),
    )
    with pytest.raises(EngineError, match="other logits"):
        TransformersEngine(model)


@pytest.mark.parametrize("asked", [1, 257])
def test_a_context_the_model_does_not_have_is_refused(qwen: Any, asked: int) -> None:
    with pytest.raises(EngineError, match="choose 2 to 256"):
        TransformersEngine(qwen, max_context=asked)
    with pytest.raises(EngineError, match="needs at least one"):
        TransformersEngine(qwen, slots=0)


def test_long_prompts_are_read_in_pieces(qwen: Any) -> None:
    rng = np.random.default_rng(0)
    prompts = [ids_of(rng, 100, 240) for _ in range(5)]
    for fast in (True, False):
        engine = TransformersEngine(qwen, slots=4, prefill_tokens=32, fast=fast)

        async def everyone(engine: TransformersEngine = engine) -> list[Completion]:
            return await asyncio.gather(
                *[engine.generate(p, Sampling(max_tokens=6, seed=1)) for p in prompts]
            )

        for prompt, got in zip(prompts, asyncio.run(everyone()), strict=True):
            assert_equals_plain(qwen, prompt, got)
            assert all(math.isfinite(x) for x in got.logprobs)


@pytest.mark.parametrize("fast", [True, False])
def test_a_new_session_may_get_a_slot_beyond_the_cache(qwen: Any, fast: bool) -> None:
    """Sessions that wait for their environment keep the lower slots, and whoever comes next is
    moved down among them.
    """

    async def play() -> list[Completion]:
        engine = TransformersEngine(qwen, slots=64, seed=0, fast=fast)
        rng = np.random.default_rng(0)
        made = []
        for k in range(20):
            prompt = ids_of(rng, 3, 9)
            made.append(
                (
                    prompt,
                    await engine.generate(prompt, Sampling(max_tokens=4, seed=k), f"session {k}"),
                )
            )
        for prompt, got in made:
            assert_equals_plain(qwen, prompt, got)
        return [got for _, got in made]

    assert len(asyncio.run(play())) == 20
