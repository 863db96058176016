"""Calls in threads with a time limit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from turnwise.agents.threads import in_thread


def test_results_and_errors_are_returned() -> None:
    async def both() -> None:
        assert (
            await in_thread(lambda: threading.current_thread() is threading.main_thread(), 5, "it")
            is False
        )
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: 1 / 0, 5, "it")

    asyncio.run(both())


def test_a_timeout_names_the_call_and_a_late_result_is_dropped() -> None:
    gate = threading.Event()

    async def late() -> None:
        with pytest.raises(TimeoutError, match=r"the step did not return within 0\.02 s"):
            await in_thread(gate.wait, 0.02, "the step")
        gate.set()
        await asyncio.sleep(0.02)

    asyncio.run(late())


def test_a_timeout_raised_inside_is_not_the_limit() -> None:
    def fail() -> None:
        raise TimeoutError("the disk is slow")

    async def inside() -> None:
        with pytest.raises(TimeoutError, match="the disk is slow"):
            await in_thread(fail, 5, "it")

    asyncio.run(inside())


def test_a_hanging_call_does_not_keep_the_program_from_ending() -> None:
    program = """
import asyncio, threading
from turnwise.agents.threads import in_thread
try:
    asyncio.run(in_thread(threading.Event().wait, 0.05, "the step"))
except TimeoutError as problem:
    print(problem)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "the step did not return" in done.stdout
