"""An OpenAI-compatible server over HTTP: one JSON request, retried with patience and a bound, one
clear error.

Only the standard library is used; a request waits in a thread of its own. What may pass (429, 5xx,
a refused or broken connection, a body that is not whole) is tried again with growing pauses; what
will not (a wrong key, an unknown model) is told at once. Once a server has been given up, each
further request tries it only once until it answers again, so that an evaluation of hundreds of
tasks against a dead endpoint ends in seconds.
"""

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

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LONGEST_PAUSE = 30.0


class TooLong(EngineError):
    """The server refuses a prompt that does not fit its context."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one attempt brought: a body, or a problem and whether it may pass."""

    body: dict[str, Any] | None = None
    problem: str = ""
    passing: bool = True
    pause: float | None = None
    too_long: bool = False


class Endpoint:
    """A server, a model and how patient to be.

    Args:
        base_url: such as `http://localhost:8000/v1`.
        api_key_env: environment variable with the key; no key is sent when it is not set.
        timeout: seconds an answer may take.
        retries: how often a request is tried again.
        backoff: seconds before the first retry; doubled each time, up to 30.

    Raises:
        ConfigError: for a URL that is not one.
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
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"{base_url!r} is not the address of a server: write it like http://localhost:8000/v1"
            )
        self.base_url, self.model, self.api_key_env = base_url.rstrip("/"), model, api_key_env
        self.timeout, self.retries, self.backoff = timeout, retries, backoff
        self._down = False
        self._closed = False
        self._waiting: set[asyncio.Task[dict[str, Any]]] = set()
        local = (
            parts.hostname == "localhost"
            or parts.hostname.startswith("127.")
            or parts.hostname == "::1"
        )
        self._opener = urllib.request.build_opener(
            *([urllib.request.ProxyHandler({})] if local else [])
        )

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers. Raises `EngineError`, or `TooLong` when the
        prompt does not fit.
        """
        if self._closed:
            raise EngineError(f"the connection to {self.base_url} was closed: make a new engine")
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
        """Give up what waits."""
        self._closed = True
        for task in self._waiting:
            task.cancel()

    async def _post(self, url: str, body: bytes) -> dict[str, Any]:
        tries = 1 if self._down else 1 + self.retries
        pause = self.backoff
        answer = _Answer()
        for k in range(tries):
            answer = await self._attempt(url, body)
            if answer.body is not None:
                self._down = False
                return answer.body
            if not answer.passing:
                raise (TooLong if answer.too_long else EngineError)(
                    f"{url} refused the request ({answer.problem}): {self._advice(answer)}"
                )
            if k + 1 < tries:
                await asyncio.sleep(
                    min(LONGEST_PAUSE, answer.pause if answer.pause is not None else pause)
                )
                pause *= 2
        self._down = True
        raise EngineError(
            f"{url} gave no answer in {tries} {'try' if tries == 1 else 'tries'} ({answer.problem}): "
            "check that the server runs, that the address is right and ends in /v1, and that it is not overloaded"
        )

    async def _attempt(self, url: str, body: bytes) -> _Answer:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.api_key_env, ""):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(url, body, headers)
        try:
            return await in_thread(lambda: self._read(request), self.timeout, "the server")
        except TimeoutError:
            return _Answer(problem=f"nothing within {self.timeout:g} s")

    def _read(self, request: urllib.request.Request) -> _Answer:
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                data = json.loads(response.read())
        except urllib.error.HTTPError as problem:
            return _refusal(problem)
        except json.JSONDecodeError:
            return _Answer(problem="the answer is not JSON")
        except (OSError, http.client.HTTPException) as problem:
            return _Answer(
                problem=str(getattr(problem, "reason", problem)) or type(problem).__name__
            )
        return (
            _Answer(data)
            if isinstance(data, dict)
            else _Answer(problem="the answer is not a JSON object")
        )

    def _advice(self, answer: _Answer) -> str:
        if answer.problem.startswith(("401", "403")):
            return f"put a key that may use {self.model!r} into the environment variable {self.api_key_env}"
        if answer.problem.startswith("404"):
            return f"check that the address ends in /v1 and that the server serves the model {self.model!r}"
        return "the request does not suit this server or model"


def _refusal(problem: urllib.error.HTTPError) -> _Answer:
    with problem:
        text = problem.read(4000).decode("utf8", "replace")
    said = " ".join(_message(text).split())[:300]
    try:
        pause = float(problem.headers.get("Retry-After", ""))
    except ValueError:
        pause = None
    too_long = problem.code in (400, 413, 422) and (
        "context length" in text or "context_length" in text
    )
    return _Answer(
        None, f"{problem.code} {said or problem.reason}", problem.code in PASSING, pause, too_long
    )


def _message(text: str) -> str:
    """The server's own words, where the body is an error object of a known form."""
    try:
        data = json.loads(text)
        error = data.get("error", data)
        return str(error.get("message", text)) if isinstance(error, dict) else str(error)
    except (json.JSONDecodeError, AttributeError):
        return text
