"""The slot table: sessions, evictions and copied prefixes."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("torch")

from turnwise.agents.engines.base import Sampling
from turnwise.agents.engines.transformers.slot_table import GenerationRequest, SlotTable


def request(prompt: list[int], session: str | None = None) -> GenerationRequest:
    loop = asyncio.new_event_loop()
    try:
        ids = np.asarray(prompt, dtype=np.int64)
        return GenerationRequest(ids, Sampling(), session, loop.create_future(), 0, 8, frozenset())
    finally:
        loop.close()


def compute(table: SlotTable, slot: int) -> None:
    """Mark all tokens of the slot as computed, and end its request."""
    table.held[slot] = table.wanted[slot]
    table.leave(slot)


def seat(table: SlotTable, prompt: list[int], session: str | None = None) -> tuple[int, int, int]:
    got = table.admit(request(prompt, session))
    assert got is not None
    return got


A, B = list(range(20)), list(range(50, 70))


def test_a_session_returns_to_its_slot_and_lacks_only_new_tokens() -> None:
    table = SlotTable(3, 64)
    slot, _, _ = seat(table, A, "a")
    compute(table, slot)
    again, donor, length = seat(table, [*A, 1, 2], "a")
    assert (again, donor, length) == (slot, slot, 0)
    assert table.held[slot] == 20 and table.wanted[slot] == 22


def test_the_last_token_is_always_computed() -> None:
    table = SlotTable(1, 64)
    slot, _, _ = seat(table, A, "a")
    compute(table, slot)
    seat(table, A, "a")
    assert table.held[slot] == 19


def test_a_prompt_that_diverges_keeps_the_common_prefix() -> None:
    table = SlotTable(1, 64)
    slot, _, _ = seat(table, A, "a")
    compute(table, slot)
    seat(table, [*A[:15], 90, 91, 92, 93], "a")
    assert table.held[slot] == 15 and table.ids[slot, 15] == 90


def test_the_idle_session_used_longest_ago_is_evicted() -> None:
    table = SlotTable(2, 64)
    first, second = seat(table, A, "a")[0], seat(table, B, "b")[0]
    compute(table, second)
    compute(table, first)
    third, _, _ = seat(table, [99] * 12, "c")
    assert third == second and table.slot_of == {"a": first, "c": third}


def test_a_released_slot_goes_before_any_session() -> None:
    table = SlotTable(2, 64)
    first, second = seat(table, A, "a")[0], seat(table, B, "b")[0]
    for slot in (first, second):
        compute(table, slot)
    table.forget(second)
    assert seat(table, [99] * 12, "c")[0] == second and table.slot_of["a"] == first


def test_a_request_waits_when_every_slot_is_busy() -> None:
    table = SlotTable(1, 64)
    seat(table, A, "a")
    assert table.admit(request(B, "b")) is None and table.busy() == [0]


def test_a_second_request_of_a_busy_session_gets_another_slot() -> None:
    table = SlotTable(2, 64)
    first = seat(table, A, "a")[0]
    second = seat(table, B, "a")[0]
    assert first != second and table.slot_of == {"a": first} and table.session[second] is None


def test_a_new_session_copies_the_longest_prefix() -> None:
    table = SlotTable(3, 64)
    for prompt, name in ((A, "a"), ([*A[:12], 80, 81, 82], "b")):
        slot = seat(table, prompt, name)[0]
        compute(table, slot)
    slot, donor, length = seat(table, [*A[:18], 70, 71], "c")
    assert (slot, donor, length) == (2, 0, 18) and table.held[2] == 18


def test_a_request_waits_for_a_shared_prefix_that_is_being_computed() -> None:
    table = SlotTable(3, 64)
    first = seat(table, A, "a")[0]
    late = request([*A, 7], "b")
    assert table.admit(late) is None
    compute(table, first)
    assert table.admit(late) == (1, first, 20)


def test_short_common_prefixes_are_computed_again() -> None:
    table = SlotTable(2, 64)
    seat(table, A, "a")
    assert seat(table, [*A[:5], *B], "b")[2] == 0


def test_a_swap_moves_tokens_and_sessions() -> None:
    table = SlotTable(3, 64)
    seat(table, A, "a")
    seat(table, B, "b")
    table.swap(0, 2)
    assert table.slot_of == {"a": 2, "b": 1} and table.request[0] is None and table.busy() == [1, 2]
    assert np.array_equal(table.ids[2, :20], A) and table.wanted.tolist() == [0, 20, 20]


def test_new_weights_leave_tokens_to_compute_again_and_nothing_to_share() -> None:
    table = SlotTable(3, 64)
    idle = seat(table, A, "a")[0]
    compute(table, idle)
    running = seat(table, B, "b")[0]
    table.held[running] = 20
    table.invalidate()
    assert table.wanted[running] == 20 and table.held.sum() == 0
    assert seat(table, [*A, 1], "c")[2] == 0
