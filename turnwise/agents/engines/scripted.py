"""An engine without a model, which replays prepared completions.

For tests, and as a template for an engine of your own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from turnwise.agents.engines.base import Capabilities, Completion, EngineContext, Sampling
from turnwise.errors import ConfigError, EngineError

Script: TypeAlias = Callable[[Sequence[int], int], Sequence[int]]
"""(prompt ids, turn of the session from 0) -> completion ids."""


class ScriptedEngine:
    """Replays completions. Log-probabilities and entropies are 0.

    Args:
        script: one completion (token ids) for each turn of a session, the last repeated; or a
            function of the prompt and the turn.
    """

    capabilities = Capabilities(entropies=True, seeds=True, stop_when=True, in_flight_updates=True)

    def __init__(
        self,
        script: Sequence[Sequence[int]] | Script,
        max_context: int | None = None,
        weights_version: int = 0,
    ) -> None:
        if not callable(script) and not script:
            raise ConfigError("a scripted engine needs at least one completion, and has none")
        self._script = script
        self.max_context = max_context
        self.weights_version = weights_version
        self._turns: Counter[str] = Counter()
        self._closed = False

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        """Return the completion of this turn, cut at `max_tokens`, the context and the stops."""
        if self._closed:
            raise EngineError("the engine is closed: make a new one")
        limit = sampling.max_tokens
        if self.max_context is not None:
            limit = min(limit, self.max_context - len(prompt_ids))
        if limit < 1:
            return Completion(
                (), (), () if sampling.entropies else None, "length", self.weights_version
            )
        turn = self._turns[session] if session is not None else 0
        if session is not None:
            self._turns[session] += 1
        ids, reason = self._cut(self._completion(prompt_ids, turn), limit, sampling)
        zeros = (0.0,) * len(ids)
        entropies = zeros if sampling.entropies else None
        return Completion(ids, zeros, entropies, reason, self.weights_version)

    def _completion(self, prompt_ids: Sequence[int], turn: int) -> Sequence[int]:
        if callable(self._script):
            return self._script(prompt_ids, turn)
        return self._script[min(turn, len(self._script) - 1)]

    @staticmethod
    def _cut(ids: Sequence[int], limit: int, sampling: Sampling) -> tuple[tuple[int, ...], str]:
        """Return the ids up to the first stop or the limit, and the stop reason.

        A script shorter than the limit ends with `stop`, as a model does that ends its turn.
        """
        stop_when = sampling.stop_when or (lambda so_far: False)
        for k in range(min(len(ids), limit)):
            if ids[k] in sampling.stop_ids or stop_when(ids[: k + 1]):
                return tuple(ids[: k + 1]), "stop"
        return tuple(ids[:limit]), "stop" if len(ids) <= limit else "length"

    async def release(self, session: str) -> None:
        """Start the session's script again."""
        self._turns.pop(session, None)

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Take the version; there are no weights."""
        self.weights_version = version

    async def close(self) -> None:
        """Refuse further requests."""
        self._closed = True


def make(
    context: EngineContext, completions: Sequence[Sequence[int]] = (), texts: Sequence[str] = ()
) -> ScriptedEngine:
    """Make a scripted engine from token ids, or from texts in the context's tokenizer.

    Args:
        completions: token ids of each turn.
        texts: text of each turn; ends with the tokenizer's end of sequence, where it has one.

    Raises:
        ConfigError: without completions or texts, with both, or for texts without a tokenizer.
    """
    if bool(completions) == bool(texts):
        raise ConfigError("the scripted engine needs either completions (token ids) or texts")
    if texts:
        completions = [_encode(context.tokenizer, text) for text in texts]
    return ScriptedEngine(completions, context.max_context, context.weights_version)


def _encode(tokenizer: Any, text: str) -> list[int]:
    if tokenizer is None:
        raise ConfigError("the scripted engine needs a tokenizer for texts: give completions")
    ids = list(tokenizer.encode(text, add_special_tokens=False))
    end = getattr(tokenizer, "eos_token_id", None)
    return ids if end is None else [*ids, int(end)]
