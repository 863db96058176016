"""Generation of repair tasks: insert bugs and keep those the tests detect.

The repository has to have tests.

Which bugs are tried, and in which order, depends on the source and the seed alone, not on how many
are validated in parallel. Bugs in related functions that were valid alone are then combined into
tasks that take several repairs.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.dependencies.resolve import resolve_dependencies
from turnwise.envs.swe.generate.issue_text import write_issue
from turnwise.envs.swe.generate.journal import Journal
from turnwise.envs.swe.generate.mutations import Edit, edits, relations, sound
from turnwise.envs.swe.generate.suite_runner import open_suite_runner
from turnwise.envs.swe.generate.validation import Bug, BugResult, BugValidator, SuiteBaseline
from turnwise.envs.swe.syntax import parse
from turnwise.envs.swe.tasks.repository import Repository
from turnwise.envs.swe.tasks.task import SweTask, digest
from turnwise.errors import ConfigError

COMBINATIONS_PER_TASK = 12
"""Combinations tried for each combined task."""
MAX_COMBINATIONS_PER_BUG = 2
"""Combined tasks that one bug is used in."""
FEW_FAILING_TESTS = 2
"""A bug that fails no more tests than this counts as harder to find."""


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """Settings of a generation.

    Args:
        number: tasks wanted.
        seed: selects bugs, their order and the wording of the issues.
        combined: share of tasks with bugs in two or three related functions.
        per_function: single-bug tasks allowed in one function.
        backend: sandbox backend.
        jobs: bugs validated in parallel.
        whole_suite: run the whole suite for every bug (slow; for comparison).
        requires: requirements beside those the repository declares.

    Raises:
        ConfigError: for numbers out of range.
    """

    number: int = 20
    seed: int = 0
    combined: float = 0.2
    per_function: int = 4
    backend: str = "auto"
    jobs: int = 1
    whole_suite: bool = False
    requires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.number < 1 or self.jobs < 1 or self.per_function < 1 or not 0 <= self.combined <= 1:
            raise ConfigError(
                f"{self} is out of range: number, jobs and per_function must be at least 1, and "
                "combined from 0 to 1"
            )


@dataclass
class GenerationTally:
    """Counts of the bugs tried so far."""

    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(operator, reason) -> count."""
    seconds: float = 0.0
    """Wall-clock seconds spent in sandboxes."""
    cpu: float = 0.0
    """Processor seconds spent in sandboxes, which do not depend on the load of the machine."""

    @property
    def tried(self) -> int:
        return sum(self.reasons.values())

    def count(self, reason: str, combined: bool | None = None) -> int:
        """Return how many bugs ended with `reason`: single ones, combined ones, or both (None)."""
        chosen = (
            n
            for (o, r), n in self.reasons.items()
            if r == reason and combined in (None, o == "combined")
        )
        return sum(chosen)


