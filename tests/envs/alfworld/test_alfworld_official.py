"""The official download: games collected, splits, the saved index, errors."""

from __future__ import annotations

import json
import os
import pickle
import re
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.envs.alfworld.official_games import GOALS, household, official_directory, unpacked
from turnwise.envs.alfworld import ALFWorldEnv
from turnwise.envs.alfworld import official as indexing
from turnwise.envs.alfworld.data import HELD_OUT_TYPES, MAX_CACHED_GAMES, SPLITS
from turnwise.envs.alfworld.official import official_games
from turnwise.envs.checks import check_turn_env
from turnwise.errors import ConfigError, DataError, TaskError

Run = Callable[..., Any]
FILE = "game.tw-pddl"


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "turnwise" / "alfworld"


def add(root: Path, split: str, task: str, trial: str, content: Any) -> Path:
    path = root / split / task / trial / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf8")
    return path


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """A small download: one game of each type in each split, and what the original leaves out."""
    root = tmp_path / "download" / "json_2.1.1"
    for split in SPLITS:
        for kind in GOALS:
            add(root, split, f"{kind}-Apple-None-Desk-1", f"trial_{split}", household(kind))
    left_out = {
        "pick_and_place_simple-AppleSliced-None-Desk-1": household(),
        "pick_and_place_with_movable_recep-Apple-Pan-Desk-1": household(),
        "look_at_obj_in_light-Apple-None-DeskLamp-2": household() | {"solvable": False},
        "look_at_obj_in_light-Apple-None-DeskLamp-3": {
            name: text for name, text in household().items() if name != "solvable"
        },
        "make_coffee-Mug-None-Table-1": household(),
    }
    for task, content in left_out.items():
        add(root, "train", task, "trial_T", content)
    (root / "train" / "pick_and_place_simple-Apple-None-Desk-1" / "trial_without_a_game").mkdir()
    return tmp_path / "download"


def test_games_are_collected_as_the_original_does(download: Path) -> None:
    env = ALFWorldEnv(data=download)
    assert env.splits == SPLITS and env.split == "train"
    for split in SPLITS:
        assert list(env.tasks(split)) == [
            f"{split}/{kind}-Apple-None-Desk-1/trial_{split}" for kind in sorted(GOALS)
        ]
    _, info = env.reset(options={"task": env.tasks("valid_unseen")[2]})
    assert info["split"] == "valid_unseen", (
        "a task is in the split it is in, whichever reset would draw from"
    )
    path = env.games.path(info["task"])
    assert path == download / "json_2.1.1" / info["task"] / FILE and path.is_file()


def test_the_contract(download: Path) -> None:
    check_turn_env(
        lambda: ALFWorldEnv(data=download, split_rule="types"), tasks=2, turns=8, resets=1000
    )


def test_types_of_task_are_held_out(download: Path) -> None:
    env = ALFWorldEnv(data=str(download / "json_2.1.1"), split_rule="types")
    kinds = {
        split: {task.split("/")[1].partition("-")[0] for task in env.tasks(split)}
        for split in env.splits
    }
    assert kinds == {split: set(GOALS) - HELD_OUT_TYPES for split in SPLITS} | {
        "unseen_types": HELD_OUT_TYPES
    }
    assert all(task.startswith("valid_unseen/") for task in env.tasks("unseen_types"))
    with pytest.raises(TaskError, match="no ALFWorld task"):
        env.reset(options={"task": "train/pick_two_obj_and_place-Apple-None-Desk-1/trial_train"})
    with pytest.raises(ConfigError, match="did you mean 'types'"):
        ALFWorldEnv(data=download, split_rule="type")


def test_an_integer_is_an_index_into_the_split(download: Path) -> None:
    env = ALFWorldEnv(data=download)
    assert (
        env.reset(options={"task": 2, "split": "valid_seen"})[1]["task"]
        == env.tasks("valid_seen")[2]
    )
    for task in (6, -1, "valid_seen/nothing/trial"):
        with pytest.raises(TaskError, match=r"no task|no ALFWorld task"):
            env.reset(options={"task": task})


