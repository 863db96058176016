"""The loop: sample tasks, roll out, give credit, update, sync weights, log; evaluate before and
after.

A run is a function of its config. Whatever a step draws comes from the run's seed and the step's
number, so that a run that was killed and started again makes the steps after its last checkpoint
once more, bit for bit, and ends with the same weights. The test split is played twice, before the
first step and after the last, and nothing depends on it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from turnwise.algorithms import Recipe, recipe
from turnwise.algorithms.parts.sampler import running
from turnwise.errors import TurnwiseError
from turnwise.evaluation import score as scores
from turnwise.evaluation.score import Score
from turnwise.records import Row, TaskId, rows, write_jsonl
from turnwise.training import checkpoint
from turnwise.training.config import Config
from turnwise.training.console import Terminal
from turnwise.training.context import RunContext, evaluated, prepare
from turnwise.training.learner import StepProgress
from turnwise.training.learner_team import AnyLearner
from turnwise.training.precomputed import precomputed_streams, with_reference
from turnwise.training.report import write_report
from turnwise.training.rollouts import collect, remember, turn_entropies
from turnwise.training.run_folder import RunFolder, write_whole
from turnwise.training.tracking import Tracker, check_installed, trackers


class Interrupted(TurnwiseError):
    """Ctrl-C. The message says where the run stands and how it goes on."""


def train(config: Config, terminal: Terminal | None = None) -> Path:
    """Run an experiment, or go on with one that was broken off. Returns the run folder.

    Raises:
        ConfigError, DataError, TaskError: one sentence about what is wrong with the config, its
        data or the run folder.
        Interrupted: after Ctrl-C.
    """
    folder = RunFolder(Path(config.run.directory) / config.run.name, config)
    say = terminal or Terminal()
    try:
        return _Training(config, folder, say).run()
    except KeyboardInterrupt:
        last = checkpoint.found(folder.checkpoints)
        where = f"after step {int(last[-1].name.split('-')[1])}" if last else "from its beginning"
        raise Interrupted(
            f"stopped; {folder.path} is whole. Run the same command again and it goes on {where}"
        ) from None
    finally:
        folder.close()


class _Training:
    """A run from its start to its report."""

    def __init__(self, config: Config, folder: RunFolder, say: Terminal) -> None:
        self.config, self.folder, self.say = config, folder, say
        self.recipe: Recipe = recipe(config.algorithm.name, **config.algorithm.options)
        self.tasks: list[TaskId] = []
        self.history: dict[TaskId, tuple[float, float]] = {}
        self.memory: dict[str, float] = {}
        self.trackers: list[Tracker] = []
        check_installed(config.run.trackers)  # now and not after the warm start

    def run(self) -> Path:
        setting = prepare(self.config, self.folder, self.say)
        before = self._evaluate(setting, "before", self.config.eval.split)
        learner = setting.learner(self.recipe)
        start = self._resume(learner)
        self.tasks = list(setting.env.tasks(self.config.rollout.split))
        self.folder.forget_after(start)
        facts = self.config.model_dump(mode="json")
        self.trackers = trackers(self.config.run.trackers, self.folder.path, facts, start)
        try:
            for step in range(start, self.config.train.steps):
                self._step(setting, learner, step)
        finally:
            for tracker in self.trackers:
                tracker.close()
        setting.save(self.folder.path / "model")
        after = self._evaluate(setting, "after", self.config.eval.split)
        write_report(self.folder.path)
        self.say.finished(self.folder.path, before, after)
        return self.folder.path

    def _step(self, setting: RunContext, learner: AnyLearner, step: int) -> None:
        """One step: this is the algorithm."""
        began = time.perf_counter()
        stage, last = setting.stage, self.config.train.steps
        groups, seen = collect(stage, self.recipe, self.tasks, step, self.history)
        streams = self.recipe.credit(
            groups, learner.all_sum, precomputed_streams(self.recipe, learner, groups, self.history)
        )
        trained = [t for group in groups for t in group.trajectories if t.uid in streams]
        batch: list[Row] = [
            row for t in trained for row in rows(t, streams[t.uid]) if row.mask.any()
        ]
        told = (
            turn_entropies(groups, learner.all_sum, stage.max_turns)
            if "metrics:turn_entropy" in self.recipe.requirements
            else {}
        )
        control = self.recipe.controller(step, last, {**seen, **told, **self.memory})
        self.memory = dict(control.memory)
        update_began = time.perf_counter()
        metrics: dict[str, float] = {"tokens": 0.0, "optimiser_steps": 0.0}
        if batch:
            metrics = learner.update(
                with_reference(self.recipe, learner, batch),
                self.recipe,
                StepProgress(step, last),
                control.learning_rate,
                dict(control.scalars),
            )
        seconds = time.perf_counter() - update_began
        self.history = remember(
            self.history,
            groups,
            self.recipe.rewards,
            getattr(self.recipe.sampler, "track", running),
        )
        metrics |= {**seen, "trained_share": len(trained) / max(1.0, seen["episodes"])}
        metrics |= {
            "update_seconds": seconds,
            "trained_per_second": metrics["tokens"] / max(seconds, 1e-9),
        }
        self._keep(setting, groups, step + 1)
        if self.config.train.eval_every and (step + 1) % self.config.train.eval_every == 0:
            metrics |= self._develop(setting, step + 1)
        metrics["seconds"] = time.perf_counter() - began
        self._record(learner, step + 1, metrics)

    def _record(self, learner: AnyLearner, step: int, metrics: dict[str, float]) -> None:
        self.folder.log(step, metrics)
        for tracker in self.trackers:
            tracker.log(step, metrics)
        self.say.step(step, self.config.train.steps, metrics)
        if step % self.config.train.checkpoint_every == 0 or step == self.config.train.steps:
            progress = checkpoint.Progress(step, self.history, self.memory)
            checkpoint.save(self.folder.checkpoints, learner, progress, self.config.train.keep)
            write_report(self.folder.path)

    def _resume(self, learner: AnyLearner) -> int:
        last = checkpoint.found(self.folder.checkpoints)
        if not last:
            return 0
        progress = checkpoint.load(last[-1], learner)
        self.history, self.memory = progress.history, progress.memory
        self.say.line(f"going on after step {progress.step} of {self.config.train.steps}")
        return progress.step

    def _keep(self, setting: RunContext, groups: Any, step: int) -> None:
        every = self.config.train.trajectories_every
        if every and (step % every == 0 or step == 1):
            write_jsonl(
                self.folder.trajectories(f"step-{step:06d}"),
                [t for group in groups for t in group.trajectories],
            )

    def _develop(self, setting: RunContext, step: int) -> dict[str, float]:
        made, _ = evaluated(
            setting, self.config.eval.dev_split, self.config.eval.dev_tasks, version=step
        )
        return {"dev_success": made.metrics.success.mean, "dev_score": made.metrics.score.mean}

    def _evaluate(self, setting: RunContext, name: str, split: str) -> Score:
        """Evaluate once; a run that goes on reads what it measured."""
        path = self.folder.path / f"{name}.json"
        if path.is_file():
            return scores.read(path)
        self.say.line(
            f"evaluating on {split} {'before' if name == 'before' else 'after'} reinforcement"
        )
        made, played = evaluated(setting, split, self.config.eval.tasks or None)
        write_jsonl(self.folder.trajectories(name), played)
        write_whole(path, json.dumps(scores.to_json(made)) + "\n")
        self.say.score(name, made)
        return made


__all__ = ["Interrupted", "train"]
