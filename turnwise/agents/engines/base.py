"""What produces tokens: token ids in, token ids and their log-probabilities out.

An engine never sees text. The driver calls `generate` for each turn of each episode as soon as that
episode is ready; the engine batches whatever is waiting. `session` names the episode, so that an
engine can keep its key-value cache across turns and compute only the new observation; `release`
gives that memory back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. `temperature=0` is greedy."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    """0 keeps the whole vocabulary."""
    max_tokens: int = 64
    stop_ids: tuple[int, ...] = ()
    """Generation ends after the first of these, which belongs to the completion."""
    seed: int | None = None
    """Seeds this request alone: what it samples does not depend on what else is in the batch,
    beyond float noise.
    """
    entropies: bool = False
    """Also return the full-vocabulary entropy at every sampled token."""
    stop_when: Callable[[Sequence[int]], bool] | None = None
    """Asked about the ids so far after each of them: True ends the completion there. An engine that
    cannot ask may go on; the caller then drops the rest."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine produced for one request."""

    ids: tuple[int, ...]
    """The stop token included, when one was produced."""
    logprobs: tuple[float, ...]
    """Nats, of each id under the softmax at `temperature` (1 when greedy), before top-p and top-k.
    """
    entropies: tuple[float, ...] | None
    stop_reason: str
    """`stop` (a stop id), `length` (`max_tokens` or the engine's context) or `abort`."""
    weights_version: int
    """Version of the weights that produced the last token."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do beyond drawing tokens. What it cannot do is refused before a run."""

    entropies: bool = False
    """Returns the full-vocabulary entropy at every sampled token when asked."""
    seeds: bool = False
    """A request's seed decides what it samples, whatever else is in the batch."""
    stop_when: bool = False
    """Asks `Sampling.stop_when` after every token; otherwise the agent trims the completion."""
    in_flight_updates: bool = False
    """Takes new weights while requests run; otherwise `update_weights` waits until none does."""


@dataclass(frozen=True, slots=True)
class EngineContext:
    """What an engine is made from. A factory takes what it needs and ignores the rest."""

    model: Any = None
    """The learner's `torch.nn.Module`, for an engine that shares it; None outside training."""
    path: str = ""
    """Directory or hub id of the weights, for an engine that loads them itself."""
    tokenizer: Any = None
    concurrency: int = 64
    """Most requests that will wait at once."""
    max_context: int | None = None
    weights_version: int = 0
    device: str = "auto"
    dtype: str = "auto"


@runtime_checkable
class Engine(Protocol):
    """A source of completions. Raises `EngineError` when it cannot answer.

    A trainer and an agent use nothing but what stands here, so an engine of one's own is a class
    with these members and a factory `make(context: EngineContext, **options) -> Engine`.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do beyond drawing tokens."""
        ...

    @property
    def max_context(self) -> int | None:
        """Most tokens of a prompt and its completion together; None where it is not known."""
        ...

    @property
    def weights_version(self) -> int:
        """Version of the weights that the next token is drawn with."""
        ...

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        """Continue `prompt_ids`."""
        ...

    async def release(self, session: str) -> None:
        """Forget what was kept for `session`. Unknown sessions are fine."""
        ...

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Take new weights in place; None where the model is shared with the learner."""
        ...

    async def close(self) -> None:
        """Stop; waiting requests raise `EngineError`."""
        ...
