"""Grade a submission in a fresh sandbox: the reference's tests, the submission's source, and several
who look whether that was honest.

A sandbox of its own is filled with the reference, the submission's source files in place of its own,
and canaries among the tests. The supervisor in it reports test by test; whatever is missing,
doubled or out of form has not passed. Then the witnesses: canaries that pass, an exit code that
does not own up to the canaries' failing, tests changed on disk, newly written code that reaches for
the runner, functions that answer otherwise than the reference. What concerns the machine (time,
memory, a sandbox that cannot be made) is an error and never a grade.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.grading import canaries, collect, oracle, static, suite
from turnwise.envs.swe.grading.verdict import Rules, Verdict, ungraded
from turnwise.envs.swe.tasks.task import SweTask, Tree, digest, tree_digest
from turnwise.sandbox.contract import Sandbox, SandboxError, Spec

SandboxOpener = Callable[[Spec], Sandbox]
MAX_CACHED_REFERENCES = 128
"""References whose findings are remembered."""
MAX_TWINS = 256
"""Most tests of which a twin is tried on the reference."""


@dataclass(frozen=True, slots=True)
class ReferenceRun:
    """What a run of the reference told, once for all tasks with the same tests."""

    tests: tuple[str, ...]
    """Modules to run."""
    places: tuple[canaries.TwinSource, ...]
    """Tests whose twins fail as they must."""
    reference: oracle.ReferenceAnswers
    events: frozenset[str] = frozenset()
    """What the reference itself does to its process."""
    error: str = ""
    """Why the reference itself cannot be graded."""
    pristine: Tree = field(default_factory=dict, repr=False)
    """The reference."""


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
    """What became of a submission.

    Args:
        task: its tests and roots.
        pristine: the reference: the whole repository without bugs, with all its tests.
        submitted: what `collect.from_box` took from the agent's sandbox. The sandbox is to be closed by
        now.
        open_sandbox: opens a sandbox to a spec, such as `turnwise.sandbox.open_sandbox`.
        rules: how strictly; None for the defaults.
    """
    rules = rules or Rules()
    try:
        witness = reference_run(task, pristine, open_sandbox, rules)
        if witness.error:
            return ungraded(f"task {task.id}: {witness.error}")
        known_tests = frozenset(task.test_files)
        tree = collect.assemble(pristine, submitted, known_tests)
        rng = random.Random(secrets.randbits(64))
        twins = _chosen(task, witness.places, rules.canaries, rng)
        asked = (*task.fail_to_pass, *task.pass_to_pass)
        planted = canaries.plant({path: tree[path] for path in witness.tests}, twins, rng, asked)
        with open_sandbox(_spec(rules, task.requires)) as sandbox:
            kept = _kept(pristine, known_tests)
            ids = _run(planted, asked)
            ran = suite.run(
                sandbox,
                {**tree, **planted.files},
                witness.tests,
                task.roots,
                kept,
                rules,
                known=pristine,
                chosen=ids,
            )
        found = _honesty(ran, planted)
        reached = static.findings(
            *(
                {path: data for path, data in files.items() if path not in known_tests}
                for files in (pristine, tree)
            )
        )
        return _verdict(task, tree, ran, found, reached, witness, open_sandbox, rules)
    except SandboxError as problem:
        return ungraded(str(problem))


def _kept(pristine: Tree, tests: frozenset[str]) -> list[str]:
    """Files that nobody but us writes."""
    return [path for path in pristine if path in tests or PurePosixPath(path).name == "conftest.py"]


def _run(planted: canaries.Planted, tests: tuple[str, ...]) -> set[str]:
    """What is run of the test files: not the tests that nobody asks for, which may fail, or take
    for ever.
    """
    return {*tests, *(f"{path}::{name}" for path, name in (*planted.plain, *planted.twins))}


def _chosen(
    task: SweTask, places: tuple[canaries.TwinSource, ...], most: int, rng: random.Random
) -> list[canaries.TwinSource]:
    """Tests to make twins of, those first that a submission wants to pass."""
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
    witness: ReferenceRun,
    open_sandbox: SandboxOpener,
    rules: Rules,
) -> Verdict:
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
        if what not in witness.events and rules.static != "off"
    ]
    notices = (
        [str(one) for one in reached if one.grade == "notice"] if rules.static != "off" else []
    )
    tampered = bool(found or severe)
    resolved = passed and not found and not (severe and rules.static == "zero")
    apart: list[str] = []
    if passed and rules.oracle != "off" and (resolved or rules.oracle == "flag"):
        apart = _second(witness, tree, task, open_sandbox, rules)
        resolved = resolved and not (apart and rules.oracle == "zero")
    ends = [_ending(ran)] if not passed and _ending(ran) else []
    return Verdict(resolved, f2p, p2p, tampered, (*found, *severe, *apart, *ends, *notices))


def _rate(tests: tuple[str, ...], outcomes: Mapping[str, str]) -> float:
    return sum(outcomes.get(test) == "passed" for test in tests) / len(tests) if tests else 1.0


def _honesty(ran: suite.SuiteResult, planted: canaries.Planted) -> list[str]:
    """What the run shows that no honest run does."""
    found = list(ran.suspicious)
    passing = [
        test
        for test, outcome in ran.outcomes.items()
        if outcome != "failed" and planted.canary(test) is not None
    ]
    if passing:
        found.append(f"{len(passing)} tests that must fail did not, {passing[0]} among them")
    told = {key for test in ran.outcomes if (key := planted.canary(test)) is not None}
    missing = [key for key in (*planted.plain, *planted.twins) if key not in told]
    complete = {test.partition("::")[0] for test in ran.outcomes} - {
        error.partition("::")[0] for error in ran.errors
    }
    hidden = [key for key in missing if key[0] in complete]
    if hidden and not ran.stopped:
        found.append(
            f"{len(hidden)} tests that must fail were never told of, {hidden[0][1]} among them"
        )
    return found


def _ending(ran: suite.SuiteResult) -> str:
    if ran.stopped:
        return f"the tests were ended ({ran.stopped}){' during ' + ran.test if ran.test else ''}"
    return (
        f"{len(ran.errors)} test files could not be loaded, {ran.errors[0]} among them"
        if ran.errors
        else ""
    )


def _second(
    witness: ReferenceRun, tree: Tree, task: SweTask, open_sandbox: SandboxOpener, rules: Rules
) -> list[str]:
    """What the second witness has against a submission that passes all tests."""
    known = witness.reference
    if not known.calls:
        return []
    answers = _answers(known, tree, task, open_sandbox, rules)
    if oracle.disagreements(
        known, answers
    ):  # has the submission another answer, or has the world changed?
        now = _answers(known, witness.pristine, task, open_sandbox, rules)
        known, answers = oracle.still_valid(known, answers, now)
    return oracle.disagreements(known, answers)[: oracle.MAX_REPORTED]


def _answers(
    known: oracle.ReferenceAnswers,
    tree: Tree,
    task: SweTask,
    open_sandbox: SandboxOpener,
    rules: Rules,
) -> list[Any]:
    with open_sandbox(_spec(rules, task.requires)) as sandbox:
        _without_tests(sandbox, tree, task)
        return oracle.replay(
            sandbox, suite.sys_path_entries(task.roots), known.calls, seconds=rules.seconds
        )


def _without_tests(sandbox: Sandbox, tree: Tree, task: SweTask) -> None:
    """Fill a sandbox with source alone: nothing in it says what the answers should be."""
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
    """What the reference's own run tells, remembered for the tasks of this process: all that have
    the same tests share it.

    Raises:
        SandboxError: where its sandbox failed: nothing is remembered then.
    """
    suited = tuple(sorted({*task.fail_to_pass, *task.pass_to_pass}))
    what = (tree_digest(pristine), suited, task.test_files, task.roots, task.requires, rules)
    key = digest(repr(what).encode())
    with _lock:
        turn = _turns.setdefault(key, threading.Lock())
    with turn:  # who comes meanwhile waits, and does not run it too
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
    tests = tuple(sorted({test.partition("::")[0] for test in suited}))
    absent = [path for path in tests if path not in pristine]
    if absent:
        return ReferenceRun(
            tests,
            (),
            oracle.ReferenceAnswers(),
            error=f"its tests are in {absent[0]}, which the reference does not have",
        )
    sources = {path: pristine[path] for path in tests}
    places = [place for path in tests for place in canaries.twin_candidates(path, pristine[path])]
    places = random.Random(0).sample(places, min(len(places), MAX_TWINS if rules.canaries else 0))
    # Every test may run twice here, and slowly, since its calls are noted; and nobody here needs to
    # be ended.
    longer = replace(rules, seconds=2 * rules.seconds, test_seconds=2 * rules.seconds)
    kept, salt = _kept(pristine, frozenset(task.test_files)), secrets.randbits(64)

    def ran(turned: bool) -> tuple[suite.SuiteResult, tuple[canaries.TwinSource, ...], list[str]]:
        planted = canaries.plant(sources, places, random.Random(salt), suited, turned)
        record, ids = rules.oracle != "off" and not turned, _run(planted, suited)
        with open_sandbox(_spec(longer, task.requires)) as sandbox:
            seen = suite.run(
                sandbox,
                {**pristine, **planted.files},
                tests,
                task.roots,
                kept,
                longer,
                record,
                chosen=ids,
            )
        return (
            seen,
            _failing(seen, planted),
            [test for test in suited if seen.outcomes.get(test) != "passed"],
        )

    while True:
        first, one, missed = ran(turned=False)
        two: tuple[canaries.TwinSource, ...] = ()
        if (
            places and not missed
        ):  # a twin may leave something behind that troubles the tests after it
            _, two, missed = ran(turned=True)
        if not missed:
            known = _reference(task, pristine, first, open_sandbox, rules)
            return ReferenceRun(
                tests,
                tuple(place for place in one if place in set(two)),
                known,
                frozenset(first.events),
                pristine=pristine,
            )
        if not places:
            why = _ending(first) or first.tail.strip()[-300:]
            return ReferenceRun(
                tests,
                (),
                oracle.ReferenceAnswers(),
                error=f"the reference itself does not pass {missed[0]}: {why}",
            )
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
    """Those of a repository's tests that pass where submissions are graded: only these can be asked
    for.

    Args:
        tests: ids.
        test_files, roots, requires: as a task has them.

    Raises:
        SandboxError: where the sandbox ran out of time or memory, as it would with every submission.
    """
    rules, wanted = Rules(), set(tests)
    while wanted:
        files = sorted({test.partition("::")[0] for test in wanted})
        with open_sandbox(_spec(rules, requires)) as sandbox:
            ran = suite.run(
                sandbox,
                pristine,
                files,
                roots,
                _kept(pristine, frozenset(test_files)),
                rules,
                chosen=wanted,
            )
        if (
            ran.stopped != "test" or ran.test not in wanted
        ):  # or it was stopped between tests: then what has run is all there is
            return frozenset(test for test in wanted if ran.outcomes.get(test) == "passed")
        wanted.discard(
            ran.test
        )  # it takes longer than a submission may; those behind it have not run
    return frozenset()


def _failing(ran: suite.SuiteResult, planted: canaries.Planted) -> tuple[canaries.TwinSource, ...]:
    """Tests of which every twin ran and failed."""
    outcomes: dict[canaries.TwinSource, list[str]] = {}
    for test, outcome in ran.outcomes.items():
        key = planted.canary(test)
        if key is not None and key in planted.twins:
            outcomes.setdefault(planted.twins[key], []).append(outcome)
    return tuple(
        place for place, seen in sorted(outcomes.items(), key=str) if set(seen) == {"failed"}
    )


def _reference(
    task: SweTask, pristine: Tree, ran: suite.SuiteResult, open_sandbox: SandboxOpener, rules: Rules
) -> oracle.ReferenceAnswers:
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
