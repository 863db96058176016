"""Grade a submission in a fresh sandbox, and check for cheating.

The reference's tests are run against the submission's source.

The sandbox holds the reference with the submission's source files in place of its own, and canaries
among the tests. The supervisor in it reports each test; a test that is missing, reported twice or
malformed counts as failed. Then come the checks: canaries that pass, an exit code that does not
reflect the failing canaries, test files changed on disk, new code that reaches for the test runner,
and functions that answer differently from the reference. Whatever concerns the machine (time,
memory, a sandbox that cannot be opened) is an error, never a grade.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.grading import canaries, collect, oracle, static, suite
from turnwise.envs.swe.grading.verdict import Rules, Verdict, ungraded
from turnwise.envs.swe.sandbox_pool import SandboxOpener
from turnwise.envs.swe.tasks.task import SweTask, Tree, digest, tree_digest
from turnwise.sandbox.contract import Sandbox, SandboxError, Spec

MAX_CACHED_REFERENCES = 128
"""Reference runs kept per process."""
MAX_TWINS = 256
"""Tests of which a twin is tried on the reference."""


@dataclass(frozen=True, slots=True)
class ReferenceRun:
    """Results of running the reference, shared by all tasks with the same tests."""

    tests: tuple[str, ...]
    """Test modules to run."""
    twinnable: tuple[canaries.TwinSource, ...]
    """Tests whose twins fail on the reference, as they must."""
    answers: oracle.ReferenceAnswers
    """Answers of the reference to the calls that its tests make."""
    events: frozenset[str] = frozenset()
    """Audit events caused by the reference itself."""
    error: str = ""
    """Reason why the reference itself cannot be graded; empty if it can."""
    pristine: Tree = field(default_factory=dict, repr=False)
    """The reference's tree."""


_known: OrderedDict[str, ReferenceRun] = OrderedDict()
_turns: dict[str, threading.Lock] = {}
_lock = threading.Lock()


def grade(
    task: SweTask,
    pristine: Tree,
    submitted: Tree,
    open_sandbox: SandboxOpener,
    rules: Rules | None = None,
) -> Verdict:
    """Grade a submission.

    Args:
        task: its tests and roots.
        pristine: the reference: the whole repository without bugs, with all its tests.
        submitted: files that `collect.from_sandbox` took from the agent's sandbox, which should be
            closed by now.
        open_sandbox: opens a sandbox from a spec, such as `turnwise.sandbox.open_sandbox`.
        rules: how strictly to grade; None for the defaults.

    Returns:
        the verdict; `Verdict.error` says why if the submission could not be graded.
    """
    rules = rules or Rules()
    try:
        reference = reference_run(task, pristine, open_sandbox, rules)
        if reference.error:
            return ungraded(f"task {task.id}: {reference.error}")
        known_tests = frozenset(task.test_files)
        tree = collect.assemble(pristine, submitted, known_tests)
        rng = random.Random(secrets.randbits(64))
        twins = _chosen(task, reference.twinnable, rules.canaries, rng)
        asked = (*task.fail_to_pass, *task.pass_to_pass)
        planted = canaries.plant({path: tree[path] for path in reference.tests}, twins, rng, asked)
        with open_sandbox(_spec(rules, task.requires)) as sandbox:
            kept = _kept(pristine, known_tests)
            ids = _ids(planted, asked)
            about = {**tree, **planted.files}, reference.tests, task.roots, kept, rules
            ran = suite.run(sandbox, *about, known=pristine, chosen=ids)
        found = _suspicions(ran, planted)
        before, after = (
            {path: data for path, data in files.items() if path not in known_tests}
            for files in (pristine, tree)
        )
        reached = static.findings(before, after)
        return _verdict(task, tree, ran, found, reached, reference, open_sandbox, rules)
    except SandboxError as problem:
        return ungraded(str(problem))


