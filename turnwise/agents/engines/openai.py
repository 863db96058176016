"""Models behind OpenAI-compatible servers such as vLLM.

`OpenAIEngine` sends token ids to `/completions` and needs a server that returns the ids it sampled
(vLLM: `return_token_ids`): tokenising the returned text would not give them back. `ChatAgent` uses
`/chat/completions`, which every such server offers. It records text without tokens, so its
trajectories can be scored and viewed but not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium

from turnwise.agents.agent import Act, Actor, Episode, StopEpisode, seed_of
from turnwise.agents.engines.base import Capabilities, Completion, EngineContext, Sampling
from turnwise.agents.engines.endpoint import ContextLengthError, Endpoint
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import EngineError
from turnwise.records import Turn


class OpenAIEngine:
    """An `Engine` over `/completions`.

    Log-probabilities are the server's. vLLM gives those of the raw model by default, which agree
    with `Completion.logprobs` at temperature 1; at another temperature start it with
    `--logprobs-mode processed_logprobs`.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        extra: further fields of each request, such as `{"priority": 1}`.
        max_context: the server's limit, where it is known.
        weights_version: recorded with every completion.
        settings: `api_key_env`, `timeout`, `retries`, `backoff` of the `Endpoint`.
    """

    capabilities = Capabilities()

    def __init__(
        self,
        base_url: str,
        model: str,
        extra: Mapping[str, Any] | None = None,
        *,
        max_context: int | None = None,
        weights_version: int = 0,
        **settings: Any,
    ) -> None:
        self.endpoint = Endpoint(base_url, model, **settings)
        self.max_context = max_context
        self.weights_version = weights_version
        self._extra = dict(extra or {})

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        """Continue `prompt_ids`.

        Raises:
            EngineError: when the server cannot answer, or when entropies are asked for.
        """
        if sampling.entropies:
            raise EngineError(
                "an OpenAI-compatible server returns no entropies: use the transformers engine, or "
                "a recipe without them"
            )
        body: dict[str, Any] = {
            "model": self.endpoint.model, "prompt": list(prompt_ids),
            "max_tokens": sampling.max_tokens, "temperature": sampling.temperature,
            "top_p": sampling.top_p, "logprobs": 1, "return_token_ids": True,
            "skip_special_tokens": False, **self._extra,
        }  # fmt: skip
        if sampling.top_k:
            body["top_k"] = sampling.top_k
        if sampling.stop_ids:
            body["stop_token_ids"] = list(sampling.stop_ids)
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        try:
            answer = await self.endpoint.post("completions", body)
        except ContextLengthError:
            return Completion((), (), None, "length", self.weights_version)
        return self._completion(answer)

    async def release(self, session: str) -> None:
        """Do nothing: the server manages its own prefix cache."""

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Raise `EngineError`: the OpenAI protocol cannot update weights."""
        raise EngineError(
            f"the weights of {self.endpoint.base_url} cannot be changed from here: "
            "train with another engine, such as transformers"
        )

    async def close(self) -> None:
        """Cancel requests in flight."""
        await self.endpoint.close()

    def _completion(self, answer: Mapping[str, Any]) -> Completion:
        choice = _first_choice(answer, self.endpoint)
        details = choice.get("logprobs") or {}
        ids, logprobs = choice.get("token_ids"), details.get("token_logprobs")
        tokens = [str(token) for token in details.get("tokens") or []]
        # vLLM started with --return-tokens-as-token-ids spells tokens as `token_id:123`.
        if ids is None and tokens and all(token.startswith("token_id:") for token in tokens):
            ids = [int(token.partition(":")[2]) for token in tokens]
        if ids is None or logprobs is None or len(ids) != len(logprobs) or None in logprobs:
            raise EngineError(
                f"{self.endpoint.base_url} does not return the sampled token ids with their "
                "log-probabilities: use a server that supports return_token_ids (vLLM 0.10.2 or "
                "later), or evaluate over chat completions"
            )
        reason = str(choice.get("finish_reason"))
        return Completion(
            tuple(map(int, ids)), tuple(map(float, logprobs)), None,
            reason if reason in ("stop", "length") else "abort", self.weights_version,
        )  # fmt: skip


def make(
    context: EngineContext,
    base_url: str,
    model: str = "",
    api_key_env: str = "OPENAI_API_KEY",
    timeout: float = 300.0,
    retries: int = 4,
    backoff: float = 0.5,
    extra: Mapping[str, Any] | None = None,
) -> OpenAIEngine:
    """Make an engine over a server.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        model: name that the server uses; the context's path when left out.
        api_key_env, timeout, retries, backoff: see `Endpoint`.
        extra: further fields of each request.
    """
    return OpenAIEngine(
        base_url, model or context.path, extra, max_context=context.max_context,
        weights_version=context.weights_version, api_key_env=api_key_env, timeout=timeout,
        retries=retries, backoff=backoff,
    )  # fmt: skip


class ChatAgent:
    """An agent over `/chat/completions`, for evaluation. Its turns carry text and no tokens.

    Args:
        sampling: `temperature`, `top_p`, `max_tokens` and `seed` are sent; the server decides where
            replies end.
        extra: further fields of each request, such as `{"reasoning_effort": "low"}`; a field set to
            None is not sent.
        settings: `api_key_env`, `timeout`, `retries`, `backoff` of the `Endpoint`.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        prompt: Prompt,
        sampling: Sampling | None = None,
        name: str = "policy",
        extra: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.name = name
        self.prompt = prompt
        self.sampling = sampling if sampling is not None else Sampling(max_tokens=512)
        self.endpoint = Endpoint(base_url, model, **settings)
        self.extra = dict(extra or {})

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor for `episode`."""
        return _ChatActor(self, episode)

    async def close(self) -> None:
        """Cancel requests in flight."""
        await self.endpoint.close()


class _ChatActor:
    def __init__(self, agent: ChatAgent, episode: Episode) -> None:
        self.agent = agent
        self.episode = episode

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        agent, episode = self.agent, self.episode
        # 31 bits: some servers refuse larger seeds.
        seed = seed_of(agent.sampling.seed or 0, episode.seed, episode.uid, len(history)) >> 32
        chosen = replace(agent.sampling, seed=seed)
        body = {
            "model": agent.endpoint.model, "messages": agent.prompt.messages(history),
            "temperature": chosen.temperature, "top_p": chosen.top_p,
            "max_tokens": chosen.max_tokens, "seed": chosen.seed, **agent.extra,
        }  # fmt: skip
        sent = {key: value for key, value in body.items() if value is not None}
        try:
            answer = await agent.endpoint.post("chat/completions", sent)
        except ContextLengthError:
            raise StopEpisode("length") from None
        choice = _first_choice(answer, agent.endpoint)
        text = str((choice.get("message") or {}).get("content") or "")
        action = agent.prompt.parse(text)
        return Act(
            action=action.text, completion=text, valid=action.valid,
            stop_reason=str(choice.get("finish_reason") or "stop"),
            tags=() if action.valid else ("malformed",),
        )  # fmt: skip

    async def end(self) -> None:
        return None


def _first_choice(answer: Mapping[str, Any], endpoint: Endpoint) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise EngineError(
            f"{endpoint.base_url} answered without a choice: it does not speak the OpenAI "
            "protocol, or the model failed"
        )
    return choices[0]
