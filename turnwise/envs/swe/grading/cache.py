"""Cache of verdicts: grading takes seconds, and equal submissions get the same verdict."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache

from turnwise.envs.swe.grading import Rules, Verdict, grade
from turnwise.envs.swe.sandbox_pool import SandboxOpener, opener
from turnwise.envs.swe.tasks.task import SweTask, tree_digest
from turnwise.sandbox.contract import SandboxError

MAX_CACHED_VERDICTS = 4096
"""Verdicts kept by one cache."""
_GRADING_SLOTS = threading.BoundedSemaphore(max(2, len(os.sched_getaffinity(0))))
"""Concurrent gradings of this process. Each runs whole test suites; more than the processors can
carry would push each other over their time limits.
"""


class GradingCache:
    """Grades submissions and remembers the verdicts.

    Args:
        open_sandbox: opens the grader's sandboxes.
    """

    def __init__(self, open_sandbox: SandboxOpener) -> None:
        self._open = open_sandbox
        self._known: OrderedDict[tuple[str, str, Rules], Verdict] = OrderedDict()
        self._lock = threading.Lock()

    def verdict(
        self,
        task: SweTask,
        pristine: Mapping[str, bytes],
        submitted: Mapping[str, bytes],
        rules: Rules,
    ) -> Verdict:
        """Return the verdict on a submission.

        Raises `SandboxError`, and stores nothing, if it cannot be graded.
        """
        key = (task.id, tree_digest(submitted), rules)
        if (known := self._recall(key)) is not None:
            return known
        with _GRADING_SLOTS:
            if (known := self._recall(key)) is not None:  # graded while this thread waited
                return known
            verdict = grade(task, pristine, submitted, self._open, rules)
        if verdict.error:
            raise SandboxError(f"the repair of {task.id} could not be graded: {verdict.error}")
        with self._lock:
            self._known[key] = verdict
            if len(self._known) > MAX_CACHED_VERDICTS:
                self._known.popitem(last=False)
        return verdict

    def _recall(self, key: tuple[str, str, Rules]) -> Verdict | None:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)


@lru_cache(maxsize=8)
def shared_cache(backend: str) -> GradingCache:
    """Return this process's cache for one sandbox backend."""
    return GradingCache(opener(backend))
