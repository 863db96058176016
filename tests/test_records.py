"""Records: rows of examples worked by hand, files, and every way a file can be wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.errors import DataError
from turnwise.records import (
    FORMAT,
    VERSION,
    Trajectory,
    Turn,
    from_json,
    read_jsonl,
    rows,
    to_json,
    write_jsonl,
)


def turn(prompt: tuple[int, ...], made: tuple[int, ...], **more: Any) -> Turn:
    logprobs = tuple(-float(i) for i in range(1, len(made) + 1))
    values: dict[str, Any] = {
        "agent": "policy", "prompt_ids": prompt, "completion_ids": made, "logprobs": logprobs,
        "entropies": None, "observation": "page", "completion": "text", "action": "act",
        "valid": True, "rewards": {"env": 0.0}, "state": "a", "next_state": "b",
    }  # fmt: skip
    return Turn(**{**values, **more})


def trajectory(*turns: Turn, **more: Any) -> Trajectory:
    values: dict[str, Any] = {
        "task": 3,
        "group": "g",
        "uid": "u",
        "success": False,
        "score": 0.0,
        "stop_reason": "terminated",
    }
    return Trajectory(turns=turns, **{**values, **more})


def test_a_growing_dialogue_is_one_row() -> None:
    one = trajectory(turn((1, 2), (3, 4)), turn((1, 2, 3, 4, 5), (6,)))
    (row,) = rows(one)
    assert row.ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert row.mask.tolist() == [False, False, True, True, False, True]
    assert row.turn.tolist() == [-1, -1, 0, 0, -1, 1]
    assert row.streams["logprob"].tolist() == [0, 0, -1, -2, 0, -1]
    assert row.trajectory == "u" and set(row.streams) == {"logprob"}


def test_a_prompt_that_does_not_extend_starts_a_row() -> None:
    windowed = trajectory(turn((1, 2), (3, 4)), turn((1, 9), (6,)), turn((1, 9, 6, 7), (8, 8)))
    first, second = rows(windowed)
    assert (first.ids.tolist(), first.turn.tolist()) == ([1, 2, 3, 4], [-1, -1, 0, 0])
    assert (second.ids.tolist(), second.turn.tolist()) == (
        [1, 9, 6, 7, 8, 8],
        [-1, -1, 1, -1, 2, 2],
    )
    assert second.mask.tolist() == [False, False, True, False, True, True]


def test_a_prompt_that_ends_inside_the_last_completion_does_not_extend_it() -> None:
    assert len(rows(trajectory(turn((1,), (2, 3)), turn((1, 2), (4,))))) == 2
    assert len(rows(trajectory(turn((1,), (2, 3)), turn((1, 2, 3), (4,))))) == 1, (
        "an empty observation still extends"
    )


def test_agents_do_not_share_rows_and_scripted_turns_have_none() -> None:
    two = trajectory(
        turn((1,), (2,)),
        turn((), (), logprobs=()),
        turn((1, 2, 3), (4,)),
        turn((1, 2, 3, 4), (5,), agent="critic"),
    )
    first, second = rows(two)
    assert first.turn.tolist() == [-1, 0, -1, 2] and second.turn.tolist() == [-1, -1, -1, -1, 3]
    assert rows(trajectory()) == rows(trajectory(turn((), (), logprobs=()))) == []


def test_streams_are_laid_along_the_completions() -> None:
    t = trajectory(
        turn((1,), (2, 3), entropies=(0.5, 0.25)), turn((1, 2, 3, 4), (5,), entropies=(0.125,))
    )
    (row,) = rows(t, {"advantage": [[1.0, 2.0], [3.0]], "logprob": [[9.0, 8.0], [7.0]]})
    assert row.streams["advantage"].tolist() == [0, 1, 2, 0, 3]
    assert row.streams["logprob"].tolist() == [0, 9, 8, 0, 7], (
        "a given stream takes the recorded one's place"
    )
    assert row.streams["entropy"].tolist() == [0, 0.5, 0.25, 0, 0.125]
    partly = trajectory(turn((1,), (2,), entropies=(0.5,)), turn((3,), (4,)))
    assert all("entropy" not in row.streams for row in rows(partly))


def test_a_stream_that_does_not_fit_is_refused() -> None:
    t = trajectory(turn((1,), (2, 3)), turn((1, 2, 3, 4), (5,)))
    for stream in ([[1.0], [2.0]], [[1.0, 2.0]], [[1.0, 2.0], [3.0], []]):
        with pytest.raises(DataError, match="stream 'advantage' of trajectory u has"):
            rows(t, {"advantage": stream})
    with pytest.raises(DataError, match="stream 'logprob'"):
        rows(trajectory(turn((1,), (2, 3), logprobs=(-1.0,))))


def test_returns_are_weighted_by_name() -> None:
    t = trajectory(
        turn((), (), logprobs=(), rewards={"env": 1.0, "format": -0.5}),
        turn((), (), logprobs=(), rewards={"env": 2.0}),
    )
    assert (
        t.reward() == 3.0
        and t.reward({"env": 1.0, "format": 2.0}) == 2.0
        and t.reward({"absent": 1.0}) == 0.0
    )


IDS = st.lists(st.integers(0, 9), max_size=4).map(tuple)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=12)


@st.composite
def any_turn(draw: st.DrawFn, before: tuple[int, ...]) -> Turn:
    completion = draw(IDS)
    prompt = draw(IDS)
    entropies = draw(st.none() | st.just(tuple(draw(FLOAT) for _ in completion)))
    return turn(
        before + prompt if draw(st.booleans()) else prompt,
        completion,
        logprobs=tuple(draw(FLOAT) for _ in completion),
        entropies=entropies,
        observation=draw(TEXT),
        completion=draw(TEXT),
        action=draw(TEXT),
        valid=draw(st.booleans()),
        rewards=draw(st.dictionaries(TEXT, FLOAT, max_size=2)),
        tags=draw(st.lists(TEXT, max_size=2).map(tuple)),
        wall_seconds=draw(FLOAT),
        weights_version=draw(st.integers(0, 9)),
        stop_reason=draw(TEXT),
    )


@st.composite
def any_trajectory(draw: st.DrawFn) -> Trajectory:
    turns: list[Turn] = []
    for _ in range(draw(st.integers(0, 4))):
        turns.append(
            draw(any_turn(turns[-1].prompt_ids + turns[-1].completion_ids if turns else ()))
        )
    return trajectory(
        *turns,
        task=draw(st.integers() | TEXT),
        success=draw(st.booleans()),
        score=draw(FLOAT),
        error=draw(st.none() | TEXT),
        parent=draw(st.none() | st.tuples(TEXT, st.integers(0, 9))),
        seed=draw(st.none() | st.integers()),
        split=draw(TEXT),
        tags=draw(st.lists(TEXT, max_size=2).map(tuple)),
    )


@given(t=any_trajectory())
def test_json_gives_back_the_same_trajectory(t: Trajectory) -> None:
    assert from_json(json.loads(json.dumps(to_json(t)))) == t


@given(t=any_trajectory())
def test_rows_hold_every_completion_token_once_in_order(t: Trajectory) -> None:
    made = rows(t)
    assert [int(i) for row in made for i in row.ids[row.mask]] == [
        i for each in t.turns for i in each.completion_ids
    ]
    assert [float(p) for row in made for p in row.streams["logprob"][row.mask]] == [
        p for each in t.turns for p in each.logprobs
    ]
    for row in made:
        assert (
            len(row.ids) == len(row.mask) == len(row.turn) and ((row.turn >= 0) == row.mask).all()
        )


def test_files_are_written_read_and_added_to(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    first = trajectory(turn((1,), (2,), observation="naïve\u2028line"), turn((1, 2, 3), (4,)))
    second = replace(first, uid="v", parent=("u", 1), error="broken", turns=first.turns[:1])
    write_jsonl(file, [first], append=True)
    write_jsonl(file, [second], append=True)
    assert list(read_jsonl(file)) == [first, second]
    lines = file.read_text(encoding="utf8").split("\n")
    assert json.loads(lines[0]) == {"format": FORMAT, "version": VERSION} and len(lines) == 4
    assert json.loads(lines[1])["turns"][1]["prompt_ids"] == [3], (
        "a prompt is stored as what is new in it"
    )
    write_jsonl(file, [second])
    assert list(read_jsonl(str(file))) == [second]


def written(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "bad.jsonl"
    file.write_text("\n".join(lines), encoding="utf8")
    return file


HEAD = json.dumps({"format": FORMAT, "version": VERSION})


def test_bad_files_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl does not exist"):
        list(read_jsonl(tmp_path / "absent.jsonl"))
    with pytest.raises(DataError, match="version 99 and this turnwise reads version 1"):
        list(read_jsonl(written(tmp_path, json.dumps({"format": FORMAT, "version": 99}))))
    with pytest.raises(DataError, match="not a file of trajectories"):
        list(read_jsonl(written(tmp_path, '{"some": "thing"}')))
    with pytest.raises(DataError, match="line 1 is not valid JSON"):
        list(read_jsonl(written(tmp_path, "")))
    with pytest.raises(DataError, match="line 2 is not a JSON object"):
        list(read_jsonl(written(tmp_path, HEAD, "[1]")))


def test_a_torn_line_is_an_error_after_the_whole_ones(tmp_path: Path) -> None:
    whole = trajectory(turn((1,), (2,)))
    line = json.dumps(to_json(whole))
    reader = read_jsonl(written(tmp_path, HEAD, line, line[: len(line) // 2]))
    assert next(reader) == whole
    with pytest.raises(DataError, match=r"line 3 is not valid JSON .*cut off"):
        next(reader)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("uid"),
        lambda d: d.pop("turns"),
        lambda d: d.update(extra=1),
        lambda d: d["turns"][0].pop("logprobs"),
        lambda d: d["turns"][0].update(extra=1),
        lambda d: d["turns"][0].update(extends=True),
        lambda d: d.update(parent=["u"]),
        lambda d: d.update(turns=3),
    ],
)
def test_what_is_not_a_trajectory_is_refused(spoil: Any) -> None:
    data = json.loads(json.dumps(to_json(trajectory(turn((1,), (2,))))))
    spoil(data)
    with pytest.raises(DataError, match="not a trajectory of version 1"):
        from_json(data)
