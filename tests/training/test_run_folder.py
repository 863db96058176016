"""A run folder is whole at any moment, refuses another run, and has one owner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.made_training import small_config
from turnwise.errors import ConfigError, DataError
from turnwise.training import run_folder
from turnwise.training.run_folder import (
    RunFolder,
    read_json,
    write_atomically,
    write_directory_atomically,
)


def opened(tmp_path: Path, **sections: dict[str, object]) -> RunFolder:
    return RunFolder(tmp_path / "run", small_config(tmp_path, **sections))


def test_metrics_come_back_and_a_torn_line_is_dropped(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    for step in (1, 2, 3):
        folder.log(step, {"success": step / 10})
    with (folder.path / "metrics.jsonl").open("a", encoding="utf8") as out:
        out.write('{"step": 4, "succ')
    assert [m["step"] for m in folder.metrics()] == [1, 2, 3]
    folder.forget_after(2)
    folder.log(3, {"success": 0.5})
    assert [(m["step"], m["success"]) for m in folder.metrics()] == [(1, 0.1), (2, 0.2), (3, 0.5)]


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    (folder.path / "metrics.jsonl").write_text(
        '{"step": 1}\nbroken\n{"step": 3}\n', encoding="utf8"
    )
    with pytest.raises(DataError, match="line 2"):
        folder.metrics()


def test_another_config_is_refused_by_the_key_that_differs(tmp_path: Path) -> None:
    opened(tmp_path).close()
    folder = opened(
        tmp_path, optimiser={"lr": 0.25}
    )  # nothing was made yet: the mistake is put right
    folder.log(1, {"success": 0.0})
    folder.close()
    with pytest.raises(ConfigError, match=r"optimiser\.lr"):
        opened(tmp_path, optimiser={"lr": 0.5})
    opened(
        tmp_path, optimiser={"lr": 0.25}, run={"name": "renamed", "directory": "elsewhere"}
    ).close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    with pytest.raises(ConfigError, match="another process"):
        opened(tmp_path)
    folder.close()
    opened(tmp_path).close()


def test_a_refusal_does_not_keep_the_folder(tmp_path: Path) -> None:
    """A notebook keeps the traceback of the refusal, and tries again in the same process."""
    folder = opened(tmp_path)
    folder.log(1, {"success": 0.0})
    folder.close()
    with pytest.raises(ConfigError, match=r"run\.seed") as kept:
        opened(tmp_path, run={"seed": 5})
    opened(tmp_path).close()
    assert kept.value.__traceback__ is not None


def test_a_closed_folder_may_be_closed_again(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.close()
    folder.close()


def test_a_key_that_came_later_has_its_default_and_one_that_went_is_named(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.log(1, {"success": 0.0})
    folder.close()
    path = folder.path / "config.json"
    data = json.loads(path.read_text())
    del data["rollout"]["timeout"]
    path.write_text(json.dumps(data))
    opened(tmp_path).close()
    with pytest.raises(ConfigError, match=r"rollout\.timeout"):
        opened(tmp_path, rollout={"timeout": 5.0})
    path.write_text(json.dumps({**data, "rolout": {}}))
    with pytest.raises(ConfigError, match="did you mean 'rollout'"):
        opened(tmp_path)


def test_options_differ_by_their_path_and_three_are_enough(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.log(1, {"success": 0.0})
    folder.close()
    with pytest.raises(ConfigError, match=r"\(env\.options\.products differs\)"):
        opened(tmp_path, env={"options": {**folder_options(tmp_path), "products": 7}})
    with pytest.raises(ConfigError, match=r"\(rollout\.tasks, train\.steps, train\.keep differ\)"):
        opened(tmp_path, rollout={"tasks": 9}, train={"steps": 9, "keep": 9}, eval={"tasks": 9})


def folder_options(tmp_path: Path) -> dict[str, object]:
    return dict(small_config(tmp_path).env.options)


def test_nothing_logged_is_nothing_to_forget(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.forget_after(0)
    assert folder.metrics() == [] and not (folder.path / "metrics.jsonl").exists()
    folder.log(1, {"grad_norm": float("nan"), "success": 1.0})
    (line,) = folder.metrics()
    assert line["grad_norm"] != line["grad_norm"] and line["success"] == 1.0
    folder.forget_after(0)
    assert folder.metrics() == []


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("", encoding="utf8")
    with pytest.raises(ConfigError, match="is not a run folder"):
        opened(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf8")
    with pytest.raises(ConfigError, match="cannot make the run folder"):
        RunFolder(tmp_path / "file" / "run", small_config(tmp_path))


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "facts.json"
    write_atomically(path, json.dumps({"a": 1}))

    def killed(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, json.dumps({"a": 2}))
    assert read_json(path) == {"a": 1}


def test_a_directory_appears_whole(tmp_path: Path) -> None:
    def broken(beside: Path) -> None:
        (beside / "half").write_text("", encoding="utf8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_directory_atomically(tmp_path / "model", broken)
    assert not (tmp_path / "model").exists()
    for text in ("one", "two"):
        write_directory_atomically(
            tmp_path / "model", lambda beside, text=text: (beside / "text").write_text(text)
        )  # type: ignore[misc]
        assert [p.name for p in (tmp_path / "model").iterdir()] == ["text"]
        assert (tmp_path / "model" / "text").read_text() == text
    with pytest.raises(DataError, match="cannot be read"):
        read_json(tmp_path / "absent.json")
