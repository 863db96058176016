"""`turnwise swe`: make repair tasks from a package or a local repository, and check them."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from turnwise.cli.arguments import option

if TYPE_CHECKING:
    from rich.table import Table

    from turnwise.envs.swe.generate.generator import Generation
    from turnwise.envs.swe.grading import Verdict
    from turnwise.envs.swe.tasks.repository import Repository
    from turnwise.envs.swe.tasks.task import SweTask

OUT_HELP = "Output file; by default NAME-VERSION.swe.jsonl."
BACKEND_HELP = "The sandbox: auto, jail, bubblewrap, docker."
COMBINED_HELP = "Share of tasks with bugs in several related functions."
WHOLE_SUITE_HELP = "Run every test for every bug, for comparison."
REQUIRES_HELP = "Additional requirements of the tests: 'hypothesis, attrs==25.1.0'."
SOURCE_HELP = "The directory or archive the tasks were made from, or a directory of several."
HALF_CORES = max(1, (os.cpu_count() or 2) // 2)

swe_commands = typer.Typer(
    help="Generate repair tasks from a package with tests, and check them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@swe_commands.callback()
def _group() -> None:
    """Generate repair tasks from a package with tests, and check them."""


@swe_commands.command("generate")
def generate_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PACKAGE==VERSION|DIRECTORY",
            help="A package, a source archive, or a directory.",
        ),
    ],
    number: Annotated[int, option("Number of tasks.", "--number", "-n", min=1)] = 20,
    seed: Annotated[int, option("Seed for the bugs, their order and the issues' wording.")] = 0,
    out: Annotated[Path | None, option(OUT_HELP, "--out", "-o")] = None,
    backend: Annotated[str, option(BACKEND_HELP)] = "auto",
    jobs: Annotated[
        int, option("Bugs to validate in parallel.", "--jobs", "-j", min=1)
    ] = HALF_CORES,
    combined: Annotated[float, option(COMBINED_HELP, min=0.0, max=1.0)] = 0.2,
    whole_suite: Annotated[bool, option(WHOLE_SUITE_HELP, "--whole-suite")] = False,
    requires: Annotated[str, option(REQUIRES_HELP, "--requires")] = "",
    json_file: Annotated[Path | None, option("Write the statistics here.", "--json")] = None,
) -> None:
    """Put bugs into a package with tests, and keep those that its tests detect.

    [bold]turnwise swe generate inflection==0.5.1[/]
    [bold]turnwise swe generate ./my-repository --number 100 --out tasks.jsonl[/]

    pip downloads a published package; its tests run in a sandbox without network.
    After an interruption the same command continues.
    """
    from turnwise.envs.swe.dependencies.resolve import split_requirements
    from turnwise.envs.swe.generate.generator import GenerationSettings, generation
    from turnwise.envs.swe.tasks.repository import open_source

    settings = GenerationSettings(
        number=number, seed=seed, combined=combined, backend=backend, jobs=jobs,
        whole_suite=whole_suite, requires=split_requirements(requires),
    )  # fmt: skip
    console = Console(stderr=True, highlight=False)
    repository = open_source(source)
    target = out or Path(f"{repository.name}-{repository.version}.swe.jsonl")
    journal = target.with_name(target.name + ".journal")
    began, found = time.monotonic(), []
    note = lambda text: console.print(text, markup=False)  # noqa: E731
    with generation(repository, settings, journal, note) as made:
        _print_baseline(console, made)
        try:
            with _bar(console, number) as advance:
                for task in _kept(made.tasks(), target):
                    found.append(task)
                    advance(len(found), made)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(
                f"interrupted: {target} has {len(found)} tasks; the same command continues from "
                "there"
            ) from stop
        finally:
            Console(highlight=False).print(_table(made, repository))
        report = _report(made, repository, found, time.monotonic() - began) | {
            "settings": asdict(settings),
            "file": str(target),
        }
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf8")
    typer.echo(f"{len(found)} tasks written to {target}")
    if len(found) < number:
        console.print(
            f"only {len(found)} of {number} tasks: there are no further bugs to try in "
            f"{repository.name}",
            markup=False,
        )


@swe_commands.command("check")
def check_command(
    tasks: Annotated[
        str,
        typer.Argument(
            metavar="[TASKS.jsonl]",
            help="A file of tasks; by default those that come with turnwise.",
        ),
    ] = "",
    source: Annotated[str, option(SOURCE_HELP)] = "",
    runs: Annotated[int, option("Times each task is graded.", "--runs", min=1)] = 2,
    backend: Annotated[str, option(BACKEND_HELP)] = "auto",
    jobs: Annotated[int, option("Tasks to grade in parallel.", "--jobs", "-j", min=1)] = HALF_CORES,
    json_file: Annotated[Path | None, option("Write the results here.", "--json")] = None,
) -> None:
    """Grade the repair of every task, and an unchanged repository.

    [bold]turnwise swe check tasks.jsonl --runs 2[/]

    Both are graded as an agent's work is. The exit status is 1 unless every
    repair scores 1 and every unchanged repository 0.
    """
    from rich.progress import track

    from turnwise.envs.swe.generate.task_check import check
    from turnwise.envs.swe.sandbox_pool import opener
    from turnwise.envs.swe.tasks.splits import SourceLibrary, toy_tasks
    from turnwise.envs.swe.tasks.task import read_tasks

    console = Console(stderr=True, highlight=False)
    listed = list(read_tasks(tasks or toy_tasks()))
    began, rows, right = time.monotonic(), list[dict[str, Any]](), 0
    found = check(listed, SourceLibrary(source, listed), opener(backend), runs, jobs)
    for done in track(found, "tasks", total=len(listed), console=console, transient=True):
        rows.append(
            {
                "id": done.task.id, "gold": [_worth(v) for v in done.gold],
                "nothing": [_worth(v) for v in done.nothing], "wrong": done.wrong,
            }
        )  # fmt: skip
        for problem in done.wrong:
            console.print(f"{done.task.id}: {problem}", markup=False)
        right = sum(not row["wrong"] for row in rows)
        if json_file is not None:  # after every task, so that an interruption loses nothing
            seconds = round(time.monotonic() - began, 2)
            report = {"tasks": len(rows), "right": right, "runs": runs, "wall_seconds": seconds}
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(
                json.dumps(report | {"rows": rows}, indent=1) + "\n", encoding="utf8"
            )
    typer.echo(
        f"{right} of {len(rows)} tasks: the repair scores 1 and no change scores 0, in "
        f"{runs} {'run' if runs == 1 else 'runs'} each"
    )
    if right < len(rows):
        raise typer.Exit(1)


def _worth(verdict: Verdict) -> float | None:
    return None if verdict.error else verdict.reward()


def _print_baseline(console: Console, made: Generation) -> None:
    line = f"{len(made.baseline.suite)} tests pass twice in {made.baseline.seconds:.1f} s"
    if made.baseline.unstable:
        line += f"; {made.baseline.unstable} others are left out"
    if made.baseline.lost:
        line += f"; {made.baseline.lost} test files could not be imported"
    console.print(line, markup=False)
    if made.baseline.missing:
        console.print(made.baseline.missing, markup=False)


def _kept(tasks: Iterator[SweTask], target: Path) -> Iterator[SweTask]:
    """Write every task as soon as it is found."""
    from turnwise.envs.swe.tasks.task import write_tasks

    target.parent.mkdir(parents=True, exist_ok=True)
    write_tasks(target, [])
    for task in tasks:
        write_tasks(target, [task], append=True)
        yield task


@contextlib.contextmanager
def _bar(console: Console, number: int) -> Iterator[Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        line = progress.add_task("tasks", total=number)

        def advance(found: int, made: Generation) -> None:
            progress.update(
                line, completed=found, description=f"tasks ({made.tally.tried} bugs tried)"
            )

        yield advance


def _table(made: Generation, repository: Repository) -> Table:
    from rich.table import Table

    from turnwise.envs.swe.generate.validation import REASONS

    table = Table(title=f"bugs tried in {repository.name} {repository.version}")
    shown = [reason for reason in REASONS if made.tally.count(reason)]
    for name in ("operator", "tried", *shown):
        table.add_column(name, justify="left" if name == "operator" else "right")
    reasons = made.tally.reasons
    for operator in sorted({name for name, _ in reasons}):
        row = [reasons[operator, reason] for reason in shown]
        table.add_row(operator, str(sum(row)), *(str(n or "") for n in row))
    if reasons:
        table.add_section()
        table.add_row(
            "all", str(made.tally.tried), *(str(made.tally.count(reason)) for reason in shown)
        )
    return table


def _report(
    made: Generation, repository: Repository, found: list[SweTask], seconds: float
) -> dict[str, Any]:
    tally = made.tally
    single = sum(n for (operator, _), n in tally.reasons.items() if operator != "combined")
    return {
        "name": repository.name,
        "version": repository.version,
        "sha256": repository.sha256,
        "tests": len(made.baseline.suite),
        "unstable_tests": made.baseline.unstable,
        "tasks": len(found),
        "tried": tally.tried,
        "single_site_tried": single,
        "single_site_valid": tally.count("valid", combined=False),
        "reasons": {
            f"{operator}:{reason}": n for (operator, reason), n in sorted(tally.reasons.items())
        },
        "difficulty": {
            level: sum(task.difficulty == level for task in found) for level in range(1, 6)
        },
        "box_seconds": round(tally.seconds, 2),
        "box_cpu_seconds": round(tally.cpu, 2),
        "wall_seconds": round(seconds, 2),
    }
