"""Trajectories for the tests of evaluation, made by hand."""

from __future__ import annotations

from turnwise.records import TaskId, Trajectory, Turn


def turn(valid: bool = True, prompt: int = 0, completion: int = 0) -> Turn:
    return Turn(
        agent="a", prompt_ids=tuple(range(prompt)), completion_ids=tuple(range(completion)),
        logprobs=(0.0,) * completion,
        entropies=None, observation="o", completion="c", action="x", valid=valid,
        rewards={"env": 0.0}, state="s", next_state="t",
    )  # fmt: skip


def episode(
    task: TaskId, success: bool, score: float | None = None, uid: str = "", **more: object
) -> Trajectory:
    values: dict[str, object] = {"turns": (turn(),), "stop_reason": "terminated", **more}
    earned = float(success) if score is None else score
    return Trajectory(
        task=task, group=str(task), uid=uid or f"{task}-{success}", success=success, score=earned,
        **values,  # type: ignore[arg-type]
    )  # fmt: skip


def broken(task: TaskId, why: str = "the engine stopped") -> Trajectory:
    return episode(task, False, stop_reason="error", error=why, turns=())
