"""Records of episodes, shared by environments, agents, algorithms and trainers.

A `Turn` is one act of one agent, recorded as the tokens the engine consumed and produced; text is a
view of them. A `Trajectory` is the turns of one episode, a `Group` the trajectories sampled for one
task, and a `Row` one training sequence. `rows` turns a trajectory into rows without a tokenizer:
consecutive turns share a row while each prompt extends what came before it. An append-only dialogue
is therefore one row and a windowed prompt several, and no algorithm can tell the difference. Files
are JSON lines; the first line names the format and its version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from turnwise.errors import DataError

VERSION = 1
FORMAT = "turnwise.trajectories"
TaskId: TypeAlias = int | str
SUCCESS = "success"
"""A reward component that is not recorded: 1 where the task was solved (`Trajectory.success`)."""
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Turn:
    """One act of one agent."""

    agent: str
    prompt_ids: tuple[int, ...]
    """The tokens given to the engine, history included. Empty for agents without a model."""
    completion_ids: tuple[int, ...]
    """The tokens the engine produced, its end-of-turn token included when it produced one."""
    logprobs: tuple[float, ...]
    """Log-probability (nats) of each completion token at the sampling temperature, before top-p and
    top-k.
    """
    entropies: tuple[float, ...] | None
    """Entropy (nats) of the full distribution at each completion token; None if not requested."""
    observation: str
    completion: str
    action: str
    """The action given to the environment, parsed from the completion."""
    valid: bool
    rewards: dict[str, float]
    """`env` is the environment's reward; other components count only where a recipe weighs them."""
    state: str
    """Hash of the environment's full state before the action."""
    next_state: str
    tags: tuple[str, ...] = ()
    stop_reason: str = "stop"
    wall_seconds: float = 0.0
    weights_version: int = 0


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One episode, complete or errored.

    `error` says what went wrong; an errored episode has earned no reward and lost none.
    """

    task: TaskId
    group: str
    uid: str
    turns: tuple[Turn, ...]
    success: bool
    score: float
    stop_reason: str
    """`terminated`, `truncated` (turn limit), `length` (context or token limit) or `error`."""
    parent: tuple[str, int] | None = None
    """(uid, turn) of the fork: turns before that index were played by the parent."""
    error: str | None = None
    split: str = ""
    seed: int | None = None
    tags: tuple[str, ...] = ()

    def reward(self, weights: Mapping[str, float] | None = None) -> float:
        """Return the undiscounted return: the sum over turns of the weighted reward components.

        Args:
            weights: component -> weight (default: `env` alone). `success` stands for 1 where the
                task was solved, whatever the turns have recorded.
        """
        chosen = dict(weights) if weights is not None else {"env": 1.0}
        solved = chosen.pop(SUCCESS, 0.0) * self.success
        recorded = sum(
            w * turn.rewards.get(name, 0.0) for turn in self.turns for name, w in chosen.items()
        )
        return float(solved + recorded)


@dataclass(frozen=True, slots=True)
class Group:
    """The trajectories sampled for one task, which group-relative methods compare."""

    task: TaskId
    uid: str
    trajectories: tuple[Trajectory, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One training sequence of T tokens."""

    ids: npt.NDArray[np.int64]
    """[T] token ids."""
    mask: npt.NDArray[np.bool_]
    """[T] True on the tokens that the model produced."""
    turn: npt.NDArray[np.int64]
    """[T] index of the turn within its trajectory; -1 on tokens the model did not produce."""
    trajectory: str
    """uid of the trajectory; a "sequence" in an algorithm is the trajectory, never the row."""
    streams: dict[str, Floats] = field(default_factory=dict)
    """Name (`logprob`, `advantage`, `weight`, ...) -> [T] values; 0 where `mask` is False."""
    agent: str = ""
    """The agent that wrote the model's tokens; a row never holds those of two agents."""


PerTurn: TypeAlias = Sequence[Sequence[float] | Floats]
"""A stream of one trajectory: for each turn, one value per completion token."""


def rows(trajectory: Trajectory, streams: Mapping[str, PerTurn] | None = None) -> list[Row]:
    """Return the training sequences of a trajectory, in the order of its turns.

    A pure function of tokens.

    Args:
        trajectory: turns without completion tokens (scripted agents) are skipped.
        streams: further per-token values by name, each aligned with the turns' `completion_ids`.
            `logprob`, and `entropy` where it was recorded, are always included.

    Raises:
        DataError: when a stream or the log-probabilities do not fit the completions.
    """
    every: dict[str, PerTurn] = {"logprob": [turn.logprobs for turn in trajectory.turns]}
    if trajectory.turns and all(turn.entropies is not None for turn in trajectory.turns):
        every["entropy"] = [turn.entropies or () for turn in trajectory.turns]
    every.update(streams or {})
    _check_lengths(trajectory, every)
    return [_row(trajectory, run, every) for run in _runs(trajectory.turns)]


def _check_lengths(trajectory: Trajectory, streams: Mapping[str, PerTurn]) -> None:
    expected = [len(turn.completion_ids) for turn in trajectory.turns]
    for name, stream in streams.items():
        lengths = [len(values) for values in stream]
        if lengths != expected:
            raise DataError(
                f"stream {name!r} of trajectory {trajectory.uid} has {lengths} values a turn where"
                f" the completions have {expected} tokens: give one value for each completion token"
            )


