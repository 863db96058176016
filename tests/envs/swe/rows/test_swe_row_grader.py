"""Rows of every family are graded in containers of images made here: the published path but for the
registry.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.envs.swe.rows.published_rows import (
    BROKEN,
    FIXED,
    GOLD,
    R2E_GYM,
    SWE_BENCH,
    SWE_REBENCH,
    SWE_SMITH,
    TESTS,
    diff,
)
from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.grading import Rules, Verdict
from turnwise.envs.swe.rows.grader import (
    admissible,
    grade_row,
    script,
    split_diff,
    verdict_from_log,
)
from turnwise.envs.swe.rows.images import fetch, preflight, prepared_image
from turnwise.envs.swe.rows.published import SweRow, parse_row
from turnwise.sandbox import open_sandbox
from turnwise.sandbox.containers import LABEL, LINKS, client
from turnwise.sandbox.contract import Sandbox, SandboxError, Spec
from turnwise.sandbox.janitor import tag
from turnwise.sandbox.probe import reason

NOTHING = ""


def archive(files: dict[str, str], tmp: Path) -> bytes:
    """The tree of an image: the names under which /usr is known, a repository with one commit, what
    activates its Python.
    """
    repository = tmp / "testbed"
    for path, text in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text)
    git = ["git", "-c", "user.name=own", "-c", "user.email=own@example.org", "-C", str(repository)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w") as out:
        for name, target in LINKS.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            out.addfile(link)

        def owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            return entry

        out.add(repository, "testbed", filter=owned)
        run = (
            "export PYTHONPATH=/opt/python/0; cd /testbed && mkdir -p r2e_tests && cp "
            "/root/tests.py r2e_tests/test_1.py\n"
        )
        run += "python3 -m pytest -rA r2e_tests\n"
        programs = {
            "opt/miniconda3/bin/activate": "conda() { :; }\n"
            "export PATH=/opt/miniconda3/bin:$PATH PYTHONPATH=/opt/python/0\n",
            "opt/miniconda3/bin/pytest": '#!/bin/sh\nexec python3 -m pytest "$@"\n',
            "root/run_tests.sh": run,
            "root/tests.py": TESTS,
        }
        for name, text in programs.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            out.addfile(entry, io.BytesIO(text.encode()))
    return blob.getvalue()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Images by what they hold, and the daemon's names of them."""
    if absent := reason("docker"):
        pytest.skip(f"docker: {absent}")
    names = {}
    for name, files in {
        "broken": BROKEN,
        "whole": {**BROKEN, "tally/words.py": FIXED, "tests/test_words.py": TESTS},
    }.items():
        # Two workers may run this file at once: each has images of its own, by name and content,
        # since equal contents would share an id and the first to end would remove both.
        own = {**files, "worker.txt": f"{os.getpid()}\n"}
        data = archive(own, tmp_path_factory.mktemp(name))
        names[name] = f"turnwise-test-{name}-{os.getpid()}:1"
        repository, version = names[name].split(":")
        client().api.import_image_from_data(
            data, repository=repository, tag=version, changes=[f"LABEL {LABEL}={tag()}"]
        )
    yield names
    for name in names.values():
        # Already made by most tests; a worker that ran none of these makes it, to remove it.
        prepared = prepared_image(name, "/testbed", {"/usr": "/usr"})
        client().images.remove(prepared, force=True)
        client().images.remove(name, force=True)


def opened(spec: Spec) -> Sandbox:
    return open_sandbox(spec, "docker")


def graded(known: SweRow, submission: str | dict[str, bytes | None], rules: Rules) -> Verdict:
    """In a container whose programs and Python are this machine's."""
    return grade_row(
        known,
        submission,
        opened,
        rules,
        shown={"/usr": "/usr", "/opt/python/0": str(python.library())},
    )


FAMILIES = {
    "swe_bench": SWE_BENCH,
    "swe_gym": SWE_BENCH,
    "swe_smith": SWE_SMITH,
    "r2e_gym": R2E_GYM,
    "swe_rebench": SWE_REBENCH,
}
LIMIT = Rules(static="flag", seconds=300.0)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_gold_is_resolved_and_nothing_is_not(family: str, images: dict[str, str]) -> None:
    known = parse_row(FAMILIES[family], family)
    known = replace(known, image=images["whole" if family == "swe_smith" else "broken"])
    repair = diff("tally/words.py", BROKEN["tally/words.py"], FIXED)
    gold = graded(known, repair, LIMIT)
    assert (gold.error, gold.resolved, gold.f2p_rate, gold.p2p_rate, gold.tampered) == (
        "",
        True,
        1.0,
        1.0,
        False,
    ), gold
    idle = graded(known, NOTHING, LIMIT)
    assert idle.error == "" and not idle.resolved and idle.f2p_rate < 1.0, idle
    files = graded(
        known,
        {"tally/words.py": FIXED.encode(), "tests/test_words.py": b"", "conftest.py": b"x"},
        LIMIT,
    )
    assert files.resolved and len(files.reasons) == 2, files


