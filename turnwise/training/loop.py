"""The training loop: sample tasks, roll out, assign credit, update, log; evaluate before and after.

A run is a function of its config. Everything random in a step is drawn from the run's seed and the
number of the step, so that a run that was killed and started again repeats the steps after its last
checkpoint bit for bit, and ends with the same weights. The evaluation split is played twice, before
the first step and after the last, and training does not depend on it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from turnwise.algorithms import Recipe, recipe
from turnwise.algorithms.parts.sampler import running
from turnwise.errors import TurnwiseError
from turnwise.evaluation import score as scores
from turnwise.evaluation.score import Score
from turnwise.records import Group, Row, TaskId, rows, write_jsonl
from turnwise.training import checkpoint
from turnwise.training.checkpoint import TrainState
from turnwise.training.config import Config, resolve
from turnwise.training.console import RunConsole
from turnwise.training.context import RunContext, evaluate_split, prepare
from turnwise.training.learner import StepProgress
from turnwise.training.learner_team import AnyLearner
from turnwise.training.precomputed import precomputed_streams, with_reference
from turnwise.training.report import write_report
from turnwise.training.rollouts import collect, turn_entropies, update_history
from turnwise.training.run_folder import RunFolder, write_atomically
from turnwise.training.tracking import Tracker, check_trackers, open_trackers


class Interrupted(TurnwiseError):
    """Ctrl-C during training. The message names the step after which the run resumes."""


def train(config: Config, console: RunConsole | None = None) -> Path:
    """Run an experiment, or resume one that was stopped; return the run folder.

    Raises:
        ConfigError, DataError, TaskError: for a mistake in the config, its data or the run folder.
        Interrupted: after Ctrl-C.
    """
    config = resolve(config)
    folder = RunFolder(Path(config.run.directory) / config.run.name, config)
    try:
        return _Training(config, folder, console or RunConsole()).run()
    except KeyboardInterrupt:
        last = checkpoint.complete(folder.checkpoints)
        where = f"after step {int(last[-1].name.split('-')[1])}" if last else "at the first step"
        raise Interrupted(f"{folder.path} is intact; the same command resumes {where}") from None
    finally:
        folder.close()


class _Training:
    """A run from its start to its report."""

    def __init__(self, config: Config, folder: RunFolder, console: RunConsole) -> None:
        self.config, self.folder, self.console = config, folder, console
        self.recipe: Recipe = recipe(config.algorithm.name, **config.algorithm.options)
        self.tasks: list[TaskId] = []
        self.state = TrainState()
        self.trackers: list[Tracker] = []
        check_trackers(config.run.trackers)  # now, and not after an hour of SFT

    def run(self) -> Path:
        context = prepare(self.config, self.folder, self.console, self.recipe)
        # Before a checkpoint is loaded: the first score is that of the starting weights.
        before = self._evaluate(context, "before")
        learner = context.learner(self.recipe)
        self._resume(learner)
        start = self.state.step
        self.tasks = list(context.env.tasks(self.config.rollout.split))
        self.folder.forget_after(start)
        settings = self.config.model_dump(mode="json")
        self.trackers = open_trackers(self.config.run.trackers, self.folder.path, settings, start)
        try:
            for step in range(start, self.config.train.steps):
                self._step(context, learner, step)
        finally:
            for tracker in self.trackers:
                tracker.close()
        context.save(self.folder.path / "model")
        after = self._evaluate(context, "after")
        write_report(self.folder.path)
        self.console.finished(self.folder.path, before, after)
        return self.folder.path

    def _step(self, context: RunContext, learner: AnyLearner, step: int) -> None:
        """Take one training step. The algorithm as papers write it."""
        began = time.perf_counter()
        steps, rollout, state = self.config.train.steps, context.rollout, self.state
        groups, played = collect(rollout, self.recipe, self.tasks, step, state.history)
        precomputed = precomputed_streams(self.recipe, learner, groups, state.history)
        streams = self.recipe.credit(groups, learner.all_sum, precomputed)
        trained = [t for group in groups for t in group.trajectories if t.uid in streams]
        batch: list[Row] = [
            row for t in trained for row in rows(t, streams[t.uid]) if row.mask.any()
        ]
        observed = dict(played)
        if "metrics:turn_entropy" in self.recipe.requirements:
            observed |= turn_entropies(groups, learner.all_sum, rollout.max_turns)
        control = self.recipe.controller(step, steps, {**observed, **state.memory})
        update_began = time.perf_counter()
        metrics: dict[str, float] = {"tokens": 0.0, "optimiser_steps": 0.0}
        if batch:
            metrics = learner.update(
                with_reference(self.recipe, learner, batch), self.recipe, StepProgress(step, steps),
                control.learning_rate, dict(control.scalars),
            )  # fmt: skip
        seconds = time.perf_counter() - update_began
        metrics |= {
            **played,
            "trained_share": len(trained) / max(1.0, played["episodes"]),
            "update_seconds": seconds,
            "trained_per_second": metrics["tokens"] / max(seconds, 1e-9),
        }
        # After the credit plane: a baseline from history must not contain the returns it is
        # compared with.
        track = getattr(self.recipe.sampler, "track", running)
        history = update_history(state.history, groups, self.recipe.rewards, track)
        self.state = TrainState(step + 1, history, dict(control.memory))
        self._write_trajectories(groups)
        if self.config.train.eval_every and (step + 1) % self.config.train.eval_every == 0:
            metrics |= self._evaluate_dev(context)
        metrics["seconds"] = time.perf_counter() - began
        self._record(learner, metrics)

    def _record(self, learner: AnyLearner, metrics: dict[str, float]) -> None:
        """Log a step, and save a checkpoint where one is due."""
        step, settings = self.state.step, self.config.train
        self.folder.log(step, metrics)
        for tracker in self.trackers:
            tracker.log(step, metrics)
        self.console.step(step, settings.steps, metrics)
        if step % settings.checkpoint_every == 0 or step == settings.steps:
            checkpoint.save(self.folder.checkpoints, learner, self.state, settings.keep)
            write_report(self.folder.path)

    def _resume(self, learner: AnyLearner) -> None:
        """Load the newest checkpoint, if there is one."""
        last = checkpoint.complete(self.folder.checkpoints)
        if last:
            self.state = checkpoint.load(last[-1], learner)
            self.console.line(f"going on after step {self.state.step} of {self.config.train.steps}")

    def _write_trajectories(self, groups: Sequence[Group]) -> None:
        every, step = self.config.train.trajectories_every, self.state.step
        if every and (step % every == 0 or step == 1):
            played = [t for group in groups for t in group.trajectories]
            write_jsonl(self.folder.trajectories(f"step-{step:06d}"), played)

    def _evaluate_dev(self, context: RunContext) -> dict[str, float]:
        settings = self.config.eval
        score, _ = evaluate_split(context, settings.dev_split, settings.dev_tasks, self.state.step)
        return {"dev_success": score.metrics.success.mean, "dev_score": score.metrics.score.mean}

    def _evaluate(self, context: RunContext, name: str) -> Score:
        """Evaluate, or read the score of an earlier process of this run."""
        path = self.folder.path / f"{name}.json"
        if path.is_file():
            return scores.read(path)
        split = self.config.eval.split
        self.console.line(f"evaluating on {split} {name} RL")
        score, played = evaluate_split(context, split, self.config.eval.tasks or None)
        write_jsonl(self.folder.trajectories(name), played)
        write_atomically(path, json.dumps(scores.to_json(score)) + "\n")
        self.console.score(name, score)
        return score


__all__ = ["Interrupted", "train"]
