"""Evaluating a model behind an endpoint: chat, token ids, and no answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from turnwise.evaluation import score as scores
from turnwise.records import read_jsonl

Run = Callable[..., Any]
SHOP = ("eval", "webshop", "-e", "style=compact", "--tasks", 2, "--max-turns", 2)


class Model(BaseHTTPRequestHandler):
    """Always searches for shoes; as token ids it says the same few."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/chat/completions"):
            choice: dict[str, Any] = {
                "finish_reason": "stop",
                "message": {"content": "Action: search[shoes]"},
            }
        else:
            assert all(isinstance(i, int) for i in body["prompt"])
            choice = {
                "finish_reason": "length",
                "token_ids": [5, 6],
                "logprobs": {"token_logprobs": [-0.5, -1.0], "tokens": ["a", "b"]},
            }
        payload = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def test_chat(turnwise: Run, url: str, tmp_path: Path) -> None:
    done = turnwise(
        *SHOP,
        "-a",
        f"openai:some/model@{url}",
        "--save",
        tmp_path / "t.jsonl",
        "--json",
        tmp_path / "s.json",
    )
    assert done.exit_code == 0, done.stderr
    score = scores.read(tmp_path / "s.json")
    assert (
        score.agent == f"openai:some/model@{url}"
        and score.prompt == "webshop/react@1"
        and score.metrics.errors == 0
    )
    assert [turn.action for t in read_jsonl(tmp_path / "t.jsonl") for turn in t.turns] == [
        "search[shoes]"
    ] * 4


def test_token_ids(turnwise: Run, url: str, tiny: Path, tmp_path: Path) -> None:
    done = turnwise(
        *SHOP, "-a", f"openai:m@{url}", "--tokenizer", tiny, "--save", tmp_path / "t.jsonl"
    )
    assert done.exit_code == 0, done.stderr
    turns = [turn for t in read_jsonl(tmp_path / "t.jsonl") for turn in t.turns]
    assert turns and all(
        turn.completion_ids == (5, 6) and turn.logprobs == (-0.5, -1.0) and turn.prompt_ids
        for turn in turns
    )


def test_nobody_there(turnwise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("turnwise.agents.engines.endpoint.MAX_PAUSE_S", 0.01)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    done = turnwise(*SHOP, "-a", f"openai:m@{address}")
    assert done.exit_code == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert (
        "2 of 2 episodes errored" in done.stderr
        and address in done.stderr
        and "check that the server runs" in done.stderr
    )


@pytest.mark.parametrize(
    ("spec", "says"),
    [("m", "write openai:MODEL@URL"), ("m@localhost:8000", "is not the address of a server")],
)
def test_no_endpoint(turnwise: Run, spec: str, says: str) -> None:
    done = turnwise(*SHOP, "-a", f"openai:{spec}")
    assert done.exit_code == 2 and says in done.stderr and done.stderr.count("\n") == 1