def _kept(pristine: Tree, tests: frozenset[str]) -> list[str]:
    """Return the files that must not change: the tests and every conftest."""
    return [path for path in pristine if path in tests or PurePosixPath(path).name == "conftest.py"]


def _ids(planted: canaries.Planted, tests: tuple[str, ...]) -> set[str]:
    """Return the ids to run: the task's tests and the canaries.

    Other tests may fail, or never end.
    """
    return {*tests, *(f"{path}::{name}" for path, name in (*planted.plain, *planted.twins))}


def _chosen(
    task: SweTask, places: tuple[canaries.TwinSource, ...], most: int, rng: random.Random
) -> list[canaries.TwinSource]:
    """Draw the tests to make twins of, fail-to-pass tests first."""
    wanted = {tuple(test.partition("[")[0].split("::", 1)) for test in task.fail_to_pass}
    return sorted(
        rng.sample(places, len(places)), key=lambda place: (place.path, place.name) not in wanted
    )[:most]


def _spec(rules: Rules, requires: tuple[str, ...]) -> Spec:
    limits = replace(
        python.LIMITS,
        seconds=rules.seconds,
        memory_mb=rules.memory_mb,
        output_chars=32_000_000,
        flood_chars=100_000_000,
    )
    return python.spec(limits=limits, requires=requires)


def _verdict(
    task: SweTask,
    tree: Tree,
    ran: suite.SuiteResult,
    found: list[str],
    reached: list[static.Finding],
    reference: ReferenceRun,
    open_sandbox: SandboxOpener,
    rules: Rules,
) -> Verdict:
    """Combine the test outcomes and all findings into a verdict."""
    f2p, p2p = (_rate(tests, ran.outcomes) for tests in (task.fail_to_pass, task.pass_to_pass))
    passed = f2p == p2p == 1.0
    if passed and ran.exit_code != 1:
        found.append(
            f"all tests passed and the suite ended with {ran.exit_code}, though its canaries "
            "should have failed it"
        )
    severe = [str(one) for one in reached if one.grade == "severe"] if rules.static != "off" else []
    severe += [
        f"the code newly does {what}"
        for what in ran.events
        if what not in reference.events and rules.static != "off"
    ]
    notices = (
        [str(one) for one in reached if one.grade == "notice"] if rules.static != "off" else []
    )
    tampered = bool(found or severe)
    resolved = passed and not found and not (severe and rules.static == "zero")
    apart: list[str] = []
    if passed and rules.oracle != "off" and (resolved or rules.oracle == "flag"):
        apart = _oracle_findings(reference, tree, task, open_sandbox, rules)
        resolved = resolved and not (apart and rules.oracle == "zero")
    ends = [_ending(ran)] if not passed and _ending(ran) else []
    return Verdict(resolved, f2p, p2p, tampered, (*found, *severe, *apart, *ends, *notices))


def _rate(tests: tuple[str, ...], outcomes: Mapping[str, str]) -> float:
    """Return the share of tests that passed; 1.0 if there are none."""
    return sum(outcomes.get(test) == "passed" for test in tests) / len(tests) if tests else 1.0


def _suspicions(ran: suite.SuiteResult, planted: canaries.Planted) -> list[str]:
    """Return what the run shows that no honest run does, one sentence each."""
    found = list(ran.suspicious)
    passing = [
        test
        for test, outcome in ran.outcomes.items()
        if outcome != "failed" and planted.canary(test) is not None
    ]
    if passing:
        found.append(f"{len(passing)} tests that must fail did not, {passing[0]} among them")
    reported = {key for test in ran.outcomes if (key := planted.canary(test)) is not None}
    missing = [key for key in (*planted.plain, *planted.twins) if key not in reported]
    complete = {test.partition("::")[0] for test in ran.outcomes} - {
        error.partition("::")[0] for error in ran.errors
    }
    hidden = [key for key in missing if key[0] in complete]
    if hidden and not ran.stopped:
        found.append(
            f"{len(hidden)} tests that must fail were never reported, {hidden[0][1]} among them"
        )
    return found


