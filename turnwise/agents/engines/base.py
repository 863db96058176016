"""The engine protocol: token ids in, token ids and their log-probabilities out.

An engine never handles text. The driver calls `generate` for each turn as soon as its episode is
ready, and the engine batches the requests that are waiting. `session` identifies the episode, so an
engine can keep its key-value cache across turns and compute only the new observation; `release`
frees that memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

from turnwise.errors import ConfigError, unknown


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters of one request. `temperature=0` is greedy."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps the whole vocabulary."""
    max_tokens: int = 64
    stop_ids: tuple[int, ...] = ()
    """Generation ends after the first of these, which is part of the completion."""
    seed: int | None = None
    """Seeds this request alone: its tokens do not depend on the rest of the batch, up to
    floating-point noise."""
    entropies: bool = False
    """Also return the full-vocabulary entropy at every sampled token."""
    stop_when: Callable[[Sequence[int]], bool] | None = None
    """Called with the ids so far after each token; True ends the completion. An engine without
    this capability generates on, and the agent trims the completion."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Result of one request."""

    ids: tuple[int, ...]
    """The stop token included, when one was produced."""
    logprobs: tuple[float, ...]
    """Nats, of each id under the softmax at `temperature` (1 when greedy), before top-p and top-k.
    """
    entropies: tuple[float, ...] | None
    """Nats, as many as `ids`; None unless asked for."""
    stop_reason: str
    """`stop` (a stop id or `stop_when`), `length` (`max_tokens` or the engine's context) or
    `abort`."""
    weights_version: int
    """Version of the weights that produced the last token."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Optional features of an engine. Asking for a missing one is an error before the run."""

    entropies: bool = False
    """Returns the full-vocabulary entropy at every sampled token when asked."""
    seeds: bool = False
    """The seed of a request decides its tokens, whatever else is in the batch."""
    stop_when: bool = False
    """Calls `Sampling.stop_when` after every token; otherwise the agent trims the completion."""
    in_flight_updates: bool = False
    """`update_weights` may be called while requests run; otherwise it waits until none does."""


@dataclass(frozen=True, slots=True)
class EngineContext:
    """Everything an engine may be built from. A factory uses what it needs and ignores the rest."""

    model: Any = None
    """The learner's `torch.nn.Module`, for an engine that shares it; None outside training."""
    path: str = ""
    """Directory or hub id of the weights, for an engine that loads them itself."""
    tokenizer: Any = None
    concurrency: int = 64
    """Most requests in flight at once."""
    max_context: int | None = None
    """Most tokens of a prompt and its completion together; None for the model's own limit."""
    weights_version: int = 0
    device: str = "auto"
    dtype: str = "auto"


@runtime_checkable
class Engine(Protocol):
    """A source of completions.

    Trainers and agents use only the members below. An engine of your own is a class with these
    members and a factory `make(context: EngineContext, **options) -> Engine`; `scripted.py` is a
    short example, and `check_engine` in `checks.py` tests one.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Optional features of this engine."""
        ...

    @property
    def max_context(self) -> int | None:
        """Most tokens of a prompt and its completion together; None where unknown."""
        ...

    @property
    def weights_version(self) -> int:
        """Version of the weights that the next token is sampled with."""
        ...

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        """Continue `prompt_ids`.

        A prompt that leaves no room in the context gives an empty completion with stop reason
        `length`.

        Raises:
            EngineError: when the engine cannot answer, is closed, or lacks a capability that
                `sampling` asks for.
        """
        ...

    async def release(self, session: str) -> None:
        """Free what is kept for `session`. Unknown sessions are ignored."""
        ...

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Load a state dict in place, or refresh from the shared model when `weights` is None."""
        ...

    async def close(self) -> None:
        """Free all resources. Requests in flight raise `EngineError`."""
        ...


def check_capabilities(engine: Engine, required: Mapping[str, str]) -> None:
    """Check that an engine has every capability that a run needs.

    Args:
        required: capability name -> the recipe or feature that needs it, as the error names it,
            such as `{"entropies": "the recipe 'empg'"}`.

    Raises:
        ConfigError: for a missing capability, or a name that is not a field of `Capabilities`.
    """
    known = [field.name for field in fields(Capabilities)]
    for capability, needed_by in required.items():
        if capability not in known:
            raise unknown("capability", capability, known, type(engine).__name__)
        if not getattr(engine.capabilities, capability):
            raise ConfigError(
                f"{needed_by} needs the engine capability {capability!r}, which "
                f"{type(engine).__name__} lacks: choose another engine, such as transformers, or "
                f"do without it"
            )
