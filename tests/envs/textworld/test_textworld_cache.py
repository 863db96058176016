"""The cache of games, without the textworld package."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnwise.envs.textworld import cache
from turnwise.envs.textworld.games import GameSpec
from turnwise.envs.textworld.settings import game_settings
from turnwise.errors import DataError

MADE = cache.GameRecord("train-0", "coin_collector level=5", 7, 2, "c0ffee", "textworld 1.7.0")
SPEC = GameSpec(game_settings("coin"), "train", 0, 0)


def write(draft: Path) -> None:
    (draft / cache.STORY).write_bytes(b"story")
    (draft / cache.LOGIC).write_text("{}")


def test_where_games_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv(cache.CACHE_VARIABLE, raising=False)
    assert cache.cache_root() == tmp_path / "home" / ".cache" / "turnwise" / "textworld"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg" / "turnwise" / "textworld"
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "own"))
    assert cache.cache_root() == tmp_path / "own" / "textworld"
    assert cache.cache_root(tmp_path / "given") == tmp_path / "given"


def test_versions_of_textworld_do_not_share_games(tmp_path: Path) -> None:
    homes = {
        cache.game_directory(tmp_path, SPEC, versions)
        for versions in ("textworld 1.7.0, jericho 3.3.1", "textworld 1.6.0, jericho 3.3.1")
    }
    assert len(homes) == 2
    assert all(" " not in str(home.relative_to(tmp_path)) for home in homes)


def test_a_game_is_kept_with_its_record(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "game"
    assert not cache.is_cached(home)
    cache.save_game(home, MADE, write)
    assert cache.is_cached(home)
    assert cache.load_record(home) == MADE
    assert [path.name for path in home.parent.iterdir()] == ["game"]


def test_a_game_that_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    def broken(draft: Path) -> None:
        (draft / cache.STORY).write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.save_game(tmp_path / "game", MADE, broken)
    assert list(tmp_path.iterdir()) == []


def test_the_second_of_two_processes_leaves_what_is_there(tmp_path: Path) -> None:
    home = tmp_path / "game"

    def overtaken(draft: Path) -> None:
        write(draft)
        cache.save_game(home, MADE, write)
        (home / cache.STORY).write_bytes(b"first")

    cache.save_game(home, MADE, overtaken)
    assert (home / cache.STORY).read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["game"]


def test_an_incomplete_game_is_made_again(tmp_path: Path) -> None:
    home = tmp_path / "game"
    home.mkdir()
    (home / cache.STORY).write_bytes(b"half")
    assert not cache.is_cached(home)
    cache.save_game(home, MADE, write)
    assert (home / cache.STORY).read_bytes() == b"story"


def test_a_damaged_record_says_what_to_do(tmp_path: Path) -> None:
    cache.save_game(tmp_path / "game", MADE, write)
    (tmp_path / "game" / cache.RECORD).write_text('{"task": ')
    with pytest.raises(DataError, match="delete that directory"):
        cache.load_record(tmp_path / "game")


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=cache.CACHE_VARIABLE):
        cache.save_game(tmp_path / "file" / "game", MADE, write)
