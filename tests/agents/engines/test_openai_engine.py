"""The OpenAI engine against a local server that fails in every usual way."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.agents.made_tokenizers import made
from tests.agents.toy_players import Growing, Literal, Walk
from turnwise.agents.agent import Agent, ModelAgent
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.engines.base import Completion, Engine, Sampling
from turnwise.agents.engines.endpoint import ContextLengthError, Endpoint
from turnwise.agents.engines.openai import ChatAgent, OpenAIEngine
from turnwise.errors import ConfigError, EngineError
from turnwise.records import rows

Reply = tuple[int, Any, dict[str, str]]


class Server:
    """Answers what `answer(path, body)` says: (status, object or bytes, headers). Remembers what it
    was asked.
    """

    def __init__(self) -> None:
        self.answer: Callable[[str, dict[str, Any]], Reply] = lambda path, body: (200, {}, {})
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, body, self.headers.get("Authorization")))
                status, data, headers = server.answer(self.path, body)
                payload = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(payload)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def in_turn(self, *replies: Reply) -> None:
        waiting = list(replies)
        self.answer = lambda path, body: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv(
        "http_proxy", "http://127.0.0.1:9"
    )  # no proxy is used for a server on this machine
    made_server = Server()
    yield made_server
    made_server.http.shutdown()
    made_server.http.server_close()


def tokens(*ids: int, **more: Any) -> Reply:
    choice = {
        "token_ids": list(ids),
        "logprobs": {"token_logprobs": [-0.5] * len(ids), "tokens": ["x"] * len(ids)},
    }
    return 200, {"choices": [{"finish_reason": "stop", **choice, **more}]}, {}


def ask(server: Server, sampling: Sampling | None = None, **settings: Any) -> Completion:
    async def once() -> Completion:
        engine = OpenAIEngine(server.url, "m", **{"backoff": 0.001, **settings})
        assert isinstance(engine, Engine)
        try:
            return await engine.generate([1, 2, 3], sampling or Sampling())
        finally:
            await engine.release("nobody")
            await engine.close()

    return asyncio.run(once())


def test_token_ids_go_in_and_come_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    server.in_turn(tokens(7, 8, 9))
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=3, max_tokens=11, stop_ids=(9, 4), seed=5)
    made_now = ask(server, sampling, api_key_env="MY_KEY", extra={"priority": 1})
    assert made_now == Completion((7, 8, 9), (-0.5, -0.5, -0.5), None, "stop", 0)
    ((path, body, key),) = server.asked
    assert (path, key) == ("/v1/completions", "Bearer secret")
    wanted = {
        "model": "m", "prompt": [1, 2, 3], "max_tokens": 11, "temperature": 0.5, "top_p": 0.9,
        "top_k": 3, "stop_token_ids": [9, 4], "seed": 5, "return_token_ids": True, "priority": 1,
    }  # fmt: skip
    assert wanted.items() <= body.items()


def test_no_key_is_sent_without_one_and_defaults_stay_plain(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server.in_turn(tokens(7))
    ask(server)
    ((_, body, key),) = server.asked
    assert key is None and not {"top_k", "stop_token_ids", "seed"} & body.keys()


def test_other_forms_of_token_ids_and_ends(server: Server) -> None:
    named = {
        "logprobs": {"token_logprobs": [-1.0, -2.0], "tokens": ["token_id:5", "token_id:6"]},
        "finish_reason": "length",
    }
    server.in_turn((200, {"choices": [named]}, {}))
    assert ask(server) == Completion((5, 6), (-1.0, -2.0), None, "length", 0)
    server.in_turn(tokens(5, finish_reason="content_filter"))
    assert ask(server).stop_reason == "abort"


@pytest.mark.parametrize(
    "choice",
    [
        {"text": "hello"},
        {"token_ids": [1, 2], "logprobs": {"token_logprobs": [-1.0]}},
        {"token_ids": [1], "logprobs": None},
        {"token_ids": [1], "logprobs": {"token_logprobs": [None]}},
        {"logprobs": {"token_logprobs": [-1.0], "tokens": ["hello"]}},
    ],
)
def test_a_server_that_returns_no_tokens_is_refused(server: Server, choice: dict[str, Any]) -> None:
    server.in_turn((200, {"choices": [choice]}, {}))
    with pytest.raises(EngineError, match="does not return the sampled token ids"):
        ask(server)


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": ["x"]}, {"choices": None}])
def test_an_answer_without_a_choice_is_refused(server: Server, body: Any) -> None:
    server.in_turn((200, body, {}))
    with pytest.raises(EngineError, match="answered without a choice"):
        ask(server)


@pytest.mark.parametrize(
    "trouble",
    [
        (500, {}, {}),
        (429, {}, {"Retry-After": "0"}),
        (503, b"<html>", {}),
        (200, b'{"choi', {}),
        (200, [1], {}),
    ],
)
def test_transient_failures_are_retried(server: Server, trouble: Reply) -> None:
    server.in_turn(trouble, trouble, tokens(7))
    assert ask(server).ids == (7,) and len(server.asked) == 3


def test_a_broken_connection_is_retried(server: Server) -> None:
    server.in_turn((200, b'{"short": 1}', {"Content-Length": "9999"}), tokens(7))
    assert ask(server, timeout=60).ids == (7,)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (
            (500, {"error": {"message": "out of\n memory"}}, {}),
            r"/v1/completions gave no answer in 3 tries \(500 out of memory\): check",
        ),
        ((200, b"not json", {}), "the answer is not JSON"),
        ((200, [1, 2], {}), "not a JSON object"),
    ],
)
def test_persistent_failures_raise_one_sentence(server: Server, trouble: Reply, says: str) -> None:
    server.in_turn(trouble)
    with pytest.raises(EngineError, match=says):
        ask(server, retries=2)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (
            (401, {"error": {"message": "bad key"}}, {}),
            "401 bad key.*environment variable OPENAI_API_KEY",
        ),
        (
            (404, {"message": "no model m"}, {}),
            "404 no model m.*ends in /v1 and that the server serves the model 'm'",
        ),
        ((400, {"error": "odd"}, {}), "400 odd.*does not suit this server"),
        ((422, b"plain words", {}), "422 plain words"),
    ],
)
def test_permanent_failures_are_not_retried(server: Server, trouble: Reply, says: str) -> None:
    server.in_turn(trouble)
    with pytest.raises(EngineError, match=says):
        ask(server)
    assert len(server.asked) == 1


def test_a_prompt_beyond_the_context_ends_the_episode(server: Server) -> None:
    server.in_turn(
        (400, {"error": {"message": "This model's maximum context length is 10 tokens."}}, {})
    )
    assert ask(server) == Completion((), (), None, "length", 0)
    agent = ModelAgent(OpenAIEngine(server.url, "m"), made("byte-bpe/chatml"), Growing())
    (trajectory,) = play(episodes_for([2], 1, "train"), Walk, agent)
    assert (trajectory.stop_reason, trajectory.error) == ("length", None)


def test_a_dead_server_is_named_and_then_tried_only_once(server: Server) -> None:
    server.http.shutdown()
    server.http.server_close()

    async def twice() -> list[str]:
        endpoint, messages = Endpoint(server.url, "m", retries=2, backoff=0.001), []
        for _ in range(2):
            with pytest.raises(EngineError) as raised:
                await endpoint.post("completions", {})
            messages.append(str(raised.value))
        return messages

    first, second = asyncio.run(twice())
    assert (
        server.url in first
        and "3 tries" in first
        and "refused" in first
        and "check that the server runs" in first
    )
    assert "in 1 try" in second


def test_a_request_without_an_answer_is_bounded(server: Server) -> None:
    gate = threading.Event()

    def slow(path: str, body: dict[str, Any]) -> Reply:
        gate.wait(600)
        return tokens(7)

    server.answer = slow
    with pytest.raises(EngineError, match=r"within 0\.1 s|timed out"):
        ask(server, timeout=0.1, retries=1)
    gate.set()


def test_closing_cancels_waiting_requests_and_refuses_new_ones(server: Server) -> None:
    gate = threading.Event()

    def slow(path: str, body: dict[str, Any]) -> Reply:
        gate.wait(600)
        return tokens(7)

    server.answer = slow

    async def close_early() -> None:
        engine = OpenAIEngine(server.url, "m")
        waiting = asyncio.create_task(engine.generate([1], Sampling()))
        while not server.asked:
            await asyncio.sleep(0.005)
        await engine.close()
        with pytest.raises(EngineError, match="closed while a request waited"):
            await waiting
        with pytest.raises(EngineError, match="was closed: make a new engine"):
            await engine.generate([1], Sampling())

    asyncio.run(close_early())
    gate.set()


def test_entropies_and_weight_updates_are_refused() -> None:
    engine = OpenAIEngine("http://localhost:1/v1", "m")
    with pytest.raises(EngineError, match="returns no entropies"):
        asyncio.run(engine.generate([1], Sampling(entropies=True)))
    with pytest.raises(EngineError, match="cannot be changed from here"):
        asyncio.run(engine.update_weights({}, 1))
    for url in ("localhost:8000", "ftp://x/v1", "http://"):
        with pytest.raises(ConfigError, match="is not the address of a server"):
            OpenAIEngine(url, "m")


def test_an_episode_over_http_records_the_servers_tokens(server: Server) -> None:
    tokenizer = made("byte-bpe/chatml")
    ids = [*tokenizer.encode("go[on]"), tokenizer.convert_tokens_to_ids("<|im_end|>")]
    server.in_turn(tokens(*ids))
    episodes = episodes_for([3], 2, "train")
    trajectories = play(
        episodes, Walk, ModelAgent(OpenAIEngine(server.url, "m"), tokenizer, Literal())
    )
    for trajectory in trajectories:
        (row,) = rows(trajectory)
        assert trajectory.success and row.ids[row.mask].tolist() == ids * 3
    prompts = [tuple(body["prompt"]) for _, body, _ in server.asked]
    assert sorted(prompts) == sorted(turn.prompt_ids for t in trajectories for turn in t.turns)


def test_a_chat_agent_sends_messages_and_records_text(server: Server) -> None:
    server.in_turn(
        (200, {"choices": [{"message": {"content": "go[on]"}, "finish_reason": "stop"}]}, {})
    )
    agent = ChatAgent(
        server.url,
        "m",
        Literal(),
        Sampling(temperature=0.0, max_tokens=9),
        extra={"top_p": None, "effort": "low"},
    )
    assert isinstance(agent, Agent)
    (trajectory,) = play(episodes_for([2], 1, "train"), Walk, agent)
    assert trajectory.success and [t.action for t in trajectory.turns] == ["go[on]"] * 2
    assert (
        all(t.completion_ids == () and t.completion == "go[on]" for t in trajectory.turns)
        and rows(trajectory) == []
    )
    (path, first, _), (_, second, _) = server.asked
    assert (
        path == "/v1/chat/completions"
        and "top_p" not in first
        and first["effort"] == "low"
        and first["max_tokens"] == 9
    )
    assert [m["role"] for m in second["messages"]] == ["system", "user", "assistant", "user"]
    assert first["seed"] != second["seed"] and 0 <= first["seed"] < 2**31
    asyncio.run(agent.close())


def test_failures_of_the_chat_endpoint_end_one_episode(server: Server) -> None:
    agent = ChatAgent(server.url, "m", Literal(), retries=0)
    server.in_turn(
        (200, {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}, {})
    )
    (silent,) = play(episodes_for([2], 1, "train"), Walk, agent, max_turns=1)
    assert (silent.turns[0].valid, silent.turns[0].tags, silent.turns[0].stop_reason) == (
        False,
        ("malformed",),
        "length",
    )
    server.in_turn((400, {"error": {"code": "context_length_exceeded", "message": "too long"}}, {}))
    (full,) = play(episodes_for([2], 1, "train"), Walk, agent)
    assert (full.stop_reason, full.error) == ("length", None)
    server.in_turn((500, {}, {}))
    (broken,) = play(episodes_for([2], 1, "train"), Walk, agent)
    assert broken.stop_reason == "error" and "gave no answer in 1 try" in (broken.error or "")
    with pytest.raises(ContextLengthError):
        server.in_turn((400, {"error": "context length"}, {}))
        asyncio.run(agent.endpoint.post("x", {}))
