"""The embedded engine: continuous batching in slots over any causal language model.

A background task steps the model while requests wait. Each step computes what waiting prompts still
lack (only the new observation, where the session's slot holds the rest) and then samples one token
for every running request, in one forward pass. The event loop runs between steps, so requests join
and leave at every token. The task ends when nothing waits: an idle engine uses no CPU and is bound
to no event loop.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from turnwise.agents.engines.base import Capabilities, Completion, EngineContext, Sampling
from turnwise.agents.engines.transformers.causal_forward import CausalForward
from turnwise.agents.engines.transformers.fast_forward import PackedForward
from turnwise.agents.engines.transformers.pretrained import load
from turnwise.agents.engines.transformers.slot_table import GenerationRequest, SlotTable
from turnwise.agents.engines.transformers.stepper import Stepper
from turnwise.errors import ConfigError, EngineError

DEFAULT_MAX_CONTEXT = 4096
LOOP_ROUNDS_PER_STEP = 3
"""Rounds of the event loop between steps: a finished turn needs a few to become the next request.
"""


class TransformersEngine:
    """Serves a `transformers` causal language model.

    Args:
        model: used in place, so a learner may share it; in eval mode while the engine runs.
        slots: sequences held at once; further requests wait.
        max_context: longest sequence, prompt and completion together. Defaults to the limit of the
            model's positions, or 4096 where the model has none.
        device, dtype: where and in what precision to run; the model's by default. Others than the
            model's make a copy, which `update_weights(None, version)` refreshes from the model.
        seed: seeds requests without a seed of their own.
        prefill_tokens: most new prompt tokens, padding included, in one forward pass.
        fast: use `PackedForward` where it covers the model; False always uses the model's own
            forward.

    Raises:
        EngineError: for a model that slots cannot serve; see `causal_forward`.
    """

    capabilities = Capabilities(entropies=True, seeds=True, stop_when=True, in_flight_updates=True)

    def __init__(
        self,
        model: nn.Module,
        *,
        slots: int = 64,
        max_context: int | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        seed: int | None = None,
        prefill_tokens: int = 2048,
        fast: bool = True,
    ) -> None:
        if slots < 1:
            raise EngineError(f"slots={slots}: an engine needs at least one")
        own = next(model.parameters())
        target = torch.device(device) if device is not None else own.device
        dtype = dtype or own.dtype
        self._source = self._model = model
        if (target, dtype) != (own.device, own.dtype):
            self._model = copy.deepcopy(model).to(target, dtype)
        self.vocabulary: int = model.get_input_embeddings().weight.shape[0]
        self.max_context: int = _max_context(model, max_context)
        forward = CausalForward(self._model, target)
        if fast and PackedForward.covers(self._model, target):
            forward = PackedForward(self._model, target, self.max_context)
        self._in_eval_mode(forward.check)
        self._stepper = Stepper(forward, SlotTable(slots, self.max_context), prefill_tokens)
        self._waiting: deque[GenerationRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seeds = np.random.default_rng(secrets.randbits(64) if seed is None else seed)
        self._closed = False

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        """Continue `prompt_ids`; see `Engine`.

        Raises:
            EngineError: for an empty prompt, a token outside the vocabulary, a closed engine, or a
                model that fails.
        """
        if self._closed:
            raise EngineError("the engine is closed: make a new one")
        prompt = np.asarray(prompt_ids, dtype=np.int64)
        if not len(prompt) or int(prompt.min()) < 0 or int(prompt.max()) >= self.vocabulary:
            raise EngineError(
                f"a prompt of {len(prompt)} tokens cannot be continued: it must have at least one, "
                f"each in 0..{self.vocabulary - 1}"
            )
        limit = min(sampling.max_tokens, self.max_context - len(prompt))
        if limit < 1:
            entropies = () if sampling.entropies else None
            return Completion((), (), entropies, "length", self.weights_version)
        seed = sampling.seed if sampling.seed is not None else int(self._seeds.integers(2**63))
        loop = asyncio.get_running_loop()
        request = GenerationRequest(
            prompt, sampling, session, loop.create_future(), seed % 2**64, limit,
            frozenset(sampling.stop_ids),
        )  # fmt: skip
        self._waiting.append(request)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        await request.future
        return Completion(
            tuple(request.ids), tuple(request.logprobs),
            tuple(request.entropies) if sampling.entropies else None,
            request.stop_reason, request.version,
        )  # fmt: skip

    async def release(self, session: str) -> None:
        """Free the session's slot; its tokens serve as a prefix until they are overwritten."""
        table = self._stepper.table
        slot = table.slot_of.get(session)
        if slot is not None:
            table.forget(slot)

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Load new weights and drop every cache; running requests continue under the new weights.

        Args:
            weights: a state dict, copied in place; None to take those of the model given at
                construction.

        Raises:
            EngineError: for names or shapes that are not the model's; nothing is then changed.
        """
        if weights is not None:
            copy_weights(self._model, weights)
        elif self._model is not self._source:
            copy_weights(self._model, self._source.state_dict())
        self._stepper.table.invalidate()
        self.weights_version = version

    async def close(self) -> None:
        """Free the cache; running and waiting requests raise `EngineError`."""
        self._closed = True
        self._fail("the engine was closed")
        self._stepper.forward.cache.drop()

    @property
    def weights_version(self) -> int:
        """Version of the weights in use, recorded in every completion."""
        return self._stepper.version

    @weights_version.setter
    def weights_version(self, version: int) -> None:
        self._stepper.version = version

    async def _run(self) -> None:
        """Step until nothing waits. A model that fails ends every request, not the engine."""
        trained = self._model.training
        self._model.eval()
        self._stepper.forward.refresh()
        try:
            while self._waiting or self._stepper.table.busy():
                try:
                    self._stepper.step(self._waiting)
                except Exception as problem:
                    self._fail(f"the model failed ({type(problem).__name__}: {problem})", problem)
                for _ in range(LOOP_ROUNDS_PER_STEP):
                    await asyncio.sleep(0)
        finally:
            self._model.train(trained)

    def _fail(self, reason: str, cause: BaseException | None = None) -> None:
        """Fail every request and empty every slot."""
        table = self._stepper.table
        requests = [r for r in table.request if r is not None] + list(self._waiting)
        self._waiting.clear()
        for slot in table.busy():
            table.leave(slot)
        table.invalidate()
        for request in requests:
            if not request.future.done():
                error = EngineError(f"no completion: {reason}")
                error.__cause__ = cause
                request.future.set_exception(error)

    def _in_eval_mode(self, action: Callable[[], None]) -> None:
        trained = self._model.training
        self._model.eval()
        try:
            action()
        finally:
            self._model.train(trained)


def make(
    context: EngineContext,
    slots: int | None = None,
    dtype: str = "",
    seed: int | None = None,
    prefill_tokens: int = 2048,
    fast: bool = True,
) -> TransformersEngine:
    """Make an engine that shares the context's model, or loads the one at the context's path.

    Args:
        slots: see `TransformersEngine`; the context's concurrency by default.
        dtype: such as `bfloat16`; the context's by default.

    Raises:
        ConfigError: for a context without a model and a path, or an unknown dtype or device.
        DataError: for a model that cannot be loaded.
        EngineError: for a model that slots cannot serve.
    """
    dtype = dtype or context.dtype
    if context.model is None:
        if not context.path:
            raise ConfigError("the transformers engine needs a model: give its directory or hub id")
        model, _ = load(context.path, context.device, dtype)
        device, precision = None, None
    else:
        model, device = context.model, None if context.device == "auto" else context.device
        precision = None if dtype == "auto" else getattr(torch, dtype, None)
        if dtype != "auto" and not isinstance(precision, torch.dtype):
            raise ConfigError(f"unknown dtype {dtype!r}: choose float32, bfloat16 or float16")
    engine = TransformersEngine(
        model, slots=slots or context.concurrency, max_context=context.max_context, device=device,
        dtype=precision, seed=seed, prefill_tokens=prefill_tokens, fast=fast,
    )  # fmt: skip
    engine.weights_version = context.weights_version
    return engine


@torch.no_grad()
def copy_weights(model: nn.Module, weights: Mapping[str, Any]) -> None:
    """Copy `weights` into the parameters and buffers of `model`, converting dtype and device.

    Tied parameters may be given under one of their names or under all of them.

    Raises:
        EngineError: for a name the model lacks, another shape, or a parameter that is missing.
            Nothing is then copied.
    """
    # Tied parameters are one tensor under several names: `keep_vars` keeps their identity.
    own: dict[str, torch.Tensor] = dict(model.state_dict(keep_vars=True))
    unknown = sorted(set(weights) - set(own))
    given = {id(own[name]) for name in weights if name in own}
    missing = sorted(name for name, tensor in own.items() if id(tensor) not in given)
    shapes = [
        f"{name} {tuple(weights[name].shape)} for {tuple(own[name].shape)}"
        for name in weights
        if name in own and weights[name].shape != own[name].shape
    ]
    for fault, names in (("unknown", unknown), ("missing", missing), ("of another shape", shapes)):
        if names:
            raise EngineError(
                f"these weights are not those of {type(model).__name__}: {len(names)} {fault}, "
                f"such as {names[0]}; give the state dict of the same architecture and sizes"
            )
    for name, tensor in weights.items():
        # Tensors that are shared with the learner are up to date already.
        if own[name].data_ptr() != tensor.data_ptr():
            own[name].copy_(tensor)


def _max_context(model: nn.Module, asked: int | None) -> int:
    config = model.config.get_text_config(decoder=True)
    most = getattr(config, "max_position_embeddings", None)
    if asked is not None and (asked < 2 or (most is not None and asked > most)):
        raise EngineError(
            f"max_context={asked} does not fit {type(model).__name__}: choose 2 to {most}"
        )
    return int(asked or most or DEFAULT_MAX_CONTEXT)
