"""HTTP client of an OpenAI-compatible server: JSON requests with bounded retries.

Transient failures (429, 5xx, a refused or broken connection, an incomplete body) are retried with
growing pauses; permanent ones (a wrong key, an unknown model) raise at once. After a server has
failed all retries, each further request tries it only once until it answers again, so that an
evaluation of hundreds of tasks against a dead endpoint ends in seconds.
"""

# Standard library only. httpx would replace `_send` and save some ten lines, since the retries, the
# advice and the total time limit are ours either way; but its async client is bound to one event
# loop, while an engine is used across several `asyncio.run` calls, and the base install would need
# one more package.

from __future__ import annotations

import asyncio
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnwise.agents.threads import in_thread
from turnwise.errors import ConfigError, EngineError

RETRIED_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
MAX_PAUSE_S = 30.0
ERROR_BODY_BYTES = 4000
ERROR_CHARS = 300


class ContextLengthError(EngineError):
    """The server refuses a prompt that does not fit its context."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Result of one attempt: a body, or a problem and whether it is transient."""

    body: dict[str, Any] | None = None
    problem: str = ""
    transient: bool = True
    pause: float | None = None
    """Seconds that the server asks to wait."""
    too_long: bool = False


class Endpoint:
    """A model on a server.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        api_key_env: environment variable with the key; no key is sent when it is not set.
        timeout: seconds that an answer may take.
        retries: further attempts after the first.
        backoff: seconds before the first retry; doubled each time, up to 30.

    Raises:
        ConfigError: when `base_url` is not an http address.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_env: str = "OPENAI_API_KEY",
        timeout: float = 300.0,
        retries: int = 4,
        backoff: float = 0.5,
    ) -> None:
        parts = urllib.parse.urlsplit(base_url)
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(
                f"{base_url!r} is not the address of a server: "
                "write it like http://localhost:8000/v1"
            )
        self.base_url, self.model, self.api_key_env = base_url.rstrip("/"), model, api_key_env
        self.timeout, self.retries, self.backoff = timeout, retries, backoff
        self._down = False
        self._closed = False
        self._waiting: set[asyncio.Task[dict[str, Any]]] = set()
        local = host in ("localhost", "::1") or host.startswith("127.")
        # A proxy from the environment cannot reach a server on this machine.
        handlers = [urllib.request.ProxyHandler({})] if local else []
        self._opener = urllib.request.build_opener(*handlers)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return the JSON object of the answer.

        Raises:
            ContextLengthError: when the prompt does not fit.
            EngineError: when the server refuses, does not answer, or the endpoint is closed.
        """
        if self._closed:
            raise EngineError(f"the connection to {self.base_url} was closed: make a new engine")
        # In a task of its own, which `close` can cancel without cancelling the caller.
        task = asyncio.create_task(self._post(f"{self.base_url}/{path}", json.dumps(body).encode()))
        self._waiting.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self._closed and task.cancelled():
                raise EngineError(
                    f"the connection to {self.base_url} was closed while a request waited"
                ) from None
            raise
        finally:
            self._waiting.discard(task)

    async def close(self) -> None:
        """Cancel requests in flight."""
        self._closed = True
        for task in self._waiting:
            task.cancel()

    async def _post(self, url: str, body: bytes) -> dict[str, Any]:
        tries = 1 if self._down else 1 + self.retries
        pause = self.backoff
        attempt = _Attempt()
        for k in range(tries):
            attempt = await self._attempt(url, body)
            if attempt.body is not None:
                self._down = False
                return attempt.body
            if not attempt.transient:
                raise (ContextLengthError if attempt.too_long else EngineError)(
                    f"{url} refused the request ({attempt.problem}): {self._advice(attempt)}"
                )
            if k + 1 < tries:
                asked = pause if attempt.pause is None else attempt.pause
                await asyncio.sleep(min(MAX_PAUSE_S, asked))
                pause *= 2
        self._down = True
        raise EngineError(
            f"{url} gave no answer in {tries} {'try' if tries == 1 else 'tries'} "
            f"({attempt.problem}): check that the server runs, that the address is right and ends "
            "in /v1, and that it is not overloaded"
        )

    async def _attempt(self, url: str, body: bytes) -> _Attempt:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.api_key_env, ""):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(url, body, headers)
        try:
            return await in_thread(lambda: self._send(request), self.timeout, "the server")
        except TimeoutError:
            return _Attempt(problem=f"nothing within {self.timeout:g} s")

    def _send(self, request: urllib.request.Request) -> _Attempt:
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                data = json.loads(response.read())
        except urllib.error.HTTPError as problem:
            return _refusal(problem)
        except json.JSONDecodeError:
            return _Attempt(problem="the answer is not JSON")
        except (OSError, http.client.HTTPException) as problem:
            reason = str(getattr(problem, "reason", problem))
            return _Attempt(problem=reason or type(problem).__name__)
        if not isinstance(data, dict):
            return _Attempt(problem="the answer is not a JSON object")
        return _Attempt(data)

    def _advice(self, attempt: _Attempt) -> str:
        if attempt.problem.startswith(("401", "403")):
            return (
                f"put a key that may use {self.model!r} into the environment variable "
                f"{self.api_key_env}"
            )
        if attempt.problem.startswith("404"):
            return (
                "check that the address ends in /v1 and that the server serves the model "
                f"{self.model!r}"
            )
        return "the request does not suit this server or model"


def _refusal(problem: urllib.error.HTTPError) -> _Attempt:
    with problem:
        text = problem.read(ERROR_BODY_BYTES).decode("utf8", "replace")
    message = " ".join(_error_message(text).split())[:ERROR_CHARS]
    try:
        pause = float(problem.headers.get("Retry-After", ""))
    except ValueError:
        pause = None
    names_context = "context length" in text or "context_length" in text
    return _Attempt(
        problem=f"{problem.code} {message or problem.reason}",
        transient=problem.code in RETRIED_STATUSES,
        pause=pause,
        too_long=names_context and problem.code in (400, 413, 422),
    )


def _error_message(text: str) -> str:
    """Return the message of an error object of a known form, else the whole text."""
    try:
        data = json.loads(text)
        error = data.get("error", data)
        return str(error.get("message", text)) if isinstance(error, dict) else str(error)
    except (json.JSONDecodeError, AttributeError):
        return text