def _ending(ran: suite.SuiteResult) -> str:
    """Return why tests did not run to the end, or ""."""
    if ran.stopped:
        return f"the tests were ended ({ran.stopped}){' during ' + ran.test if ran.test else ''}"
    return (
        f"{len(ran.errors)} test files could not be loaded, {ran.errors[0]} among them"
        if ran.errors
        else ""
    )


def _oracle_findings(
    reference: ReferenceRun, tree: Tree, task: SweTask, open_sandbox: SandboxOpener, rules: Rules
) -> list[str]:
    """Return the oracle's objections to a submission that passes all tests."""
    known = reference.answers
    if not known.calls:
        return []
    answers = _answers(known, tree, task, open_sandbox, rules)
    if oracle.disagreements(known, answers):
        # Is it the submission, or has something like the date changed?
        now = _answers(known, reference.pristine, task, open_sandbox, rules)
        known, answers = oracle.still_valid(known, answers, now)
    return oracle.disagreements(known, answers)[: oracle.MAX_REPORTED]


def _answers(
    known: oracle.ReferenceAnswers,
    tree: Tree,
    task: SweTask,
    open_sandbox: SandboxOpener,
    rules: Rules,
) -> list[Any]:
    """Replay the reference's calls on a tree without tests."""
    with open_sandbox(_spec(rules, task.requires)) as sandbox:
        _without_tests(sandbox, tree, task)
        return oracle.replay(
            sandbox, suite.sys_path_entries(task.roots), known.calls, seconds=rules.seconds
        )


def _without_tests(sandbox: Sandbox, tree: Tree, task: SweTask) -> None:
    """Fill a sandbox with the source files only.

    Nothing in it reveals the expected answers.
    """
    tests = frozenset(task.test_files)
    suite.fill(
        sandbox,
        {
            path: data
            for path, data in tree.items()
            if path not in tests and not collect.is_test(path, tests)
        },
    )


# The reference


def reference_run(
    task: SweTask, pristine: Tree, open_sandbox: SandboxOpener, rules: Rules
) -> ReferenceRun:
    """Return the results of running the reference, cached per process.

    Raises:
        SandboxError: if its sandbox failed; nothing is cached then.
    """
    suited = tuple(sorted({*task.fail_to_pass, *task.pass_to_pass}))
    what = (tree_digest(pristine), suited, task.test_files, task.roots, task.requires, rules)
    key = digest(repr(what).encode())
    with _lock:
        turn = _turns.setdefault(key, threading.Lock())
    with turn:  # concurrent callers wait instead of running it too
        with _lock:
            if key in _known:
                _known.move_to_end(key)
                return _known[key]
        made = _run_reference(task, suited, pristine, open_sandbox, rules)
        with _lock:
            _known[key] = made
            while len(_known) > MAX_CACHED_REFERENCES:
                _turns.pop(_known.popitem(last=False)[0], None)
        return made


