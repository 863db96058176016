"""Models behind OpenAI-compatible servers (vLLM and others): token ids in, token ids out; or plain
chat, for evaluation.

`OpenAIEngine` sends token ids to `/completions` and needs the server to return the ids it sampled
(vLLM: `return_token_ids`), because text that is tokenised again is not what the model produced.
`ChatAgent` is for servers that speak chat completions only: it records text and no tokens, so its
trajectories can be scored and shown but not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium

from turnwise.agents.agent import Act, Actor, Episode, Finished, seed_of
from turnwise.agents.engines.base import Completion, Sampling
from turnwise.agents.engines.endpoint import Endpoint, TooLong
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import ConfigError, EngineError
from turnwise.records import Turn


class OpenAIEngine:
    """An `Engine` over `/completions`.

    Log-probabilities are the server's. vLLM gives those of the raw model by default, which are the
    contract's at temperature 1; at another temperature start it with `--logprobs-mode
    processed_logprobs`.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        extra: further fields of each request, such as `{"priority": 1}`.
        settings: `api_key_env`, `timeout`, `retries`, `backoff` of the `Endpoint`.
    """

    def __init__(
        self, base_url: str, model: str, extra: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        self.endpoint = Endpoint(base_url, model, **settings)
        self._extra = dict(extra or {})

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        """Continue `prompt_ids`. Raises `EngineError` when the server cannot, `ConfigError` when
        entropies are asked for.
        """
        if sampling.entropies:
            raise ConfigError(
                "an OpenAI-compatible server returns no entropies: use the transformers engine, or a recipe without them"
            )
        body: dict[str, Any] = {
            "model": self.endpoint.model, "prompt": list(prompt_ids), "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature, "top_p": sampling.top_p, "logprobs": 1, "return_token_ids": True,
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
        except TooLong:
            return Completion((), (), None, "length", 0)
        return self._completion(answer)

    async def release(self, session: str) -> None:
        """Nothing is kept here; the server has a prefix cache of its own."""

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        """Raises `EngineError`: the protocol has no way to do it."""
        raise EngineError(
            f"the weights of {self.endpoint.base_url} cannot be changed from here: train with an engine of one's own"
        )

    async def close(self) -> None:
        await self.endpoint.close()

    def _completion(self, answer: Mapping[str, Any]) -> Completion:
        choice = _choice(answer, self.endpoint)
        given = choice.get("logprobs") or {}
        ids, logprobs = choice.get("token_ids"), given.get("token_logprobs")
        named = given.get("tokens") or []
        if ids is None and named and all(str(name).startswith("token_id:") for name in named):
            ids = [int(str(name).partition(":")[2]) for name in named]
        if ids is None or logprobs is None or len(ids) != len(logprobs) or None in logprobs:
            raise EngineError(
                f"{self.endpoint.base_url} does not return the token ids it sampled with a log-probability each: use a server that "
                "takes return_token_ids (vLLM 0.10.2 or later), or evaluate over chat completions"
            )
        reason = {"stop": "stop", "length": "length"}.get(str(choice.get("finish_reason")), "abort")
        return Completion(tuple(map(int, ids)), tuple(map(float, logprobs)), None, reason, 0)


class ChatAgent:
    """An agent over `/chat/completions`: text only, for evaluation. Its turns carry no tokens.

    Args:
        sampling: `temperature`, `top_p`, `max_tokens` and `seed` are sent; the server ends replies
        by itself.
        extra: further fields of each request, such as `{"reasoning_effort": "low"}`; None takes a
        field away.
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
        return _Chat(self, episode)

    async def close(self) -> None:
        await self.endpoint.close()


class _Chat:
    def __init__(self, agent: ChatAgent, episode: Episode) -> None:
        self.agent = agent
        self.episode = episode

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        agent, episode = self.agent, self.episode
        chosen = replace(
            agent.sampling,
            seed=seed_of(agent.sampling.seed or 0, episode.seed, episode.uid, len(history)) >> 32,
        )
        body = {
            "model": agent.endpoint.model, "messages": agent.prompt.messages(history), "temperature": chosen.temperature,
            "top_p": chosen.top_p, "max_tokens": chosen.max_tokens, "seed": chosen.seed, **agent.extra,
        }  # fmt: skip
        try:
            answer = await agent.endpoint.post(
                "chat/completions", {key: value for key, value in body.items() if value is not None}
            )
        except TooLong:
            raise Finished("length") from None
        choice = _choice(answer, agent.endpoint)
        text = str((choice.get("message") or {}).get("content") or "")
        action = agent.prompt.parse(text)
        return Act(
            action=action.text, completion=text, valid=action.valid, stop_reason=str(choice.get("finish_reason") or "stop"),
            tags=() if action.valid else ("malformed",),
        )  # fmt: skip

    async def end(self) -> None:
        return None


def _choice(answer: Mapping[str, Any], endpoint: Endpoint) -> Mapping[str, Any]:
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise EngineError(
            f"{endpoint.base_url} answered without a choice: it does not speak the OpenAI protocol, or the model failed"
        )
    return choices[0]
