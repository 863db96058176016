"""Cost of a rollout, and of a whole training step, compared with the usual ways.

    python benchmarks/rollout.py               a fresh tiny model in the shops of quickstart.toml
    python benchmarks/rollout.py --model DIR   a trained one, such as runs/quickstart/start
    python benchmarks/rollout.py --json        the same figures as JSON

One process, one machine, one dtype, and the same weights, prompts, environment and sampling for
every arm. The arms run in turn, repeatedly. Medians are printed, with ratios of CPU time (the fair
figure where other work shares the cores) and of wall time.

* `turnwise`: `TransformersEngine` and the rollout driver, with entropies.
* `turnwise, model's own forward`: the same without the packed forward, to show its gain.
* `generate in lock-step`: every turn, all unfinished episodes in one left-padded `model.generate`
  over their whole history, keeping the logits for the log-probabilities.
* `TRL`: GRPOTrainer with `environment_factory`, where `trl` can be imported (with_trl.py lists the
  work that it is spared).

A fresh model never ends a reply or an episode and has no rewards: all episodes are equally long,
the best case for lock-step, and their pages are nearly empty. Use a trained model for meaningful
figures. In a whole step the learner skips rows whose advantages are all zero, which leaves the
update unchanged; `--all-rows` computes them, as TRL does. TRL's token counts include replies after
the end of an episode, so compare it by episodes.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import torch  # noqa: E402

from turnwise.agents.agent import Episode, ModelAgent  # noqa: E402
from turnwise.agents.driver import episodes_for, play  # noqa: E402
from turnwise.agents.engines.base import Sampling  # noqa: E402
from turnwise.agents.engines.transformers.engine import TransformersEngine  # noqa: E402
from turnwise.agents.renderer import Renderer  # noqa: E402
from turnwise.algorithms import recipe  # noqa: E402
from turnwise.envs.prompt import Prompt, Step  # noqa: E402
from turnwise.envs.registry import env_spec, make, make_prompt  # noqa: E402
from turnwise.records import Trajectory, rows  # noqa: E402
from turnwise.training.config import Config, load_config  # noqa: E402
from turnwise.training.learner import Learner, StepProgress  # noqa: E402
from turnwise.training.model import load_model, make_tiny  # noqa: E402
from turnwise.training.rollouts import grouped  # noqa: E402


@dataclass(frozen=True)
class Work:
    """The work that every arm does."""

    config: Config
    make_env: Callable[[], Any]
    prompt: Prompt
    model: Any
    tokenizer: Any
    episodes: list[Episode]
    max_turns: int

    @property
    def max_tokens(self) -> int:
        return self.config.rollout.max_tokens


@dataclass
class Cost:
    """Tokens, turns and seconds of one repetition of an arm."""

    tokens: int
    turns: int
    episodes: int
    cpu: float
    wall: float
    train_cpu: float | None = None
    train_wall: float | None = None


@dataclass
class Arm:
    name: str
    run: Callable[[Work], Cost]
    costs: list[Cost] = field(default_factory=list)


def timed(action: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return (result of `action`, CPU seconds, wall seconds)."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = action()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def cost_of(trajectories: Sequence[Trajectory], cpu: float, wall: float) -> Cost:
    errors = [t.error for t in trajectories if t.error is not None]
    if errors:
        raise SystemExit(f"{len(errors)} episodes errored, the first with: {errors[0]}")
    turns = [turn for t in trajectories for turn in t.turns]
    return Cost(
        sum(len(turn.completion_ids) for turn in turns), len(turns), len(trajectories), cpu, wall
    )


def ours(work: Work, fast: bool = True, model: Any = None) -> tuple[list[Trajectory], Cost]:
    def go() -> list[Trajectory]:
        n = len(work.episodes)
        engine = TransformersEngine(model or work.model, slots=n, fast=fast, seed=0)
        sampling = Sampling(max_tokens=work.max_tokens, entropies=True)
        agent = ModelAgent(engine, work.tokenizer, work.prompt, sampling, engine.max_context)
        return play(work.episodes, work.make_env, agent, max_turns=work.max_turns, concurrency=n)

    trajectories, cpu, wall = timed(go)
    return trajectories, cost_of(trajectories, cpu, wall)


def ours_and_training(work: Work) -> Cost:
    """Measure a whole GRPO step: rollout, credit, update."""
    model = copy.deepcopy(work.model)
    learner, algorithm = Learner(model, work.config.optimiser), recipe("grpo")
    trajectories, cost = ours(work, model=model)

    def update() -> None:
        streams = algorithm.credit(grouped(trajectories), learner.all_sum)
        batch = [row for t in trajectories if t.uid in streams for row in rows(t, streams[t.uid])]
        learner.update(batch, algorithm, StepProgress(0, 1))

    _, cost.train_cpu, cost.train_wall = timed(update)
    return cost


def lock_step(work: Work) -> Cost:
    def go() -> tuple[int, int]:
        renderer = Renderer(work.tokenizer)
        games = [_Game(work, episode, renderer) for episode in work.episodes]
        tokens = turns = 0
        for _ in range(work.max_turns):
            going = [game for game in games if not game.over]
            if not going:
                break
            replies = _generate(work, renderer, [game.prompt_ids() for game in going])
            for game, ids in zip(going, replies, strict=True):
                game.act(ids)
                tokens, turns = tokens + len(ids), turns + 1
        return tokens, turns

    (tokens, turns), cpu, wall = timed(go)
    return Cost(tokens, turns, len(work.episodes), cpu, wall)


class _Game:
    """One episode played without the driver."""

    def __init__(self, work: Work, episode: Episode, renderer: Renderer) -> None:
        self.prompt, self.env, self.over = work.prompt, work.make_env(), False
        self.dialogue = renderer.dialogue()
        observation, info = self.env.reset(
            seed=episode.seed, options={"task": episode.task, "split": episode.split}
        )
        self.history = [Step(observation, info)]

    def prompt_ids(self) -> tuple[int, ...]:
        return self.dialogue.prompt(self.prompt.messages(self.history))

    def act(self, ids: Sequence[int]) -> None:
        text = self.dialogue.add(ids)
        action = self.prompt.parse(text).text
        last = self.history[-1]
        self.history[-1] = Step(last.observation, last.info, text, action)
        observation, _, terminated, truncated, info = self.env.step(action)
        self.history.append(Step(observation, info))
        self.over = terminated or truncated


@torch.inference_mode()
def _generate(work: Work, renderer: Renderer, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the completions of one padded `generate`, each up to its stop token."""
    width, pad = max(map(len, prompts)), work.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts])
    seen = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    out = work.model.generate(
        ids, attention_mask=seen, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
        max_new_tokens=work.max_tokens, eos_token_id=list(renderer.stop_ids), pad_token_id=pad,
        output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    new = out.sequences[:, width:]
    # The log-probabilities that training needs.
    torch.stack(out.logits, 1).float().log_softmax(-1).gather(-1, new[..., None])
    completions = []
    for row in new.tolist():
        end = next((k for k, token in enumerate(row) if token in renderer.stop_ids), len(row) - 1)
        completions.append(row[: end + 1])
    return completions


def prepare(args: argparse.Namespace, directory: Path) -> Work:
    config = load_config(args.config)
    env = make(config.env.name, **config.env.options)
    prompt = make_prompt(config.prompt.name)
    limit = config.rollout.max_turns or env_spec(config.env.name).max_turns
    tasks = list(env.tasks("train"))
    source = args.model
    if source is None:
        if config.model.tiny is None:
            raise SystemExit(f"{args.config} names no tiny model: give --model DIR")
        source = directory / "tiny"
        source.mkdir()
        make_tiny(source, config.model.tiny, env.spawn, prompt, tasks, "train", limit, 0)
    settings = config.model.model_copy(update={"dtype": args.dtype})
    model, tokenizer = load_model(Path(source).resolve(), settings)
    optimiser = config.optimiser.model_copy(update={"skip_zero_advantage": not args.all_rows})
    config = config.model_copy(update={"optimiser": optimiser})
    episodes = episodes_for(tasks[: args.tasks], args.group, "train")
    return Work(config, env.spawn, prompt, model.eval(), tokenizer, episodes, limit)


def arms_of(args: argparse.Namespace) -> list[Arm]:
    arms = [
        Arm(
            "turnwise", ours_and_training if args.dtype == "float32" else lambda work: ours(work)[1]
        ),
        Arm("turnwise, model's own forward", lambda work: ours(work, fast=False)[1]),
        Arm("generate in lock-step", lock_step),
    ]
    try:
        import trl  # noqa: F401
    except ImportError:
        print(
            "trl cannot be imported, so the comparison with it is left out: "
            "pip install trl==1.16.0 datasets",
            file=sys.stderr,
        )
        return arms
    if args.dtype == "float32" and not args.no_trl:
        from with_trl import trl_step

        arms.append(Arm("TRL", lambda work: Cost(**trl_step(work, args.group))))
    return arms


def middle(costs: Sequence[Cost], figure: Callable[[Cost], float]) -> float:
    return statistics.median(figure(cost) for cost in costs)


def summary(arm: Arm, base: Arm) -> dict[str, Any]:
    """Return the medians of an arm, and how many times faster `base` is.

    Ratios are medians over the ratios of each repetition.
    """
    pairs = list(zip(arm.costs, base.costs, strict=True))

    def ratio(rate: Callable[[Cost], float]) -> float:
        return statistics.median(rate(b) / rate(a) for a, b in pairs)

    out: dict[str, Any] = {
        "arm": arm.name,
        "tokens": middle(arm.costs, lambda c: c.tokens),
        "turns": middle(arm.costs, lambda c: c.turns),
        "rollout_cpu_s": middle(arm.costs, lambda c: c.cpu),
        "rollout_wall_s": middle(arm.costs, lambda c: c.wall),
        "tokens_per_cpu_s": middle(arm.costs, lambda c: c.tokens / c.cpu),
        "episodes_per_cpu_min": middle(arm.costs, lambda c: 60 * c.episodes / c.cpu),
        "ratio_tokens_cpu": ratio(lambda c: c.tokens / c.cpu),
        "ratio_episodes_cpu": ratio(lambda c: c.episodes / c.cpu),
        "ratio_tokens_wall": ratio(lambda c: c.tokens / c.wall),
    }
    if all(cost.train_cpu is not None for cost in arm.costs):
        out["train_cpu_s"] = middle(arm.costs, lambda c: c.train_cpu or 0.0)
        out["step_cpu_s"] = middle(arm.costs, lambda c: c.cpu + (c.train_cpu or 0.0))
        out["ratio_step_cpu"] = ratio(lambda c: 1 / (c.cpu + (c.train_cpu or 0.0)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default=str(ROOT / "configs" / "quickstart.toml"))
    parser.add_argument("--model", help="a Hugging Face directory, in place of a fresh tiny model")
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--group", type=int, default=8, help="episodes of each task")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16"],
        default="float32",
        help="whole steps and TRL in float32 only",
    )
    parser.add_argument(
        "--all-rows", action="store_true", help="train on rows without advantage too"
    )
    parser.add_argument("--no-trl", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as directory:
        work, arms = prepare(args, Path(directory)), arms_of(args)
        for repeat in range(args.repeats + 1):
            for arm in arms:
                cost = arm.run(work)
                if repeat:  # the first one warms up
                    arm.costs.append(cost)
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(), "torch": torch.__version__, "threads": args.threads,
        "dtype": args.dtype, "parameters": sum(p.numel() for p in work.model.parameters()),
        "episodes": len(work.episodes), "max_turns": work.max_turns, "max_tokens": work.max_tokens,
        "repeats": args.repeats,
    }  # fmt: skip
    table = [summary(arm, arms[0]) for arm in arms]
    if args.json:
        print(json.dumps({"facts": facts, "arms": table}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    names = ("tokens", "turns", "CPU s", "tok/CPU-s", "x", "ep/CPU-min", "x", "step CPU s", "x")
    widths = (7, 6, 7, 10, 6, 11, 6, 11, 6)
    print(
        "x: how many times faster turnwise is\n" + " " * 30,
        *(f"{n:>{w}}" for n, w in zip(names, widths, strict=True)),
    )
    for row in table:
        step = ""
        if "ratio_step_cpu" in row:
            step = f"{row['step_cpu_s']:11.2f} {row['ratio_step_cpu']:6.1f}"
        print(
            f"{row['arm']:30} {row['tokens']:7.0f} {row['turns']:6.0f} "
            f"{row['rollout_cpu_s']:7.2f} {row['tokens_per_cpu_s']:10.0f} "
            f"{row['ratio_tokens_cpu']:6.1f} {row['episodes_per_cpu_min']:11.0f} "
            f"{row['ratio_episodes_cpu']:6.1f} {step}"
        )


if __name__ == "__main__":
    main()
