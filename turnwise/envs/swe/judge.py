"""Whether a bug makes a task: some tests fail by it, most do not, all can still be collected, and
twice the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from turnwise.envs.swe.coverage import Box, Reach
from turnwise.envs.swe.journal import Journal
from turnwise.envs.swe.mutate import Edit, rebuild, record
from turnwise.envs.swe.mutate.site import statement
from turnwise.envs.swe.settings import marks
from turnwise.envs.swe.source import suite_files
from turnwise.envs.swe.task import Mutation, digest
from turnwise.errors import DataError

BROADEST = 0.5
"""Share of the suite that may fail."""
REASONS = ("valid", "survived", "broad", "collection", "timeout", "died", "flaky", "overlap")


@dataclass(frozen=True, slots=True)
class Bug:
    """Edits that are made together; of one, or of several in related functions."""

    parts: tuple[tuple[str, Edit], ...]
    """Path and edit, sorted by path and position."""

    @property
    def operator(self) -> str:
        """For tables: the operator's name, or `combined`."""
        return self.parts[0][1].operator if len(self.parts) == 1 else "combined"

    def mutations(self, tree: Mapping[str, bytes]) -> tuple[Mutation, ...]:
        """As a recipe has them."""
        return tuple(record(path, tree[path], edit) for path, edit in self.parts)

    def changed(self, tree: Mapping[str, bytes]) -> dict[str, bytes]:
        """The files that are other than they were. Raises `DataError` where the edits overlap."""
        made = self.mutations(tree)
        return {
            path: rebuild(tree[path], [m for m in made if m.path == path])
            for path in {m.path for m in made}
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a bug."""

    reason: str
    """One of `REASONS`; `valid` makes a task."""
    fails: tuple[str, ...] = ()
    """Tests that fail by it, sorted."""
    evidence: tuple[Mapping[str, Any], ...] = field(default=())
    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the runs that came to an end."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The suite without any bug."""

    suite: tuple[str, ...]
    """Tests that passed twice, and where submissions are graded; sorted."""
    files: tuple[str, ...]
    """Test files that can be collected."""
    reach: Reach
    seconds: float
    cpu: float
    unstable: int
    """Tests that did not end the same way twice, or not in passing; they count nowhere."""
    lost: int = 0
    """Test files that could not be imported."""
    missing: str = ""
    """A sentence about what tests lack here; empty where they lack nothing."""


class Judge:
    """Runs the tests that a bug can reach, and judges it.

    Args:
        box: opens boxes with the repository.
        journal: of what was judged before.
        whole_suite: run every test for every bug, instead of those that it can reach.
    """

    def __init__(self, box: Box, journal: Journal, whole_suite: bool = False) -> None:
        self.box, self.journal, self.whole_suite = box, journal, whole_suite
        self.tree = box.repository.tree
        self.baseline = self._baseline()

    def _baseline(self) -> Baseline:
        known = self.journal.get("baseline")
        if known is None:
            known = self._observe_twice()
            self.journal.put("baseline", known)
        suite = tuple(known["suite"])
        reach = Reach(known["coverage"], suite)
        seen = (
            known["seconds"],
            known["cpu"],
            known["unstable"],
            known.get("lost", 0),
            known.get("missing", ""),
        )
        return Baseline(suite, tuple(known["files"]), reach, *seen)

    def _observe_twice(self) -> dict[str, Any]:
        name = self.box.repository.name
        first = self.box.run(
            suite_files(self.box.repository.test_files), marks=marks(self.tree), trace=True
        )
        if first.ending:
            raise DataError(
                f"the tests of {name} did not come to an end ({first.ending}): it cannot be made into tasks"
            )
        files = [
            path for path in suite_files(self.box.repository.test_files) if path not in first.errors
        ]
        second = self.box.run(
            files, chosen=first.of("passed")
        )  # without those that fail, or take too long
        suite = sorted(self.box.graded(first.of("passed") & second.of("passed")))
        if second.ending or not suite:
            raise DataError(
                f"no test of {name} passes here ({len(first.errors)} files could not be imported, {len(first.outcomes)} tests were "
                f"run): {_missing(first.missing) or 'it may need packages that the sandbox does not have'}"
            )
        unstable = len(first.outcomes.keys() | second.outcomes.keys()) - len(suite)
        coverage, times = first.coverage, {"seconds": second.seconds, "cpu": second.cpu}
        told = {"lost": len(first.errors), "missing": _missing(first.missing)}
        return {
            "suite": suite,
            "files": files,
            "coverage": coverage,
            "unstable": unstable,
            **times,
            **told,
        }

    def reached(self, bug: Bug) -> frozenset[str]:
        """The tests that must be run to judge a bug."""
        if self.whole_suite:
            return frozenset(self.baseline.suite)
        return frozenset().union(
            *(self.baseline.reach.tests(path, edit.function) for path, edit in bug.parts)
        )

    def worth(self, bug: Bug) -> bool:
        """Whether some test can tell the bug: it reaches the function, and the statement where it
        is.
        """
        reach = self.baseline.reach
        ran = (
            reach.runs(path, edit.function, *statement(self.tree[path], edit.start))
            for path, edit in bug.parts
        )
        return bool(self.reached(bug)) and all(ran)

    def judge(self, bug: Bug) -> Judgement:
        """Judge a bug, or look up how it was judged."""
        key = digest(repr((bug.mutations(self.tree), self.whole_suite)).encode())
        known = self.journal.get(key)
        if known is None:
            made = self._judge(bug)
            known = {
                "reason": made.reason,
                "fails": made.fails,
                "evidence": made.evidence,
                "times": [made.seconds, made.cpu],
            }
            self.journal.put(key, known)
        return Judgement(
            known["reason"], tuple(known["fails"]), tuple(known["evidence"]), *known["times"]
        )

    def _judge(self, bug: Bug) -> Judgement:
        tests = self.reached(bug)
        if not tests:
            return Judgement("survived")
        try:
            changed = bug.changed(self.tree)
        except DataError:
            return Judgement("overlap")
        files = sorted({test.partition("::")[0] for test in tests})
        limit = 5.0 + 4.0 * self.baseline.cpu
        spent, cpu, seen = 0.0, 0.0, []
        for _ in range(2):
            run = self.box.run(
                files, changed, tests, seconds=60.0 + 20.0 * self.baseline.seconds, cpu=limit
            )
            spent, cpu = spent + run.seconds, cpu + run.cpu
            if run.ending:
                return Judgement(
                    "timeout" if run.ending == "timeout" else "died", seconds=spent, cpu=cpu
                )
            if run.errors:
                return Judgement("collection", seconds=spent, cpu=cpu)
            fails = tuple(sorted(tests - run.of("passed")))
            if not fails or len(fails) > BROADEST * len(self.baseline.suite):
                return Judgement("broad" if fails else "survived", fails, seconds=spent, cpu=cpu)
            seen.append(fails)
        if seen[0] != seen[1]:
            return Judgement("flaky", seconds=spent, cpu=cpu)
        told = tuple(run.failures[test] for test in seen[0] if test in run.failures)
        return Judgement("valid", seen[0], told, spent, cpu)


def _missing(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return (
        f"its tests lack {', '.join(names[:6])}: name with --requires the packages that bring them"
    )
