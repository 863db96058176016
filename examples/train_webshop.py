"""Train a tiny model to shop, on a CPU and without a download.

    python train_webshop.py --steps 20    # some minutes; `turnwise train quickstart` is longer

The run folder has the curves and episodes (report.html), both scores and the model.
"""

import argparse
import json
from pathlib import Path

import turnwise


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a tiny model to shop.")
    parser.add_argument("--steps", type=int, default=20, help="RL steps")
    parser.add_argument("--demonstrations", type=int, default=4800, help="of the SFT warm start")
    parser.add_argument("--algorithm", default="grpo", help="a recipe; `turnwise envs` lists them")
    parser.add_argument("--tasks", type=int, default=200, help="test tasks, before and after")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    args = parser.parse_args()

    folder = turnwise.train(
        "quickstart",
        [
            f"run.name=webshop-{args.algorithm}-seed{args.seed}",
            f"run.seed={args.seed}",
            f"train.steps={args.steps}",
            f"warm_start.episodes={args.demonstrations}",
            f"algorithm.name={args.algorithm}",
            f"eval.tasks={args.tasks}",
            *args.set,
        ],
    )
    for name in ("before", "after"):
        success = score_of(folder / f"{name}.json")["success"]
        print(f"{name:6} {success['mean']:.1%} [{success['low']:.1%}, {success['high']:.1%}]")
    for line in (folder / "metrics.jsonl").read_text(encoding="utf8").splitlines()[-3:]:
        step = json.loads(line)
        print({key: round(step[key], 3) for key in ("step", "reward", "grad_norm") if key in step})

    # The trained model shops in shops of another seed, which no run has used.
    score, episodes = turnwise.evaluate(
        "webshop", str(folder / "model"), tasks=min(args.tasks, 50), temperature=1.0, max_tokens=16,
        env_options={"style": "compact", "shops": 20, "products": 32, "catalogue_seed": 7},
    )  # fmt: skip
    print(f"other shops: success {score.metrics.success}")
    print(" -> ".join(turn.action for turn in episodes[0].turns))


def score_of(path: Path) -> dict[str, dict[str, float]]:
    metrics: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf8"))["metrics"]
    return metrics


if __name__ == "__main__":
    main()