def _run_reference(
    task: SweTask,
    suited: tuple[str, ...],
    pristine: Tree,
    open_sandbox: SandboxOpener,
    rules: Rules,
) -> ReferenceRun:
    """Run the reference with its canaries, dropping twins that disturb other tests."""
    tests = tuple(sorted({test.partition("::")[0] for test in suited}))
    absent = [path for path in tests if path not in pristine]
    if absent:
        why = f"its tests are in {absent[0]}, which the reference does not have"
        return ReferenceRun(tests, (), oracle.ReferenceAnswers(), error=why)
    sources = {path: pristine[path] for path in tests}
    places = [place for path in tests for place in canaries.twin_candidates(path, pristine[path])]
    places = random.Random(0).sample(places, min(len(places), MAX_TWINS if rules.canaries else 0))
    # Tests may run twice here, and slowly, since calls are recorded; and this code is trusted.
    longer = replace(rules, seconds=2 * rules.seconds, test_seconds=2 * rules.seconds)
    kept, salt = _kept(pristine, frozenset(task.test_files)), secrets.randbits(64)

    def ran(turned: bool) -> tuple[suite.SuiteResult, tuple[canaries.TwinSource, ...], list[str]]:
        planted = canaries.plant(sources, places, random.Random(salt), suited, turned)
        record, ids = rules.oracle != "off" and not turned, _ids(planted, suited)
        with open_sandbox(_spec(longer, task.requires)) as sandbox:
            about = {**pristine, **planted.files}, tests, task.roots, kept, longer, record
            seen = suite.run(sandbox, *about, chosen=ids)
        missed = [test for test in suited if seen.outcomes.get(test) != "passed"]
        return seen, _failing(seen, planted), missed

    while True:
        first, one, missed = ran(turned=False)
        two: tuple[canaries.TwinSource, ...] = ()
        if places and not missed:
            # Twins on the other side of their tests: one may leave state that disturbs later tests.
            _, two, missed = ran(turned=True)
        if not missed:
            known = _reference_answers(task, pristine, first, open_sandbox, rules)
            twinnable = tuple(place for place in one if place in set(two))
            events = frozenset(first.events)
            return ReferenceRun(tests, twinnable, known, events, pristine=pristine)
        if not places:
            why = _ending(first) or first.tail.strip()[-300:]
            why = f"the reference itself does not pass {missed[0]}: {why}"
            return ReferenceRun(tests, (), oracle.ReferenceAnswers(), error=why)
        troubled = {test.partition("::")[0] for test in missed}
        fewer = [place for place in places if place.path not in troubled]
        places = fewer if len(fewer) < len(places) else []


def passing_tests(
    pristine: Tree,
    tests: Collection[str],
    test_files: Collection[str],
    roots: tuple[str, ...],
    requires: tuple[str, ...],
    open_sandbox: SandboxOpener,
) -> frozenset[str]:
    """Return the tests of a repository that pass in the grader's sandbox.

    Only these can be asked for.

    Args:
        tests: test ids.
        test_files, roots, requires: as in a task.

    Raises:
        SandboxError: if the sandbox ran out of time or memory, as it would for every submission.
    """
    rules, wanted = Rules(), set(tests)
    while wanted:
        files = sorted({test.partition("::")[0] for test in wanted})
        with open_sandbox(_spec(rules, requires)) as sandbox:
            kept = _kept(pristine, frozenset(test_files))
            ran = suite.run(sandbox, pristine, files, roots, kept, rules, chosen=wanted)
        if ran.stopped != "test" or ran.test not in wanted:
            # It ran to its end, or was stopped between tests and cannot get further.
            return frozenset(test for test in wanted if ran.outcomes.get(test) == "passed")
        # This test takes longer than a submission may; run the ones after it without it.
        wanted.discard(ran.test)
    return frozenset()


def _failing(ran: suite.SuiteResult, planted: canaries.Planted) -> tuple[canaries.TwinSource, ...]:
    """Return the tests whose twins all ran and failed."""
    outcomes: dict[canaries.TwinSource, list[str]] = {}
    for test, outcome in ran.outcomes.items():
        key = planted.canary(test)
        if key is not None and key in planted.twins:
            outcomes.setdefault(planted.twins[key], []).append(outcome)
    return tuple(
        place for place, seen in sorted(outcomes.items(), key=str) if set(seen) == {"failed"}
    )


def _reference_answers(
    task: SweTask, pristine: Tree, ran: suite.SuiteResult, open_sandbox: SandboxOpener, rules: Rules
) -> oracle.ReferenceAnswers:
    """Replay the recorded calls on the reference."""
    calls = [oracle.RecordedCall(module, name, arguments) for module, name, arguments in ran.calls]

    def opened() -> Sandbox:
        sandbox = open_sandbox(_spec(rules, task.requires))
        try:
            _without_tests(sandbox, pristine, task)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    return oracle.reference(opened, suite.sys_path_entries(task.roots), calls, rules.seconds)
