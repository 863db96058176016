"""Yield and cost of task generation on published packages, and what the coverage map saves.

    python benchmarks/swe_generate.py --out tasks inflection==0.5.1 toolz==1.2.0
    python benchmarks/swe_generate.py --out tasks --compare 8 toolz==1.2.0 boltons==26.2.0

Writes `NAME.jsonl` with the tasks of each package (and a journal, so that a second call continues)
and a row of `table.json`. With --compare, that many bugs are validated both with the coverage map
and with the whole suite; prints the processor seconds of each and whether they agree.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from turnwise.envs.swe.generate.generator import Generation, GenerationSettings, generation
from turnwise.envs.swe.generate.validation import BugResult, BugValidator
from turnwise.envs.swe.tasks.repository import open_source
from turnwise.envs.swe.tasks.task import write_tasks
from turnwise.errors import TurnwiseError


def one(source: str, out: Path, number: int, compare: int) -> dict[str, Any]:
    """Generate tasks from one package and return its row of the table."""
    repository = open_source(source)
    began = time.monotonic()
    journal = out / f"{repository.name}.journal"
    settings = GenerationSettings(number=number, combined=0.15, backend="jail")
    with generation(
        repository, settings, journal, lambda text: print(" ", text, flush=True)
    ) as made:
        tasks = list(made.tasks())
        write_tasks(out / f"{repository.name}.jsonl", tasks)
        tally = made.tally
        single = sum(n for (operator, _), n in tally.reasons.items() if operator != "combined")
        row = {
            "package": f"{repository.name}=={repository.version}",
            "tests": len(made.baseline.suite),
            "unstable": made.baseline.unstable,
            "suite_cpu": made.baseline.cpu,
            "tried": single,
            "valid": tally.count("valid", combined=False),
            "flaky": tally.count("flaky"),
            "tasks": len(tasks),
            "combined": sum(len(task.mutations) > 1 for task in tasks),
            "cpu_per_candidate": tally.cpu / max(1, tally.tried),
            "wall_per_candidate": tally.seconds / max(1, tally.tried),
            "wall": time.monotonic() - began,
            "reasons": {
                reason: tally.count(reason, combined=False)
                for reason in {r for _, r in tally.reasons}
            },
        }
        return row | (compared(made, compare) if compare else {})


def compared(made: Generation, number: int) -> dict[str, Any]:
    """Validate the first `number` bugs with the coverage map and with the whole suite."""
    whole = BugValidator(made.validator.runner, made.validator.journal, whole_suite=True)
    quick = slow = 0.0
    apart, spared = [], 0
    for bug in itertools.islice(made.bugs(reached=False), number):
        reached = made.validator.detectable(bug)
        mapped, all_tests = (
            made.validator.validate(bug) if reached else BugResult("survived"),
            whole.validate(bug),
        )
        quick, slow, spared = quick + mapped.cpu, slow + all_tests.cpu, spared + (not reached)
        if (mapped.reason, mapped.fails) != (all_tests.reason, all_tests.fails):
            apart.append([mapped.reason, all_tests.reason])
    return {
        "compared": number,
        "spared": spared,
        "cpu_map": quick,
        "cpu_whole": slow,
        "ratio": slow / max(quick, 1e-9),
        "apart": apart,
    }


def main() -> None:
    """Parse the command line and process every package."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--number", type=int, default=15)
    parser.add_argument("--compare", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "table.json"
    for source in arguments.packages:
        table = json.loads(file.read_text()) if file.exists() else {}
        try:
            row = one(source, arguments.out, arguments.number, arguments.compare)
        except TurnwiseError as problem:
            row = {"package": source, "error": str(problem)}
        table[row["package"]] = {**table.get(row["package"], {}), **row}
        file.write_text(json.dumps(table, indent=1))
        print(
            {
                name: round(value, 2) if isinstance(value, float) else value
                for name, value in row.items()
            },
            flush=True,
        )


if __name__ == "__main__":
    main()
