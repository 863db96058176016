"""Tokens and turns saved by branching: ARPO's and AEPO's rollouts against independent ones.

    OMP_NUM_THREADS=1 python benchmarks/branching.py --run runs/tool_math_quickstart \\
        --run runs/alfworld-tiny
    OMP_NUM_THREADS=1 python benchmarks/branching.py --run runs/tool_math_quickstart \\
        --tasks 64 --total 16 --json FILE

Each run's model (after its SFT warm start, or after RL with `--model model`) plays the same tasks
of its development split three times, to the same number of trajectories: independently, with ARPO's
branches and with AEPO's. Tokens and turns (tool calls) are counted where they were generated and
played, so what a branch inherited counts once. Every branch is then replayed from its beginning,
action by action, and must give the same observations, rewards and states, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from turnwise.agents.agent import ModelAgent  # noqa: E402
from turnwise.agents.driver import episodes_for, play  # noqa: E402
from turnwise.agents.engines.base import Sampling  # noqa: E402
from turnwise.agents.engines.transformers.engine import TransformersEngine  # noqa: E402
from turnwise.agents.engines.transformers.pretrained import load  # noqa: E402
from turnwise.agents.renderer import Renderer  # noqa: E402
from turnwise.algorithms import recipe  # noqa: E402
from turnwise.algorithms.parts.strategy import Independent, RolloutStrategy  # noqa: E402
from turnwise.envs.prompt import prompt  # noqa: E402
from turnwise.envs.registry import env_spec, make  # noqa: E402
from turnwise.records import Trajectory  # noqa: E402


def own(played: Sequence[Trajectory]) -> tuple[int, int]:
    """Return the numbers of tokens generated and turns played, without inherited ones."""
    acts = [turn for t in played for turn in t.turns[t.parent[1] if t.parent else 0 :]]
    return sum(len(turn.completion_ids) for turn in acts), len(acts)


def replayed(env: object, played: Sequence[Trajectory]) -> int:
    """Replay every branch and return their number.

    Raises:
        AssertionError: at the first difference.
    """
    same = 0
    for t in (t for t in played if t.parent is not None and t.error is None):
        options = {"task": t.task, "split": t.split}
        observation, info = env.reset(seed=t.seed, options=options)  # type: ignore[attr-defined]
        for turn in t.turns:
            assert (observation, info["state"]) == (turn.observation, turn.state), (
                f"{t.uid} differs from its replay"
            )
            observation, reward, *_, info = env.step(turn.action)  # type: ignore[attr-defined]
            assert (info["state"], reward) == (turn.next_state, turn.rewards["env"]), (
                f"{t.uid} differs from its replay"
            )
        same += 1
    return same


def measure(run: Path, which: str, tasks: int, total: int) -> dict[str, dict[str, float]]:
    """Return one run's figures by strategy."""
    config = json.loads((run / "config.json").read_text(encoding="utf8"))
    name = config["env"]["name"]
    env = make(name, **config["env"]["options"])
    chosen_prompt = prompt(config["prompt"]["name"] or env_spec(name).prompt)
    model, tokenizer = load(str(run / which))
    vocabulary = int(model.config.vocab_size)
    engine = TransformersEngine(model, slots=64, seed=0)
    sampling = Sampling(temperature=1.0, max_tokens=config["rollout"]["max_tokens"], entropies=True)
    agent = ModelAgent(
        engine,
        tokenizer,
        chosen_prompt,
        sampling,
        engine.max_context,
        renderer=Renderer.of(tokenizer, chosen_prompt),
    )
    split = config["eval"]["dev_split"]
    chosen = list(env.tasks(split))[:tasks]
    shared = {"total": total, "window": 4, "vocabulary": vocabulary}
    ways: dict[str, RolloutStrategy | None] = {
        "independent": Independent(total),
        "arpo": recipe("arpo", initial=total // 2, **shared).strategy,
        "aepo": recipe("aepo", **shared).strategy,
    }
    print(f"{run.name}/{which}: {len(chosen)} tasks of {split}, {total} trajectories each")
    found: dict[str, dict[str, float]] = {}
    for way, strategy in ways.items():
        assert strategy is not None
        limit = config["rollout"]["max_turns"] or env_spec(name).max_turns
        episodes = episodes_for(chosen, strategy, split)
        played = play(
            episodes, env.spawn, agent, max_turns=limit, concurrency=32, strategy=strategy
        )
        tokens, turns = own(played)
        whole = [t for t in played if t.error is None]
        found[way] = {
            "trajectories": len(played),
            "errors": len(played) - len(whole),
            "branches": sum(t.parent is not None for t in played),
            "tokens": tokens,
            "turns": turns,
            "success": sum(t.success for t in whole) / max(1, len(whole)),
            "replayed": replayed(env.spawn(), played),
        }
        print_figures(way, found[way], found["independent"])
        for problem in sorted({t.error for t in played if t.error is not None}):
            print(f"    errored: {problem}")
    return found


def print_figures(way: str, one: dict[str, float], base: dict[str, float]) -> None:
    """Print a line about one strategy; `base` has the figures of independent rollouts."""
    print(
        f"  {way:12s} {one['trajectories']:.0f} trajectories ({one['branches']:.0f} branches, "
        f"{one['replayed']:.0f} equal to their replay, {one['errors']:.0f} errors), "
        f"{one['tokens']:.0f} tokens ({one['tokens'] / base['tokens']:.2f}x), "
        f"{one['turns']:.0f} turns ({one['turns'] / base['turns']:.2f}x), "
        f"success {100 * one['success']:.1f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, action="append", required=True, help="a run folder; may be given again"
    )
    parser.add_argument("--model", default="start", choices=("start", "model"))
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--total", type=int, default=8)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures = {
        str(run.name): measure(run, asked.model, asked.tasks, asked.total) for run in asked.run
    }
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
