"""Console output of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from turnwise.evaluation.score import Score, compare
from turnwise.evaluation.tables import percent, signed


class RunConsole:
    """Prints the progress and the results of a run.

    Args:
        console: where to print; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def line(self, text: str) -> None:
        """Print one line, without wrapping or markup."""
        self.console.print(escape(text), soft_wrap=True)

    def sft_step(self, at: Mapping[str, Any]) -> None:
        """Print the progress of the SFT warm start; `at` has the fields of `SftProgress`."""
        rate = at["tokens"] / max(at["seconds"], 1e-9)
        self.line(
            f"  warm start {at['step']:>5}/{at['steps']}  loss {at['loss']:.3f}  "
            f"{rate:,.0f} tokens/s  {at['seconds']:.0f} s"
        )

    def sft_finished(self, facts: Mapping[str, Any]) -> None:
        """Print the result of the SFT warm start."""
        held_out = ""
        if "held_out_turn" in facts:
            held_out = f", probability of a whole held-out turn {facts['held_out_turn']:.2f}"
        self.line(f"  warm start took {facts['seconds']:.0f} s: loss {facts['loss']:.3f}{held_out}")

    def step(self, step: int, steps: int, m: Mapping[str, float]) -> None:
        """Print the metrics of a training step on one line."""
        dev = f"  dev {m['dev_success']:.2f}" if "dev_success" in m else ""
        self.line(
            f"step {step:>4}/{steps}  success {m['success']:.2f}  reward {m['reward']:.2f}  "
            f"entropy {m['entropy']:.2f}  turns {m['turns']:.1f}  invalid {m['invalid']:.2f}  "
            f"{m['rollout_seconds']:.1f} s + {m['update_seconds']:.1f} s{dev}"
        )

    def score(self, name: str, result: Score) -> None:
        """Print the result of an evaluation."""
        m = result.metrics
        self.line(
            f"  success {name}: {percent(m.success)}   score {percent(m.score)}   "
            f"({m.episodes} episodes, {result.wall_seconds:.0f} s)"
        )

    def finished(self, folder: Path, before: Score, after: Score) -> None:
        """Print the comparison of both evaluations and the paths of the results.

        Raises:
            DataError: for scores over different data.
        """
        table = Table(
            title=f"{before.environment}, split {before.split}, {len(before.task_ids)} tasks, "
            "95 % intervals",
            title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 2, 0, 0),
        )  # fmt: skip
        for column in ("", "before", "after", "difference"):
            table.add_column(column, no_wrap=True)
        for name in ("success", "score"):
            one, two = getattr(before.metrics, name), getattr(after.metrics, name)
            table.add_row(name, percent(one), percent(two), signed(compare(before, after, name)))
        self.console.print(table)
        self.line(f"curves: {folder / 'report.html'}   model: {folder / 'model'}")