def test_a_missing_split_is_named(download: Path) -> None:
    import shutil

    shutil.rmtree(download / "json_2.1.1" / "valid_unseen")
    assert ALFWorldEnv(data=download).splits == ("train", "valid_seen")
    with pytest.raises(
        TaskError, match="no split 'valid_unseen' here: choose one of train, valid_seen"
    ):
        ALFWorldEnv(data=download, split="valid_unseen")


def test_the_newest_release_is_taken(download: Path) -> None:
    newer = (
        download / "json_2.1.10" / "train" / "pick_and_place_simple-Apple-None-Desk-9" / "trial_new"
    )
    add(newer.parents[2], "train", newer.parent.name, newer.name, household())
    assert ALFWorldEnv(data=download).tasks("train") == (f"train/{newer.parent.name}/trial_new",)
    assert len(ALFWorldEnv(data=download / "json_2.1.1").tasks("train")) == 6


def test_official_is_the_directory_in_the_variable(
    download: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(download))
    assert ALFWorldEnv(data="official").games is ALFWorldEnv(data=download).games, (
        "environments share their data"
    )
    monkeypatch.delenv("ALFWORLD_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match="ALFWORLD_DATA is not set"):
        ALFWorldEnv(data="official")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "alfworld").symlink_to(download)
    assert len(ALFWorldEnv(data="official").tasks("train")) == 6


def test_games_or_data(download: Path) -> None:
    with pytest.raises(ConfigError, match="both given"):
        ALFWorldEnv([household], data=download)  # type: ignore[list-item]


def test_the_wording_is_that_of_the_games_or_the_setting(download: Path) -> None:
    older, newer = ALFWorldEnv(data=download), ALFWorldEnv(data=download, wording="0.4")
    assert older.data_hash != newer.data_hash
    assert (
        "help" not in older.reset(seed=0)[1]["admissible"]
        and "help" in newer.reset(seed=0)[1]["admissible"]
    )
    with pytest.raises(ConfigError, match="wording"):
        ALFWorldEnv(data=download, wording="0.5")


# The index
# ---------


