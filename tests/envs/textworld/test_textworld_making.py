"""Games are the same in every process, at any time and in parallel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from turnwise.envs.textworld import TextWorldEnv, cache, making
from turnwise.envs.textworld.games import GameSpec
from turnwise.envs.textworld.maker import answer, request
from turnwise.envs.textworld.package import versions
from turnwise.envs.textworld.settings import game_settings
from turnwise.errors import DataError

pytest.importorskip(
    "textworld", reason="the package textworld is not installed: pip install 'turnwise[alfworld]'"
)

PLAY = """
import sys
from turnwise.envs.textworld import TextWorldEnv
env = TextWorldEnv(sys.argv[1], cache=sys.argv[2], games={"train": 1})
observation, info = env.reset(options={"task": "train-0"})
print(observation, info)
while env.expert_action():
    print(env.step(env.expert_action()))
"""


def played(preset: str, root: Path, hash_seed: str) -> str:
    """Return the expert's transcript in a new process with this hash seed and an empty cache."""
    command = [sys.executable, "-c", PLAY, preset, str(root)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["cooking-hard", "w2-o3-q4"])
def test_the_hash_seed_of_a_process_changes_nothing(preset: str, tmp_path: Path) -> None:
    first, second = (played(preset, tmp_path / seed, seed) for seed in ("1", "2"))
    assert first == second
    assert "success': True" in first


@pytest.mark.slow
def test_games_of_a_split_are_of_its_content_and_are_made_once(tmp_path: Path) -> None:
    env = TextWorldEnv("treasure", cache=tmp_path, games={"train": 3, "dev": 2, "test": 2})
    assert env.prepare() == 7
    assert env.prepare() == 0
    found = [cache.load_record(path.parent) for path in tmp_path.rglob(cache.RECORD)]
    assert len(found) == 7
    assert len({made.content for made in found}) == 7
    assert all(made.settings == env.settings.key() and made.attempts >= 1 for made in found)
    assert not list(tmp_path.rglob(".*")), "no drafts are left"


def test_a_request_is_answered_in_a_line(tmp_path: Path) -> None:
    spec = GameSpec(game_settings("treasure", settings={"level": 1}), "train", 0, 0)
    home = Path(answer(request(spec, tmp_path))["home"])
    assert cache.is_cached(home)
    assert home == cache.game_directory(tmp_path, spec, versions())
    assert json.loads((home / cache.RECORD).read_text())["task"] == "train-0"
    assert not list(home.glob("*.ni"))


def test_a_game_that_cannot_be_made_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def give_up(spec: GameSpec, seed: int) -> None:
        tried.append(seed)
        raise ValueError("no quest of that length")

    monkeypatch.setattr("turnwise.envs.textworld.maker._generate", give_up)
    spec = GameSpec(game_settings("treasure"), "train", 0, 0)
    said = answer(request(spec, tmp_path))["error"]
    assert (
        "none of 200 seeds" in said
        and "no quest of that length" in said
        and "choose other settings" in said
    )
    assert tried == [spec.candidate(k) for k in range(200)]
    assert list(tmp_path.iterdir()) == []


def test_a_maker_that_ended_raises_one_sentence(tmp_path: Path) -> None:
    maker = making.Maker()
    maker.process.kill()
    maker.process.wait()
    with pytest.raises(DataError, match="ended"):
        maker.make(GameSpec(game_settings("treasure"), "train", 0, 0), tmp_path)
    maker.stop()


@pytest.mark.slow
def test_ctrl_c_leaves_a_cache_that_can_be_used(tmp_path: Path) -> None:
    # A shell that runs the tests in the background has them ignore the signal, and children inherit
    # that.
    code = "import sys, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from turnwise.envs.textworld import TextWorldEnv; "
    code += "TextWorldEnv('treasure', cache=sys.argv[1], prepare=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while len(list(tmp_path.rglob(cache.RECORD))) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in said
    made = [path.parent for path in tmp_path.rglob(cache.RECORD)]
    assert len(made) >= 2 and all(cache.is_cached(home) for home in made)
    tasks = {cache.load_record(home).task for home in made if "-train-" in home.name}
    env = TextWorldEnv("treasure", cache=tmp_path)
    for task in tasks:
        assert env.reset(options={"task": task})[1]["task"] == task