class Generation:
    """A generation over one repository; created by `generation`."""

    def __init__(
        self, repository: Repository, settings: GenerationSettings, validator: BugValidator
    ) -> None:
        self.repository, self.settings, self.validator = repository, settings, validator
        self.tally = GenerationTally()
        self._singles: list[tuple[Bug, BugResult]] = []
        self._tried: set[Bug] = set()
        self._used: Counter[object] = Counter()

    @property
    def baseline(self) -> SuiteBaseline:
        return self.validator.baseline

    def tasks(self) -> Iterator[SweTask]:
        """Yield tasks as they are found, single bugs first.

        Ends early if the repository has no more.
        """
        wanted = self.settings.number
        several = round(wanted * self.settings.combined) if wanted > 1 else 0
        given = 0
        singles = self._validated(self.bugs())
        for bug, result in itertools.chain(
            self._some(singles, wanted - several), self._combined(several)
        ):
            given += 1
            several -= len(bug.parts) > 1
            yield self._task(bug, result)
        # Too few combinations: add single bugs, one at a time, and what they combine to.
        while given < wanted:
            alone = list(self._some(singles, 1))
            if not alone:
                return
            for bug, result in itertools.chain(
                alone, self._combined(min(several, wanted - given - 1))
            ):
                given += 1
                several -= len(bug.parts) > 1
                yield self._task(bug, result)

    def _some(
        self, found: Iterator[tuple[Bug, BugResult]], number: int
    ) -> Iterator[tuple[Bug, BugResult]]:
        per_function: Counter[tuple[str, str]] = Counter(
            (b.parts[0][0], b.parts[0][1].function.name) for b, _ in self._singles
        )
        while number > 0:
            item = next(found, None)
            if item is None:
                return
            bug, result = item
            path, edit = bug.parts[0]
            if (
                result.reason != "valid"
                or per_function[path, edit.function.name] >= self.settings.per_function
            ):
                continue
            per_function[path, edit.function.name] += 1
            self._singles.append(item)
            number -= 1
            yield item

    def bugs(self, reached: bool = True) -> Iterator[Bug]:
        """Yield single bugs, shuffled, with the operators in turn.

        Only detectable ones if `reached`.
        """
        rng = random.Random(f"{self.settings.seed} {self.repository.sha256} sites")
        turns: dict[str, deque[tuple[str, Edit]]] = {}
        tree = self.repository.tree
        sites = [
            (path, edit)
            for path in self.repository.code_files
            if not _copied(path, tree)
            for edit in edits(tree[path])
        ]
        rng.shuffle(sites)
        for path, edit in sites:
            turns.setdefault(edit.operator, deque()).append((path, edit))
        order = deque(turns[name] for name in sorted(turns))
        while order:
            queue = order.popleft()
            path, edit = queue.popleft()
            if queue:
                order.append(queue)
            bug = Bug(((path, edit),))
            if (not reached or self.validator.detectable(bug)) and sound(tree[path], edit):
                yield bug

    def _combined(self, number: int) -> Iterator[tuple[Bug, BugResult]]:
        """Yield combinations of two or three valid bugs in related functions.

        None is masked by the others.
        """
        if number == 0:
            return
        known = dict(self._singles)
        rng = random.Random(f"{self.settings.seed} {self.repository.sha256} combinations")
        fresh = (bug for bug in self._related(list(known), rng) if bug not in self._tried)
        made = list(itertools.islice(fresh, COMBINATIONS_PER_TASK * number))
        for bug, result in self._validated(iter(made)):
            self._tried.add(bug)
            if any(self._used[part] >= MAX_COMBINATIONS_PER_BUG for part in bug.parts):
                continue
            alone = [set(known[Bug((part,))].fails) for part in bug.parts]
            if result.reason != "valid" or any(not own & set(result.fails) for own in alone):
                continue
            self._used.update(bug.parts)
            yield bug, result
            number -= 1
            if number == 0:
                return

    def _related(self, singles: list[Bug], rng: random.Random) -> Iterator[Bug]:
        trees = {
            path: parse(self.repository.tree[path])
            for path in sorted({bug.parts[0][0] for bug in singles})
        }
        related = relations(trees)
        where = {bug: (bug.parts[0][0], bug.parts[0][1].function.name) for bug in singles}
        groups = [
            group
            for size in (2, 3)
            for group in itertools.islice(itertools.combinations(singles, size), 20_000)
            if len({where[bug] for bug in group}) == size
            and all(any(where[b] in related[where[a]] for b in group if b is not a) for a in group)
        ]
        rng.shuffle(groups)
        for group in groups:
            parts = sorted(
                (bug.parts[0] for bug in group), key=lambda part: (part[0], part[1].start)
            )
            yield Bug(tuple(parts))

    def _validated(self, bugs: Iterator[Bug]) -> Iterator[tuple[Bug, BugResult]]:
        """Yield every bug with its result, in order; `jobs` run in parallel."""
        pool = ThreadPoolExecutor(self.settings.jobs)
        waiting: deque[tuple[Bug, Future[BugResult]]] = deque()
        try:
            while True:
                for bug in itertools.islice(bugs, self.settings.jobs - len(waiting)):
                    waiting.append((bug, pool.submit(self.validator.validate, bug)))
                if not waiting:
                    return
                bug, future = waiting.popleft()
                result = future.result()
                self.tally.reasons[bug.operator, result.reason] += 1
                self.tally.seconds += result.seconds
                self.tally.cpu += result.cpu
                yield bug, result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _task(self, bug: Bug, result: BugResult) -> SweTask:
        repository, fails = self.repository, result.fails
        mutations = bug.mutations(repository.tree)
        key = digest(repr(mutations).encode())[:10]
        rng = random.Random(f"{self.settings.seed} {key}")
        modules = sorted({_module(m.path) for m in mutations})
        return SweTask(
            id=f"{repository.name}-{repository.version}-{key}",
            source=repository.source,
            name=repository.name,
            version=repository.version,
            sha256=repository.sha256,
            mutations=mutations,
            issue=write_issue(
                result.failures, fails, repository.name, repository.version, modules, rng
            ),
            fail_to_pass=fails,
            pass_to_pass=tuple(test for test in self.baseline.suite if test not in set(fails)),
            test_files=repository.test_files,
            difficulty=difficulty(bug, len(fails)),
            seed=self.settings.seed,
            roots=repository.roots,
            requires=repository.requires,
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
        )


@contextmanager
def generation(
    repository: Repository,
    settings: GenerationSettings,
    journal: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Generation]:
    """Run the suite twice and yield a generation of tasks.

    Args:
        repository: the repository to put bugs into.
        settings: how many tasks, and which.
        journal: file that stores results, so that a second call continues an interrupted one.
        note: receives progress messages.

    Raises:
        DataError: for a repository that cannot be used, or a journal of another one.
        SandboxError: if no sandbox is available.
    """
    python.check_name(repository.name)
    about = {
        "sha256": repository.sha256,
        "python": sys.version.split()[0],
        "pytest": python.requirements()["pytest"],
    }
    if settings.requires:
        about["asked"] = ", ".join(settings.requires)
    answers = Journal(journal, about)
    repository = resolve_dependencies(repository, settings.requires, answers, note)
    with open_suite_runner(repository, settings.backend) as runner:
        note(f"running the tests of {repository.name} {repository.version} twice")
        yield Generation(repository, settings, BugValidator(runner, answers, settings.whole_suite))


def difficulty(bug: Bug, failing: int) -> int:
    """Rate a bug from 1 (one site, several failing tests) to 5 (three sites, few).

    Removed code counts as two sites.
    """
    sites = len(bug.parts) + any(edit.operator == "body_removed" for _, edit in bug.parts)
    return min(5, {1: 1, 2: 3}.get(sites, 4) + (failing <= FEW_FAILING_TESTS))


def _copied(path: str, tree: Mapping[str, bytes]) -> bool:
    """Return whether the same file occurs twice: which copy the tests use is unknown."""
    return len(tree[path]) > 200 and any(
        other != path and data == tree[path] for other, data in tree.items()
    )


def _module(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
