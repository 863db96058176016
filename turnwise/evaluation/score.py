"""Scores: the result of an evaluation with everything needed to repeat it.

A score names environment and data, split and tasks, prompt, agent and sampling, seeds and software
versions. It keeps the mean of every task, so that two scores over the same tasks can be compared in
pairs without their trajectories. It is written as JSON with a format and a version.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from turnwise.errors import DataError
from turnwise.evaluation.intervals import Interval, pooled
from turnwise.evaluation.metrics import Metrics, TypeScore
from turnwise.records import TaskId

VERSION = 1
FORMAT = "turnwise.score"
PACKAGES = ("turnwise", "gymnasium", "numpy", "torch", "transformers", "tokenizers")


@dataclass(frozen=True, slots=True)
class Score:
    """Result of an evaluation, and the conditions under which it was obtained."""

    environment: str
    """Id with its version, such as `turnwise/WebShop-v0`."""
    environment_args: dict[str, str]
    data_hash: str
    split: str
    split_tasks: int
    """Number of tasks in the whole split; `task_ids` are those that were played."""
    task_ids: tuple[TaskId, ...]
    attempts: int
    """Episodes per task."""
    max_turns: int | None
    agent: str
    prompt: str | None
    """Name and version of the prompt; None for agents without one."""
    sampling: dict[str, Any]
    """Sampling parameters; empty for agents without a model."""
    seed: int
    """Seeds the choice of tasks, every episode and the bootstrap."""
    metrics: Metrics
    task_success: tuple[float | None, ...]
    """Mean success for each of `task_ids`; None where every attempt errored."""
    task_score: tuple[float | None, ...]
    versions: dict[str, str] = field(default_factory=dict)
    wall_seconds: float = 0.0
    created: str = ""
    """ISO 8601, UTC."""

    def by_task(self, name: str = "success") -> dict[TaskId, float]:
        """Return mean `success` or `score` by task, without tasks whose every attempt errored."""
        values = {"success": self.task_success, "score": self.task_score}[name]
        return {
            task: value
            for task, value in zip(self.task_ids, values, strict=True)
            if value is not None
        }


def compare(before: Score, after: Score, name: str = "success") -> Interval:
    """Return the paired difference of `success` or `score` over the tasks both played.

    Raises:
        DataError: when environment, data or split differ, so that equal ids are different tasks.
        TaskError: when they share no task.
    """
    check_comparable(before, after.environment, after.data_hash, after.split)
    return pooled([(before.by_task(name), after.by_task(name))], seed=before.seed)


def check_comparable(before: Score, environment: str, data_hash: str, split: str) -> None:
    """Raise `DataError` unless `before` has this environment, data and split."""
    now = {"environment": environment, "data_hash": data_hash, "split": split}
    for what, theirs in now.items():
        ours = getattr(before, what)
        if ours != theirs:
            raise DataError(
                f"the two scores cannot be compared: their {what.replace('_', ' ')} differs "
                f"({ours!r} and {theirs!r})"
            )


def software_versions() -> dict[str, str]:
    """Return the installed versions of what a score depends on, without importing any of it."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name == "turnwise":
                found[name] = "not installed, run from its source"
    return found


# Files
# --------------------------------------------------------------------------------------------------


def to_json(score: Score) -> dict[str, Any]:
    """Return a JSON object with format and version."""
    return {"format": FORMAT, "version": VERSION, **asdict(score)}


def from_json(data: Mapping[str, Any], where: str = "the score") -> Score:
    """Return the score that `to_json` wrote.

    Raises:
        DataError: for another format or version, or missing fields.
    """
    if data.get("format") != FORMAT:
        raise DataError(f"{where} is not a turnwise score: its format should be {FORMAT!r}")
    if data.get("version") != VERSION:
        raise DataError(
            f"{where} has version {data.get('version')!r} and this turnwise reads version {VERSION}"
        )
    try:
        values = {f.name: data[f.name] for f in fields(Score)}
        for name in ("task_ids", "task_success", "task_score"):
            values[name] = tuple(values[name])
        if not len(values["task_ids"]) == len(values["task_success"]) == len(values["task_score"]):
            raise ValueError("it does not have one success and one score for each task")
        return Score(**{**values, "metrics": _metrics(data["metrics"])})
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise DataError(f"{where} is not a score of version {VERSION}: {problem}") from problem


def _metrics(data: Mapping[str, Any]) -> Metrics:
    values = dict(data)
    values["success"], values["score"] = Interval(**data["success"]), Interval(**data["score"])
    values["pass_at_k"] = {int(k): Interval(**value) for k, value in data["pass_at_k"].items()}
    values["types"] = {
        tag: TypeScore(
            **{**line, "success": Interval(**line["success"]), "score": Interval(**line["score"])}
        )
        for tag, line in data["types"].items()
    }
    return Metrics(**values)


def write(path: str | Path, score: Score) -> None:
    """Write a score as JSON. Raises `DataError` where the file cannot be written."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            json.dumps(to_json(score), indent=1, ensure_ascii=False) + "\n", encoding="utf8"
        )
    except OSError as problem:
        raise DataError(f"cannot write the score to {target}: {problem.strerror}") from problem


def read(path: str | Path) -> Score:
    """Read a score. Raises `DataError` for a missing file or one that holds no score."""
    source = Path(path)
    try:
        data = json.loads(source.read_text(encoding="utf8"))
    except OSError as problem:
        raise DataError(f"cannot read the score {source}: {problem.strerror}") from problem
    except ValueError as problem:
        raise DataError(f"{source} is not valid JSON: the file was cut off or edited") from problem
    return from_json(data if isinstance(data, dict) else {}, str(source))
