"""The embedded engine: continuous batching in slots over any causal language model.

A background task steps the model while requests wait. Each step first computes what waiting prompts
still lack (the new observation alone, where the session's slot holds the rest), then draws one
token for every running request in one forward. Between steps the event loop runs, so that requests
join and leave at every token. The task ends when nothing waits: an idle engine costs nothing and
belongs to no event loop.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from turnwise.agents.engines.base import Completion, Sampling
from turnwise.agents.engines.transformers.causal_forward import CausalForward
from turnwise.agents.engines.transformers.fast_forward import PackedForward
from turnwise.agents.engines.transformers.slot_table import Request, SlotTable, as_prompt
from turnwise.agents.engines.transformers.stepper import Stepper
from turnwise.agents.engines.transformers.weights import copy_weights
from turnwise.errors import EngineError


class TransformersEngine:
    """Serves a `transformers` causal language model.

    Args:
        model: used in place, so a learner may share it; it is in eval mode while the engine runs.
        slots: sequences held at once. Requests beyond them wait.
        max_context: longest sequence, prompt and completion together; at most what the model's
            positions allow (default: that, or 4096 where the model says nothing).
        device, dtype: where and in what to run (default: as the model is). Another device or dtype
        than the model's makes a
            copy, which `update_weights(None, version)` refreshes from the model.
        seed: seeds requests that bring no seed of their own.
        prefill_tokens: most new prompt tokens, padding included, computed in one forward.
        fast: use `PackedForward` where it covers the model; False always takes the model's own
            forward.

    Raises:
        EngineError: for a model that slots cannot serve; see `causal_forward`.
    """

    def __init__(
        self, model: nn.Module, *, slots: int = 64, max_context: int | None = None, device: str | torch.device | None = None,
        dtype: torch.dtype | None = None, seed: int | None = None, prefill_tokens: int = 2048,
        fast: bool = True,
    ) -> None:  # fmt: skip
        if slots < 1:
            raise EngineError(f"an engine needs at least one slot and was given {slots}")
        own = next(model.parameters())
        place, kind = torch.device(device) if device is not None else own.device, dtype or own.dtype
        self._source = model
        self._model = (
            model
            if (place, kind) == (own.device, own.dtype)
            else copy.deepcopy(model).to(place, kind)
        )
        self.vocabulary: int = model.get_input_embeddings().weight.shape[0]
        self.max_context = _context(model, max_context)
        forward = CausalForward(self._model, place)
        if fast and PackedForward.covers(self._model, place):
            forward = PackedForward(self._model, place, self.max_context)
        self._while_eval(forward.check)
        self._stepper = Stepper(forward, SlotTable(slots, self.max_context), prefill_tokens)
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seeds = np.random.default_rng(secrets.randbits(64) if seed is None else seed)
        self._closed = False

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        """Continue `prompt_ids`; see `Engine`.

        A prompt that leaves no room in the context gives an empty completion with stop reason
        `length`: the episode outgrew the model, which is an outcome, not a failure.

        Raises:
            EngineError: an empty prompt, a token outside the vocabulary, a closed engine, or the
                model failed.
        """
        if self._closed:
            raise EngineError("the engine is closed: make a new one")
        prompt = as_prompt(prompt_ids)
        if not len(prompt) or int(prompt.min()) < 0 or int(prompt.max()) >= self.vocabulary:
            raise EngineError(
                f"a prompt of {len(prompt)} tokens cannot be continued: it must have at least one, each in 0..{self.vocabulary - 1}"
            )
        limit = min(sampling.max_tokens, self.max_context - len(prompt))
        if limit < 1:
            return Completion(
                (), (), () if sampling.entropies else None, "length", self.weights_version
            )
        seed = sampling.seed if sampling.seed is not None else int(self._seeds.integers(2**63))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request = Request(
            prompt, sampling, session, future, seed % 2**64, limit, frozenset(sampling.stop_ids)
        )
        self._waiting.append(request)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        await future
        entropies = tuple(request.entropies) if sampling.entropies else None
        return Completion(
            tuple(request.ids), tuple(request.logprobs), entropies, request.reason, request.version
        )

    async def release(self, session: str) -> None:
        """Give the session's slot to others. What it holds may still serve as a prefix until it is
        overwritten.
        """
        table = self._stepper.table
        slot = table.where.get(session)
        if slot is not None:
            table.forget(slot)

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Take new weights and forget every cache; running requests go on under the new weights.

        Args:
            weights: a state dict, copied in place; None when the model given at construction
                already has them.

        Raises:
            EngineError: for names or shapes that are not the model's; nothing is then changed.
        """
        if weights is not None:
            copy_weights(self._model, weights)
        elif self._model is not self._source:
            copy_weights(self._model, self._source.state_dict())
        self._stepper.table.drop()
        self.weights_version = version

    async def close(self) -> None:
        """Stop; running and waiting requests raise `EngineError`. Memory of the cache is given
        back.
        """
        self._closed = True
        self._fail("the engine was closed")
        self._stepper.forward.cache.drop()

    @property
    def weights_version(self) -> int:
        """Version of the weights in use, noted in every completion."""
        return self._stepper.version

    @weights_version.setter
    def weights_version(self, version: int) -> None:
        self._stepper.version = version

    async def _run(self) -> None:
        """Step until nothing waits. A failing model fails every request and leaves the engine
        usable.
        """
        trained = self._model.training
        self._model.eval()
        self._stepper.forward.refresh()
        try:
            while self._waiting or self._stepper.table.busy():
                try:
                    self._stepper.step(self._waiting)
                except Exception as problem:
                    self._fail(f"the model failed ({type(problem).__name__}: {problem})", problem)
                for _ in range(
                    3
                    # a finished turn needs a few rounds of the loop to come back as the next request
                ):
                    await asyncio.sleep(0)
        finally:
            self._model.train(trained)

    def _fail(self, why: str, cause: BaseException | None = None) -> None:
        table = self._stepper.table
        requests = [request for request in table.request if request is not None] + list(
            self._waiting
        )
        self._waiting.clear()
        for slot in table.busy():
            table.leave(slot)
        table.drop()
        for request in requests:
            if not request.future.done():
                error = EngineError(f"no completion: {why}")
                error.__cause__ = cause
                request.future.set_exception(error)

    def _while_eval(self, check: Any) -> None:
        trained = self._model.training
        self._model.eval()
        try:
            check()
        finally:
            self._model.train(trained)


def _context(model: nn.Module, asked: int | None) -> int:
    config = model.config.get_text_config(decoder=True)
    most = getattr(config, "max_position_embeddings", None)
    if asked is not None and (asked < 2 or (most is not None and asked > most)):
        raise EngineError(
            f"max_context={asked} does not fit {type(model).__name__}, whose positions allow 2..{most}"
        )
    return int(asked or most or 4096)
