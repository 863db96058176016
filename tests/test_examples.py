"""Every script in `examples/` runs in another process and directory, and prints what it says."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from turnwise.records import read_jsonl

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MAX_LINES = 80


def run(directory: Path, name: str, *arguments: str) -> str:
    """Run an example in `directory`; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments],
        cwd=directory, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_short_and_with_help(example: Path, tmp_path: Path) -> None:
    assert len(example.read_text(encoding="utf8").splitlines()) <= MAX_LINES
    if example.stem in ("own_engine", "train_webshop"):
        pytest.importorskip("torch")
    assert "usage:" in run(tmp_path, example.stem, "--help")


def test_an_environment(tmp_path: Path) -> None:
    shown = run(tmp_path, "own_environment")
    assert "always:7   success 0.000" in shown and "expert     success 1.000" in shown


@pytest.mark.slow
def test_training_in_it(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    shown = run(tmp_path, "own_environment", "--train", "2")
    assert "success after" in shown and (tmp_path / "runs/run/report.html").is_file()


def test_a_prompt(tmp_path: Path) -> None:
    assert "assistant: search[" in run(tmp_path, "own_prompt", "--turns", "2")
    shown = run(tmp_path, "own_prompt", "LatestOnly", "--env", "webshop", "--turns", "2")
    assert "<action>search[" in shown and "valid=True" in shown and "assistant:" not in shown


def test_a_paper(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    shown = run(tmp_path, "own_paper", "1", "0", "0", "1")
    assert "reward 1  advantage of each token [0.5, 0.5]" in shown
    assert "reward 0  advantage of each token [0.0, 0.0]" in shown


def test_an_engine(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    shown = run(tmp_path, "own_engine", "--tasks", "10")
    assert "transformers     success 0.000" in shown and "own_engine:make  success 1.000" in shown


def test_a_wrapped_environment(tmp_path: Path) -> None:
    shown = run(tmp_path, "gym_text_environment", "--tasks", "5")
    assert "random agent: success" in shown and shown.strip().endswith("It opens.  (reward 1)")


@pytest.mark.slow
def test_training_webshop(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    shown = run(
        tmp_path, "train_webshop", "--steps", "1", "--demonstrations", "16", "--tasks", "4",
        "--set", "env.options.shops=10", "--set", "model.tiny.layers=1",
        "--set", "model.tiny.texts=50", "--set", "rollout.tasks=2", "--set", "rollout.max_turns=3",
    )  # fmt: skip
    assert "before 0.0%" in shown and "other shops: success" in shown
    assert (tmp_path / "runs/webshop-grpo-seed0/report.html").is_file()


class Model(BaseHTTPRequestHandler):
    """A server with a model that always gives the same reply."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"content": "Thought: shoes.\nAction: search[shoes]"}
        payload = json.dumps({"choices": [{"finish_reason": "stop", "message": message}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        return None


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    serve = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serve.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    serve.join()


def test_a_model_behind_an_api(tmp_path: Path, url: str) -> None:
    shown = run(
        tmp_path, "evaluate_api_model", "some/model", "--url", url, "--tasks", "2",
        "--save", "played.jsonl",
    )  # fmt: skip
    assert "some/model on turnwise/WebShop-v0, split test, prompt webshop/react@1" in shown
    assert "success 0.000" in shown and "0 errored episodes" in shown
    played = list(read_jsonl(tmp_path / "played.jsonl"))
    assert {turn.action for episode in played for turn in episode.turns} == {"search[shoes]"}