@pytest.mark.slow
def test_what_goes_wrong_on_the_way_says_whose_fault_it_is(images: dict[str, str]) -> None:
    known = replace(parse_row(SWE_BENCH), image=images["broken"])
    absent = graded(replace(known, image="turnwise-test-absent:9"), GOLD, LIMIT)
    assert "turnwise-test-absent" in absent.error and not absent.resolved
    assert "/elsewhere" in graded(replace(known, workdir="/elsewhere"), GOLD, LIMIT).error
    wrong = graded(known, GOLD.replace("return text\n", "return nothing\n"), LIMIT)
    assert wrong.error == "" and not wrong.resolved and "does not apply" in wrong.reasons[0]
    flagged = graded(known, {"tally/words.py": b"import os\nos._exit(0)\n"}, LIMIT)
    assert flagged.error == "" and not flagged.resolved and flagged.tampered
    late = graded(known, {"tally/words.py": b"while True: pass\n"}, Rules(seconds=8.0))
    assert "timeout" in late.error


@pytest.mark.slow
def test_the_preflight_counts_what_is_there_and_what_is_not(images: dict[str, str]) -> None:
    rows = [
        replace(parse_row(SWE_BENCH), image=images["broken"]),
        replace(parse_row(SWE_BENCH), parser="maven"),
        parse_row(SWE_REBENCH),
    ]
    found = preflight(rows)
    assert found.present == (images["broken"],) and len(found.missing) == 2 and not found.ready
    assert (
        found.needed == 2 * found.held and found.parsers == ("maven",) and "2 are not" in str(found)
    )
    fetch(images["broken"])
    with pytest.raises(SandboxError, match="cannot be pulled"):
        fetch("turnwise-test-absent.invalid/x:1")


# Without a daemon

KNOWN = parse_row(SWE_BENCH)
LOG = (
    "m begin\n"
    "PASSED tests/test_words.py::test_title\n"
    "PASSED tests/test_words.py::test_total\n"
    "{more}\nm end 0\n"
)


def test_a_log_is_judged_by_the_rules_of_the_field() -> None:
    whole = verdict_from_log(
        KNOWN, LOG.format(more="SKIPPED tests/test_words.py::test_total_more"), "m"
    )
    assert whole.resolved and whole.p2p_rate == 1.0
    half = verdict_from_log(KNOWN, LOG.format(more=""), "m")
    assert not half.resolved and half.p2p_rate == 0.5
    skipped = verdict_from_log(
        KNOWN,
        LOG.replace(
            "PASSED tests/test_words.py::test_title", "SKIPPED tests/test_words.py::test_title"
        ),
        "m",
    )
    assert skipped.f2p_rate == 0.0


@pytest.mark.parametrize(
    "text, error, word",
    [
        ("m absent", True, "no directory"),
        ("m untested", True, "patch does not apply"),
        ("m unapplied", False, "does not apply"),
        ("m begin\nPASSED x", False, "before their time"),
        ("m begin\nm end 0\nm begin\nm end 0\n", False, "before their time"),
    ],
)
def test_a_log_that_ends_early_is_never_a_repair(text: str, error: bool, word: str) -> None:
    verdict = verdict_from_log(KNOWN, text, "m")
    assert (
        not verdict.resolved
        and bool(verdict.error) is error
        and word in (verdict.error or verdict.reasons[0])
    )


def test_an_unknown_parser_is_no_grade() -> None:
    assert (
        "unknown log parser"
        in verdict_from_log(replace(KNOWN, parser="maven"), "m begin\nm end 1\n", "m").error
    )


def test_a_diff_is_taken_apart_and_only_what_may_be_changed_is_kept() -> None:
    text = (
        GOLD
        + diff("conftest.py", "", "x\n")
        + diff("tests/test_words.py", "a\n", "b\n")
        + diff("pkg/new.py", "", "y = 1\n")
    )
    found = split_diff(text)
    assert [part.path for part in found] == [
        "tally/words.py",
        "conftest.py",
        "tests/test_words.py",
        "pkg/new.py",
    ]
    assert "".join(part.text for part in found) == text
    plain = (
        "--- a/tally/words.py\n+++ b/tally/words.py\n@@ -1 +1 @@\n-x\n+y\n"
        "--- a/z.py\n"
        "+++ /dev/null\n@@ -1 +0,0 @@\n"
        "-z\n"
    )
    assert [part.path for part in split_diff(plain)] == ["tally/words.py", "z.py"]


@pytest.mark.parametrize(
    "path",
    [
        "../x.py",
        "/etc/x",
        "tests/test_words.py",
        "conftest.py",
        "a/.git/config",
        "a/x.pth",
        "a\nb.py",
        "tox.ini",
    ],
)
def test_paths_that_a_repair_may_not_change(path: str) -> None:
    assert not admissible(path, frozenset(KNOWN.test_files)) and admissible(
        "tally/words.py", frozenset()
    )


def test_the_script_quotes_what_rows_say() -> None:
    text = script(replace(KNOWN, workdir="/a b", base_commit="$(touch x)"), "m")
    assert (
        "cd '/a b'" in text
        and "git checkout '$(touch x)' --" in text
        and text.index("m begin") < text.index("pytest -rA")
    )
    assert "bash /work/row.sh" in script(replace(KNOWN, script=json.dumps("x")), "m")
