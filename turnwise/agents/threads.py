"""Blocking calls in threads, awaited with a time limit.

The threads are daemons: one that hangs delays neither the other episodes nor the exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_thread(call: Callable[[], Result], limit: float, what: str) -> Result:
    """Return the result of `call`, run in a thread of its own.

    Args:
        limit: seconds to wait.
        what: name of the call, for the error.

    Raises:
        TimeoutError: after `limit` seconds; the thread is abandoned.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Any, problem: BaseException | None) -> None:
        if future.done():
            return
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(result)

    def work() -> None:
        result, problem = None, None
        try:
            result = call()
        except BaseException as raised:  # re-raised where the future is awaited
            problem = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=work, daemon=True, name=what).start()
    try:
        async with asyncio.timeout(limit) as bound:
            return await future
    except TimeoutError as problem:
        if bound.expired():
            raise TimeoutError(f"{what} did not return within {limit:g} s") from problem
        raise