def test_the_index_is_kept_and_used(
    download: Path, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = download / "json_2.1.1"
    first = indexing.index_games(root)
    assert len(first.names) == 18 and len(list(caches.iterdir())) == 1
    monkeypatch.setattr(indexing, "_read_games", None)
    assert indexing.index_games(root) == first, "nothing was read again"


@pytest.mark.parametrize("change", ["another", "gone", "changed"])
def test_a_changed_file_is_indexed_again(change: str, download: Path) -> None:
    root = download / "json_2.1.1"
    before = indexing.index_games(root)
    path = root / before.names[0] / FILE
    if change == "another":
        add(root, "train", "pick_and_place_simple-Apple-None-Desk-1", "trial_2", household())
    elif change == "gone":
        path.unlink()
    else:
        later = path.stat().st_mtime_ns + 1
        path.write_text(
            path.read_text(encoding="utf8").replace("apple.", "lemon."), encoding="utf8"
        )
        os.utime(path, ns=(later, later))
    after = indexing.index_games(root)
    assert len(after.names) - len(before.names) == {"another": 1, "gone": -1, "changed": 0}[change]
    assert after.content != before.content, "the data hash follows what the games say"


def test_a_copy_elsewhere_is_the_same_data(download: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(download, tmp_path / "copy")
    assert ALFWorldEnv(data=tmp_path / "copy").data_hash == ALFWorldEnv(data=download).data_hash


def test_a_spoilt_index_is_made_again(download: Path, caches: Path) -> None:
    root = download / "json_2.1.1"
    first = indexing.index_games(root)
    for spoilt in ("{", "[]", '{"names": 3}'):
        next(caches.iterdir()).write_text(spoilt, encoding="utf8")
        assert indexing.index_games(root) == first


def test_an_unwritable_cache_warns_once(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be kept"):
        first = indexing.index_games(download / "json_2.1.1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert indexing.index_games(download / "json_2.1.1") == first


def test_games_out_of_play_are_dropped(tmp_path: Path) -> None:
    for number in range(MAX_CACHED_GAMES + 40):
        add(
            tmp_path / "many",
            "train",
            "pick_and_place_simple-Apple-None-Desk-1",
            f"trial_{number:03d}",
            household(),
        )
    env, games = (
        ALFWorldEnv(data=tmp_path / "many"),
        official_games(tmp_path / "many", "official", None),
    )
    env.reset(options={"task": 0})
    other = ALFWorldEnv(data=tmp_path / "many")
    for number in range(1, MAX_CACHED_GAMES + 40):
        other.reset(options={"task": number})
    assert len(games._recent) == MAX_CACHED_GAMES and len(games._in_use) == MAX_CACHED_GAMES + 1
    assert env.fork()._game is env._game, "a game in play is shared, though it is not kept"


def test_a_pickle_holds_no_games(download: Path) -> None:
    env = ALFWorldEnv(data=download)
    env.reset(options={"task": 0})
    frozen = pickle.dumps(env)
    assert b"countertop" not in frozen and len(frozen) < 6000
    again = pickle.loads(frozen)
    assert again.games is env.games and again.step("go to fridge 1") == env.step("go to fridge 1")


# Errors
# ------


def wrong(kind: str, root: Path) -> Path:
    """Make a directory that is wrong in one way."""
    task = root / "json_2.1.1" / "train" / "pick_and_place_simple-Apple-None-Desk-1" / "trial_T"
    if kind == "a file":
        root.write_text("", encoding="utf8")
    elif kind == "nothing in it":
        root.mkdir()
    elif kind == "seq2seq":
        (root / "seq2seq_data").mkdir(parents=True)
    elif kind != "missing":
        task.mkdir(parents=True)
        files = {
            "json only": "traj_data.json",
            "pddl only": "initial_state.pddl",
            "empty": "",
            "unsolvable": FILE,
            "cut off": FILE,
        }
        if files[kind]:
            (task / files[kind]).write_text(
                '{"solvable": false}'[: -1 if kind == "cut off" else None], encoding="utf8"
            )
    return root


WRONG = {
    "missing": "no directory",
    "a file": "no directory",
    "nothing in it": "has no ALFWorld games",
    "seq2seq": "seq2seq",
    "json only": "traj_data.json and no game.tw-pddl: unpack json_2.1.2_tw-pddl.zip",
    "empty": "has no game.tw-pddl",
    "pddl only": "initial_state.pddl and no game.tw-pddl",
    "unsolvable": "flagged as unsolvable",
    "cut off": "incomplete",
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_directory_raises_one_sentence(kind: str, tmp_path: Path) -> None:
    root = wrong(kind, tmp_path / "there")
    with pytest.raises(DataError, match=re.escape(WRONG[kind])) as caught:
        ALFWorldEnv(data=root)
    assert "\n" not in str(caught.value) and str(root) in str(caught.value)


def test_a_malformed_game_is_named_when_it_is_played(download: Path) -> None:
    path = add(
        download / "json_2.1.1",
        "valid_seen",
        "look_at_obj_in_light-A-None-B-1",
        "trial_0",
        '{"x": {"solvable": true}}',
    )
    with pytest.raises(DataError, match="cannot be played") as caught:
        ALFWorldEnv(data=download).reset(
            options={"task": f"valid_seen/{path.parent.parent.name}/trial_0"}
        )
    assert str(path) in str(caught.value)


# The download itself
# -------------------


@pytest.mark.slow
def test_the_official_games() -> None:
    directory = official_directory()
    with tempfile.TemporaryDirectory() as target:
        root = unpacked(directory, Path(target))
        began = time.perf_counter()
        env = ALFWorldEnv(data=root)
        print(f"indexed in {time.perf_counter() - began:.2f} s")
        counts = {
            split: Counter(task.split("/")[1].partition("-")[0] for task in env.tasks(split))
            for split in env.splits
        }
        assert counts["train"] == {
            "pick_and_place_simple": 790,
            "look_at_obj_in_light": 308,
            "pick_clean_then_place_in_recep": 650,
            "pick_heat_then_place_in_recep": 459,
            "pick_cool_then_place_in_recep": 533,
            "pick_two_obj_and_place": 813,
        }
        assert sum(counts["valid_seen"].values()) == 140
        check_turn_env(lambda: ALFWorldEnv(data=root), tasks=10, turns=12, resets=1000)
        check_turn_env(
            lambda: ALFWorldEnv(data=root, wording="0.4", split_rule="types"),
            tasks=5,
            turns=12,
            resets=200,
        )
