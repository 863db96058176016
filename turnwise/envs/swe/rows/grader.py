"""Grade a repair of a published task in a fresh container of its image.

The submission is a diff, or files, without those that belong to the tests and their settings. The
tests are restored and the test patch is applied after it. The log is written to a file between two
random marks and parsed here. These are the data sets' own rules, hardened. Still, the tests print
their own results in the submission's process; only the static filter, which compares the changed
files before and after, looks for repairs that forge them. For training, generated tasks are graded
more strictly (`turnwise.envs.swe.grading`).
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from turnwise.envs.swe.grading import Rules, Verdict, collect, static
from turnwise.envs.swe.grading.verdict import ungraded
from turnwise.envs.swe.rows.images import fetch, prepared_image
from turnwise.envs.swe.rows.logs import parse
from turnwise.envs.swe.rows.published import SweRow
from turnwise.envs.swe.sandbox_pool import SandboxOpener
from turnwise.errors import ConfigError
from turnwise.sandbox.contract import Limits, Sandbox, SandboxError, Spec

LIMITS = Limits(
    seconds=1800.0,
    memory_mb=8192,
    processes=512,
    disk_mb=2048,
    files=200_000,
    file_mb=512,
    open_files=4096,
    flood_chars=100_000_000,
)
"""Limits of a container; the data sets' own harnesses set only the 1800 seconds."""
MAX_LOG_BYTES = 60_000_000
APPLY = (
    "git apply --whitespace=nowarn {0} || git apply --whitespace=nowarn --3way {0} || "
    "patch --batch --forward --fuzz=5 -p1 -i {0}"
)
"""The attempts of SWE-bench's harness to apply a diff, in order."""
COPY_CHANGED = (
    'while IFS= read -r path; do cp --parents -- "$path" /work/{0} 2>/dev/null; '
    "done < /work/changed"
)
"""Keeps a copy of the changed files for the static filter."""


@dataclass(frozen=True, slots=True)
class FileDiff:
    """The part of a diff that concerns one file."""

    path: str
    text: str


def spec(row: SweRow, limits: Limits = LIMITS, shown: Mapping[str, str] | None = None) -> Spec:
    """Return the spec of a container with a row's repository, for its agent or its grader.

    Raises:
        SandboxError: if the image is missing or cannot be prepared.
    """
    return Spec(
        limits=limits, image=prepared_image(row.image, row.workdir, shown), readonly=shown or {}
    )


def grade_row(
    row: SweRow,
    submission: str | Mapping[str, bytes | None],
    open_sandbox: SandboxOpener,
    rules: Rules | None = None,
    pull: bool = False,
    shown: Mapping[str, str] | None = None,
) -> Verdict:
    """Grade a repair of a published task.

    Args:
        submission: a unified diff against the repository as the agent found it; or files, None for
            a deleted one.
        open_sandbox: opens a container from a spec, such as `lambda spec: open_sandbox(spec,
            "docker")`.
        rules: only `static` and `seconds` are used. By default static findings are reported
            (`tampered`) but take no reward, for real repairs have honest uses of much of it.
        pull: pull a missing image.
        shown: guest path -> host path, mounted read-only, such as a program that an image lacks.
    """
    rules = rules or Rules(static="flag", seconds=LIMITS.seconds)
    try:
        if pull:
            fetch(row.image)
        with open_sandbox(spec(row, replace(LIMITS, seconds=rules.seconds), shown)) as sandbox:
            left = _write_inputs(sandbox, row, submission)
            mark = secrets.token_hex(12)
            sandbox.write("evaluate.sh", script(row, mark))
            result = sandbox.run(
                "bash /work/evaluate.sh > /work/log 2>&1 < /dev/null", timeout=rules.seconds
            )
            if result.error != "none":
                return ungraded(
                    f"{row.id}: the tests' container ended with {result.error!r} after "
                    f"{result.seconds:.0f} s"
                )
            text = sandbox.read("log", limit=MAX_LOG_BYTES).decode("utf8", "replace")
            reached = _static_findings(sandbox) if rules.static != "off" else []
    except SandboxError as problem:
        return ungraded(f"{row.id}: {problem}")
    verdict = verdict_from_log(row, text, mark, left)
    if not reached:
        return verdict
    resolved = verdict.resolved and rules.static != "zero"
    return replace(verdict, resolved=resolved, tampered=True, reasons=(*reached, *verdict.reasons))


def script(row: SweRow, mark: str) -> str:
    """Return the shell script that applies everything and runs the tests.

    It prints `mark` and a word at each stage.
    """
    files = " ".join(shlex.quote(path) for path in row.test_files)
    lines = [
        f"cd {shlex.quote(row.workdir)} || {{ echo {mark} absent; exit 0; }}",
        "export PYTHONDONTWRITEBYTECODE=1",
    ]
    lines.append("mkdir -p /work/before /work/after; git config --global --add safe.directory '*'")
    if row.bug:
        lines.append(
            f"{{ {APPLY.format('/work/bug.patch')}; }} || {{ echo {mark} unbroken; exit 0; }}"
        )
    lines += [
        COPY_CHANGED.format("before"),
        f"apply() {{ {APPLY.format('/work/submission.patch')}; }}",
        f"if [ -s /work/submission.patch ]; then apply || {{ echo {mark} unapplied; exit 0; }}; fi",
        "if [ -d /work/submission ]; then cp -R /work/submission/. . ; fi",
        'while IFS= read -r path; do rm -f -- "$path"; done < /work/gone',
        COPY_CHANGED.format("after"),
    ]
    if row.test_patch and not row.script:
        lines += [
            f"git checkout {shlex.quote(row.base_commit)} -- {path} 2>/dev/null"
            for path in files.split()
        ]
        lines.append(
            f"{{ {APPLY.format('/work/test.patch')}; }} || {{ echo {mark} untested; exit 0; }}"
        )
    if row.script:
        run = ["bash /work/row.sh"]
    else:
        run = [row.setup, row.command]
    return (
        "\n".join(
            [*lines, f"echo; echo {mark} begin", *run, f"code=$?; echo; echo {mark} end $code"]
        )
        + "\n"
    )