def _runs(turns: Sequence[Turn]) -> Iterator[list[int]]:
    """Yield runs of turns that share a row.

    Turn k+1 is in the run of turn k if its prompt starts with turn k's prompt and completion.
    """
    run: list[int] = []
    for k, turn in enumerate(turns):
        if not turn.completion_ids:
            continue
        if run:
            before = turns[run[-1]].prompt_ids + turns[run[-1]].completion_ids
            if turns[run[-1]].agent != turn.agent or turn.prompt_ids[: len(before)] != before:
                yield run
                run = []
        run.append(k)
    if run:
        yield run


def _row(trajectory: Trajectory, run: Sequence[int], streams: Mapping[str, PerTurn]) -> Row:
    # Every prompt of a run extends the one before it, so the last one holds them all.
    last = trajectory.turns[run[-1]]
    ids = np.array(last.prompt_ids + last.completion_ids, dtype=np.int64)
    mask = np.zeros(len(ids), dtype=np.bool_)
    owner = np.full(len(ids), -1, dtype=np.int64)
    values = {name: np.zeros(len(ids), dtype=np.float64) for name in streams}
    for k in run:
        turn = trajectory.turns[k]
        here = slice(len(turn.prompt_ids), len(turn.prompt_ids) + len(turn.completion_ids))
        mask[here] = True
        owner[here] = k
        for name, stream in streams.items():
            values[name][here] = stream[k]
    return Row(
        ids=ids, mask=mask, turn=owner, trajectory=trajectory.uid, streams=values, agent=last.agent
    )


# Files
# --------------------------------------------------------------------------------------------------


def to_json(trajectory: Trajectory) -> dict[str, Any]:
    """Return a trajectory as a JSON object.

    A prompt that extends the turn before it is stored as its new tokens only, with `extends`.
    """
    data = {f.name: getattr(trajectory, f.name) for f in fields(trajectory) if f.name != "turns"}
    data["turns"] = []
    before: tuple[int, ...] = ()
    for turn in trajectory.turns:
        item = asdict(turn)
        if before and turn.prompt_ids[: len(before)] == before:
            item["prompt_ids"] = turn.prompt_ids[len(before) :]
            item["extends"] = True
        data["turns"].append(item)
        before = turn.prompt_ids + turn.completion_ids
    return data


def from_json(data: Mapping[str, Any]) -> Trajectory:
    """Return the trajectory that `to_json` wrote; `DataError` for missing or unknown fields."""
    try:
        turns: list[Turn] = []
        for item in data["turns"]:
            values = dict(item)
            prompt = tuple(values["prompt_ids"])
            if values.pop("extends", False):
                prompt = turns[-1].prompt_ids + turns[-1].completion_ids + prompt
            values["prompt_ids"] = prompt
            for name in ("completion_ids", "logprobs", "tags"):
                values[name] = tuple(values[name])
            if values["entropies"] is not None:
                values["entropies"] = tuple(values["entropies"])
            turns.append(Turn(**values))
        rest = {name: value for name, value in data.items() if name != "turns"}
        parent = rest.get("parent")
        rest["parent"] = (parent[0], parent[1]) if parent is not None else None
        rest["tags"] = tuple(rest.get("tags", ()))
        return Trajectory(turns=tuple(turns), **rest)
    except (KeyError, TypeError, IndexError) as problem:
        raise DataError(f"not a trajectory of version {VERSION}: {problem}") from problem


def write_jsonl(path: str | Path, trajectories: Iterable[Trajectory], append: bool = False) -> None:
    """Write trajectories to a JSON-lines file whose first line names the format and version.

    With `append=True` they are added to an existing file.
    """
    target = Path(path)
    fresh = not (append and target.exists() and target.stat().st_size > 0)
    with target.open("w" if fresh else "a", encoding="utf8") as out:
        if fresh:
            out.write(json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
        for trajectory in trajectories:
            out.write(
                json.dumps(to_json(trajectory), ensure_ascii=False, separators=(",", ":")) + "\n"
            )


def read_jsonl(path: str | Path) -> Iterator[Trajectory]:
    """Yield the trajectories of a file.

    Raises:
        DataError: for a missing file, another format or version, or an incomplete line.
    """
    source = Path(path)
    if not source.is_file():
        raise DataError(f"{source} does not exist: give a file of trajectories written by turnwise")
    with source.open(encoding="utf8") as lines:
        head = _parse(source, 1, lines.readline())
        if head.get("format") != FORMAT:
            raise DataError(
                f"{source} is not a file of trajectories: its first line should name the format "
                f"{FORMAT!r}"
            )
        if head.get("version") != VERSION:
            raise DataError(
                f"{source} has version {head.get('version')!r} and this turnwise reads version "
                f"{VERSION}: read it with the turnwise that wrote it"
            )
        for number, line in enumerate(lines, start=2):
            yield from_json(_parse(source, number, line))


def _parse(source: Path, number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as problem:
        raise DataError(
            f"{source} line {number} is not valid JSON ({problem.msg}): the file was cut off or "
            "edited"
        ) from problem
    if not isinstance(data, dict):
        raise DataError(f"{source} line {number} is not a JSON object")
    return data
