from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnwise.envs.webshop import json_stream
from turnwise.envs.webshop.json_stream import members
from turnwise.errors import DataError

VALUES = st.dictionaries(
    st.text(max_size=5),
    st.one_of(st.none(), st.integers(), st.text(max_size=30), st.lists(st.text(max_size=3))),
)


@settings(deadline=None)
@given(
    st.lists(VALUES, max_size=6), st.booleans(), st.sampled_from([None, 2]),
    st.integers(1, 40), st.booleans(),
)  # fmt: skip
def test_is_what_json_loads_and_the_bytes_are_where_it_says(
    values: list[dict[str, Any]], ascii_only: bool, indent: int | None, window: int, in_object: bool
) -> None:
    content: Any = {f"kéy {k}": value for k, value in enumerate(values)} if in_object else values
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as place:
        patch.setattr(json_stream, "READ_BYTES", window)
        path = Path(place) / "file.json"
        path.write_text(
            json.dumps(content, ensure_ascii=ascii_only, indent=indent), encoding="utf8"
        )
        read: list[bytes] = []
        found = list(members(path, "{" if in_object else "[", read.append))
        data = path.read_bytes()
    assert b"".join(read) == data
    assert [member.value for member in found] == values
    assert [member.key for member in found] == ([*content] if in_object else [""] * len(values))
    assert [json.loads(data[member.begin : member.end]) for member in found] == values


WHOLE = '[{"a": "é"}, {"b": [1, 2]}]'


@pytest.mark.parametrize("end", range(1, len(WHOLE.encode())))
def test_a_file_cut_off_anywhere_says_so(tmp_path: Path, end: int) -> None:
    path = tmp_path / "items.json"
    path.write_bytes(WHOLE.encode()[:end])
    with pytest.raises(
        DataError,
        match=r"items\.json ends in the middle, after [012] whole objects: it was cut off",
    ):
        list(members(path, "["))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "not a JSON array"), ("{}", "not a JSON array"),
     ("[1]", "something other than an object at byte 1"),
     ('[{"a": 1} {"b": 2}]', "not JSON at byte 10, after 1"),
     ('[{"a": 1}] x', "goes on after its end at byte 11"),
     ('[{"a": 1},]', "cut off|not JSON")],
)  # fmt: skip
def test_other_files_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "items.json"
    path.write_text(text)
    with pytest.raises(DataError, match=complaint):
        list(members(path, "["))


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(DataError, match="not JSON at byte 1"):
        list(members(path, "["))


def test_an_object_without_end_is_not_read_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "READ_BYTES", 10)
    monkeypatch.setattr(json_stream, "MAX_OBJECT_BYTES", 100)
    path = tmp_path / "items.json"
    path.write_text('[{"a": "' + "x" * 10_000)
    read: list[bytes] = []
    with pytest.raises(DataError, match="not JSON"):
        list(members(path, "[", read.append))
    assert sum(map(len, read)) < 1000


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.json does not exist"):
        list(members(tmp_path / "nothing.json", "["))