def verdict_from_log(row: SweRow, text: str, mark: str, left: tuple[str, ...] = ()) -> Verdict:
    """Return the verdict of a log."""
    marks = re.findall(rf"^{mark} (\w+)(?: (\d+))?$", text, re.MULTILINE)
    words = [word for word, _ in marks]
    notes = tuple(
        f"{path} of the submission was left out: it belongs to the tests or their settings"
        for path in left
    )
    if "absent" in words:
        return ungraded(f"{row.id}: the image {row.image} has no directory {row.workdir}")
    if "unbroken" in words or "untested" in words:
        return ungraded(
            f"{row.id}: the row's own {'bug' if 'unbroken' in words else 'test'} patch does "
            f"not apply in {row.image}"
        )
    if "unapplied" in words:
        return Verdict(False, reasons=("the submission's diff does not apply", *notes))
    if words != ["begin", "end"]:
        return Verdict(
            False, tampered=len(words) > 2, reasons=("the tests ended before their time", *notes)
        )
    try:
        log = parse(row.parser, text.partition(f"{mark} begin\n")[2].rpartition(f"{mark} end")[0])
    except ConfigError as problem:
        return ungraded(f"{row.id}: {problem}")
    if row.expected:
        right = [log.get(name) == status for name, status in row.expected.items()]
        whole = all(right) and len(log) == len(row.expected)
        return Verdict(
            whole, sum(right) / len(right), float(len(log) == len(row.expected)), reasons=notes
        )
    f2p = _rate(row.fail_to_pass, log, ("PASSED", "XFAIL"))
    p2p = _rate(row.pass_to_pass, log, ("PASSED", "XFAIL", "SKIPPED"))
    return Verdict(f2p == p2p == 1.0, f2p, p2p, reasons=notes)


def _rate(tests: tuple[str, ...], log: Mapping[str, str], good: tuple[str, ...]) -> float:
    """Return the share of good tests, by SWE-bench's rule.

    An expected failure passes, a pass-to-pass test may be skipped, a missing one fails.
    """
    return sum(log.get(test) in good for test in tests) / len(tests) if tests else 1.0


def _write_inputs(
    sandbox: Sandbox, row: SweRow, submission: str | Mapping[str, bytes | None]
) -> tuple[str, ...]:
    """Write the script's inputs and return the paths that were left out."""
    for name, text in (
        ("bug.patch", row.bug),
        ("test.patch", row.test_patch),
        ("row.sh", row.script),
    ):
        if text:
            sandbox.write(name, text)
    known = frozenset(row.test_files)
    gone: list[str] = []
    if isinstance(submission, str):
        kept, left = _admitted(split_diff(submission), known)
        sandbox.write("submission.patch", "".join(part.text for part in kept))
        changed = [part.path for part in kept]
    else:
        left = tuple(path for path in submission if not admissible(path, known))
        changed = [path for path in submission if path not in left]
        for path in changed:
            data = submission[path]
            if data is None:
                gone.append(path)
            else:
                sandbox.write(f"submission/{path}", data)
    sandbox.write("gone", "".join(f"{path}\n" for path in gone))
    sandbox.write("changed", "".join(f"{path}\n" for path in changed))
    return left


def _static_findings(sandbox: Sandbox) -> list[str]:
    """Return the severe static findings in the changed files."""
    trees: dict[str, dict[str, bytes]] = {"before": {}, "after": {}}
    for path in sandbox.files():
        stage, _, name = path.partition("/")
        if stage in trees and name.endswith(".py"):
            trees[stage][name] = sandbox.read(path)
    return [
        str(one)
        for one in static.findings(trees["before"], trees["after"])
        if one.grade == "severe"
    ]


def admissible(path: str, tests: frozenset[str]) -> bool:
    """Return whether a submission may change a file.

    It has to be inside the repository, no test of the row and no test settings.
    """
    return path not in tests and collect.admissible(path)


def _admitted(
    found: list[FileDiff], tests: frozenset[str]
) -> tuple[list[FileDiff], tuple[str, ...]]:
    bad = [
        part
        for part in found
        if not admissible(part.path, tests)
        or re.search(r"^(new file )?mode 1[26]0000$", part.text, re.M)
    ]
    return [part for part in found if part not in bad], tuple(part.path for part in bad)


def split_diff(diff: str) -> list[FileDiff]:
    """Split a unified diff by file: of git, or plain (`--- a/x`, `+++ b/x`)."""
    pieces = (
        re.split(r"(?m)^(?=diff --git )", diff)
        if "diff --git " in diff
        else re.split(r"(?m)^(?=--- (?:a/|/dev/null))", diff)
    )
    found = []
    for piece in pieces:
        named = re.findall(r"(?m)^(?:\+\+\+|---) (?:[ab]/)?([^\t\n]+)", piece) or re.findall(
            r"(?m)^diff --git a/.* b/(.*)$", piece
        )
        paths = [path for path in named if path != "/dev/null"]
        if paths:
            found.append(FileDiff(paths[-1], piece if piece.endswith("\n") else piece + "\n"))
    return found
