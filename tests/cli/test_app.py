"""The program as a whole: help, version, errors as one sentence, interruption, a light start."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnwise.cli import play as play_module
from turnwise.envs.registry import env_specs
from turnwise.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Any]


def program(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    code = "from turnwise.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        **more,
    )


def test_help_teaches_by_example(turnwise: Run) -> None:
    done = turnwise("--help")
    assert done.exit_code == 0
    taught = (
        "turnwise envs",
        "turnwise play webshop",
        "turnwise eval webshop --agent expert",
        "turnwise train",
        "turnwise doctor",
    )
    for command in taught:
        assert command in done.stdout
    for command in ("envs", "play", "eval", "train"):
        assert f"turnwise {command} " in turnwise(command, "--help").stdout


def test_no_command_shows_the_help(turnwise: Run) -> None:
    assert "turnwise play webshop" in turnwise().output


def test_version(turnwise: Run) -> None:
    done = turnwise("--version")
    assert done.exit_code == 0 and done.stdout.startswith("turnwise ")


def test_an_error_is_one_sentence_and_status_2() -> None:
    done = program("eval", "webshopp")
    assert (done.returncode, done.stdout) == (2, "")
    known = ", ".join(spec.name for spec in env_specs())
    assert (
        done.stderr
        == f"error: unknown environment 'webshopp': did you mean 'webshop'? known: {known}\n"
    )


def test_python_m_is_the_same_program() -> None:
    command = [sys.executable, "-m", "turnwise", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout == program("--version").stdout


def test_debug_shows_the_traceback() -> None:
    done = program("--debug", "eval", "webshopp")
    assert done.returncode == 1 and "Traceback" in done.stderr and "ConfigError" in done.stderr


def test_a_bug_keeps_its_traceback(turnwise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play_module, "settings", lambda _: 1 / 0)
    assert isinstance(turnwise("play", "webshop").exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("said", "shown"), [("", "interrupted"), ("interrupted: the run is in runs/x", "runs/x")]
)
def test_interruption_is_one_sentence_and_status_130(
    turnwise: Run, monkeypatch: pytest.MonkeyPatch, said: str, shown: str
) -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt(said)

    monkeypatch.setattr(play_module, "settings", interrupt)
    done = turnwise("play", "webshop")
    assert done.exit_code == 130 and shown in done.stderr and done.stderr.count("\n") == 1


def test_brackets_and_long_paths_in_a_sentence_stay_whole(
    turnwise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = "click[bold] at " + "/long/path" * 40

    def fail(_: Any) -> None:
        raise ConfigError(sentence)

    monkeypatch.setattr(play_module, "settings", fail)
    assert turnwise("play", "webshop").stderr == f"error: {sentence}\n"


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("envs",), ("envs", "webshop", "-e", "style=compact"), ("play", "--help")],
)
def test_a_light_start(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom turnwise.cli import main\ntry:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'transformers', 'accelerate'} & set(sys.modules)\n"
        "    print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.parametrize("seconds", [0.1, 2.5])
def test_ctrl_c_at_any_time(seconds: float) -> None:
    """While modules are still being read, and in the middle of the episodes."""
    code = "from turnwise.cli import main; print('begun', flush=True); main()"
    arguments = ("eval", "webshop", "-e", "style=compact", "--agent", "random", "--attempts", "300")
    running = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=-1, stderr=-1, text=True, cwd=ROOT
    )
    try:
        assert running.stdout is not None and running.stdout.readline() == "begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(seconds)
        running.send_signal(signal.SIGINT)
        shown, said = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, shown) == (130, "")
    assert said.startswith("interrupted") and said.count("\n") == 1
