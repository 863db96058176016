"""Run a tree's tests in a fresh sandbox and read the supervisor's report."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from turnwise.envs.swe.grading.verdict import Rules
from turnwise.envs.swe.tasks.task import Tree, digest
from turnwise.sandbox.contract import Sandbox, SandboxError

RUNNER, LISTENER, RECORDER = (
    Path(__file__).with_name(f"{name}.py").read_text("utf8")
    for name in ("runner", "listener", "recorder")
)
"""Programs executed in the sandbox, as they were when this process started."""
WORK = "/work"


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """Result of one run of the tests."""

    outcomes: Mapping[str, str]
    """Pytest id -> `passed`, `failed`, `skipped`, `xfailed` or `xpassed`; without tests reported
    twice.
    """
    exit_code: int
    stopped: str
    """Reason for an early end: `test` (one took too long), `flood` or `exit`; else ""."""
    test: str
    """The test that was running then."""
    suspicious: tuple[str, ...]
    """Signs that no honest run shows, one sentence each."""
    errors: tuple[str, ...]
    """Files that could not be collected."""
    tail: str
    """End of the printed output."""
    calls: tuple[Any, ...] = ()
    events: tuple[str, ...] = ()
    """Audit events that the repository's code caused (`turnwise.envs.swe.grading.listener`)."""


def run(
    sandbox: Sandbox,
    tree: Tree,
    tests: Sequence[str],
    roots: Sequence[str],
    kept: Iterable[str],
    rules: Rules,
    record: bool = False,
    known: Tree | None = None,
    chosen: Iterable[str] = (),
) -> SuiteResult:
    """Fill a sandbox with a tree and run its tests.

    Args:
        tests: test modules to run, relative to the root of the tree.
        roots: directories for `sys.path`, relative to it.
        kept: files that must not change during the run.
        record: report the plain calls that the tests make (`turnwise.envs.swe.grading.oracle`).
        known: the reference: its modules take precedence over installed ones, others do not; None
            if `tree` is the reference.
        chosen: ids of tests to run, without parameters for all of them; empty for every test.

    Raises:
        SandboxError: if the sandbox ran out of time or memory, or failed; there is no result then.
    """
    fill(sandbox, tree)
    seal = secrets.token_hex(16)
    request = {
        "seal": seal,
        "key": secrets.token_hex(32),
        "tests": list(tests),
        "roots": sys_path_entries(roots),
        "tops": top_level_modules(known or tree, roots),
        "listener": LISTENER,
        "files": _files(tree, tests, kept),
        "test_folders": [
            f"{WORK}/{folder}"
            for folder in dict.fromkeys(str(PurePosixPath(path).parent) for path in tests)
        ],
        "chosen": sorted(chosen),
        "conftest": any(PurePosixPath(path).name == "conftest.py" for path in tree),
        "test_seconds": rules.test_seconds,
        "memory_mb": rules.memory_mb,
        "pristine": {path: digest(tree[path]) for path in kept if path in tree},
        "record": modules(tree, roots, tests) if record else None,
        "recorder": RECORDER if record else "",
    }
    command = ["python3", "-P", "-s", "-B", "-X", "utf8", "-c", RUNNER, "supervise"]
    result = sandbox.run(command, timeout=rules.seconds, stdin=json.dumps(request))
    if result.error in ("timeout", "memory", "output", "infrastructure"):
        raise SandboxError(
            f"the grader's sandbox ended with {result.error!r} after {result.seconds:.1f} s: "
            "grade again, or raise the limits"
        )
    start = result.stdout.find(seal)
    if start < 0 or result.truncated:
        if result.exit_code == 127:
            raise SandboxError("the grader's sandbox has no python3: the tests cannot run there")
        sentence = "the supervisor of the tests ended without a report"
        return SuiteResult(
            {}, result.exit_code or 1, "killed", "", (sentence,), (), result.stderr[-1000:]
        )
    return _suite(json.loads(result.stdout[start + len(seal) :]))


def _suite(report: dict[str, Any]) -> SuiteResult:
    """Convert the supervisor's report."""
    twice = set(report["twice"])
    suspicious = []
    if twice:
        suspicious.append(
            f"{len(twice)} tests were reported more than once, {sorted(twice)[0]} among them"
        )
    if report["malformed"]:
        suspicious.append(f"{report['malformed']} lines of the results were not the runner's")
    if report["missing"]:
        suspicious.append(f"{report['missing']} lines of the results were left out")
    if report["changed"]:
        suspicious.append(
            f"{len(report['changed'])} files of the tests were changed during the run, "
            f"{report['changed'][0]} among them"
        )
    outcomes = {name: outcome for name, outcome in report["outcomes"].items() if name not in twice}
    ending = (
        report["stopped"],
        report["test"],
        tuple(suspicious),
        tuple(report["errors"]),
        report["tail"],
    )
    return SuiteResult(
        outcomes,
        report["exit"],
        *ending,
        tuple(tuple(call) for call in report["calls"]),
        tuple(report["events"]),
    )


def _files(tree: Tree, tests: Sequence[str], kept: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the Python files in the sandbox that a submission may write, and the others."""
    ours = {*tests, *kept}
    python = [path for path in tree if path.endswith(".py")]
    return [f"{WORK}/{path}" for path in python if path not in ours], [
        f"{WORK}/{path}" for path in python if path in ours
    ]


def fill(sandbox: Sandbox, tree: Tree) -> None:
    """Write a tree into the workspace of a sandbox."""
    for path, data in tree.items():
        sandbox.write(path, data)


def sys_path_entries(roots: Sequence[str]) -> list[str]:
    """Return the roots as directories in the sandbox."""
    return [f"{WORK}/{root}" if root else WORK for root in roots]


def top_level_modules(tree: Tree, roots: Sequence[str]) -> list[str]:
    """Return the names of modules and packages directly in one of the roots."""
    found = set()
    for root in roots:
        prefix = f"{root}/" if root else ""
        for path in tree:
            if path.startswith(prefix) and path.endswith(".py"):
                found.add(path.removeprefix(prefix).partition("/")[0].removesuffix(".py"))
    return sorted(found)


def modules(tree: Tree, roots: Sequence[str], tests: Sequence[str]) -> dict[str, str]:
    """Return the module name of each source file by its path in the sandbox.

    The longest matching root decides.
    """
    found = {}
    for path in tree:
        if path.endswith(".py") and path not in tests:
            root = max(
                (root for root in roots if not root or path.startswith(f"{root}/")),
                key=len,
                default=None,
            )
            if root is None:
                continue
            name = (
                path.removeprefix(f"{root}/" if root else "")
                .removesuffix(".py")
                .removesuffix("/__init__")
                .replace("/", ".")
            )
            if all(part.isidentifier() for part in name.split(".")):
                found[f"{WORK}/{path}"] = name
    return found
