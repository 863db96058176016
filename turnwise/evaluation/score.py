"""A score is a claim: it holds everything that somebody else needs to make the same measurement
again.

Environment and data, split and the very tasks, prompt, agent and its sampling, seeds, versions of
the software, and what was measured. Per-task means are kept too, so that two scores over the same
tasks can be compared in pairs without their trajectories. Written as JSON that names its format and
version.
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
_SOFTWARE = ("turnwise", "gymnasium", "numpy", "torch", "transformers", "tokenizers")


@dataclass(frozen=True, slots=True)
class Score:
    """The result of an evaluation and the conditions under which it holds."""

    environment: str
    """Id with its version, such as `turnwise/WebShop-v0`."""
    environment_args: dict[str, str]
    data_hash: str
    split: str
    split_tasks: int
    """Tasks in the whole split; `task_ids` are those that were played."""
    task_ids: tuple[TaskId, ...]
    attempts: int
    """Episodes for each task."""
    max_turns: int | None
    agent: str
    prompt: str | None
    """Name and version of the prompt; None for agents that read no prompt."""
    sampling: dict[str, Any]
    """How the agent draws tokens; empty for agents without a model."""
    seed: int
    """Seeds the choice of tasks, every episode and the bootstrap."""
    metrics: Metrics
    task_success: tuple[float | None, ...]
    """Mean success for each of `task_ids`; None where every attempt broke off."""
    task_score: tuple[float | None, ...]
    versions: dict[str, str] = field(default_factory=dict)
    wall_seconds: float = 0.0
    created: str = ""
    """ISO 8601, UTC."""

    def by_task(self, name: str = "success") -> dict[TaskId, float]:
        """Mean `success` or `score` by task, tasks without a whole episode left out."""
        values = {"success": self.task_success, "score": self.task_score}[name]
        return {
            task: value
            for task, value in zip(self.task_ids, values, strict=True)
            if value is not None
        }


def compare(before: Score, after: Score, name: str = "success") -> Interval:
    """Paired difference of `success` or `score` over the tasks both played.

    Raises:
        DataError: when the two were not measured on the same data, so that equal task ids mean
        different tasks.
        TaskError: when they share no task.
    """
    check_comparable(before, after.environment, after.data_hash, after.split)
    return pooled([(before.by_task(name), after.by_task(name))], seed=before.seed)


def check_comparable(before: Score, environment: str, data_hash: str, split: str) -> None:
    """Raise `DataError` unless `before` was measured on this."""
    now = {"environment": environment, "data_hash": data_hash, "split": split}
    for what, theirs in now.items():
        ours = getattr(before, what)
        if ours != theirs:
            raise DataError(
                f"the two scores cannot be compared: their {what.replace('_', ' ')} differs ({ours!r} and {theirs!r})"
            )


def software_versions() -> dict[str, str]:
    """Versions of what a score depends on, of the parts that are installed. Imports none of them."""
    found = {"python": platform.python_version()}
    for name in _SOFTWARE:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name == "turnwise":
                found[name] = "not installed, run from its source"
    return found


# Files
# ----------------------------------------------------------------------------------------------------------------


def to_json(score: Score) -> dict[str, Any]:
    """A JSON object that names its format and version."""
    return {"format": FORMAT, "version": VERSION, **asdict(score)}


def from_json(data: Mapping[str, Any], where: str = "the score") -> Score:
    """The score that `to_json` wrote. Raises `DataError` for another format or version, or for
    missing fields.
    """
    if data.get("format") != FORMAT:
        raise DataError(f"{where} is not a turnwise score: it should name the format {FORMAT!r}")
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
        raise DataError(f"{source} is not whole JSON: the file was cut off or edited") from problem
    return from_json(data if isinstance(data, dict) else {}, str(source))
