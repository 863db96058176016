"""What ALFWorld costs: CPU time of a step, a reset, a fork and a load, and memory.

    python benchmarks/alfworld.py                     generated games
    python benchmarks/alfworld.py --games DIR         every 10th game.tw-pddl below DIR too
    python benchmarks/alfworld.py --steps 1000000     for longer; what memory grew by is printed

Actions are drawn from the admissible ones. The original engine is not run here.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import time
import tracemalloc
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from turnwise.envs.alfworld import ALFWorldEnv, Game, generate  # noqa: E402

TURNS = 50


def measure(name: str, games: list[Game], steps: int) -> None:
    """Play `steps` random steps over the games and print microseconds for each kind of work."""
    env, rng, before = ALFWorldEnv(games), random.Random(0), resident()
    spent = {"step": 0.0, "reset": 0.0, "fork": 0.0}
    counts = dict.fromkeys(spent, 0)
    clock = time.process_time
    while counts["step"] < steps:
        start = clock()
        _, info = env.reset(options={"task": counts["reset"] % len(games)})
        spent["reset"] += clock() - start
        counts["reset"] += 1
        actions = 0.0
        for _ in range(TURNS):
            action = rng.choice(info["admissible"])
            start = clock()
            *_, info = env.step(action)
            actions += clock() - start
        spent["step"] += actions
        counts["step"] += TURNS
        start = clock()
        env.fork()
        spent["fork"] += clock() - start
        counts["fork"] += 1
    figures = ", ".join(f"{kind} {1e6 * spent[kind] / counts[kind]:.1f} us" for kind in spent)
    grown = resident() - before
    print(f"{name}: {len(games)} games, {counts['step']} steps: {figures}")
    print(f"  {live(games):.1f} KB a live environment; resident memory grew by {grown:.1f} MB over the run")


def resident() -> float:
    """Resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def live(games: list[Game], count: int = 200) -> float:
    """KB that one more environment over the same games takes, ten steps into an episode."""
    first, rng = ALFWorldEnv(games), random.Random(0)
    gc.collect()
    tracemalloc.start()
    envs = [first.spawn() for _ in range(count)]
    for number, env in enumerate(envs):
        _, info = env.reset(options={"task": number % len(games)})
        for _ in range(10):
            *_, info = env.step(rng.choice(info["admissible"]))
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / count / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=Path, help="directory of official games")
    parser.add_argument("--steps", type=int, default=100_000)
    asked = parser.parse_args()
    start = time.process_time()
    made = generate(600, 0)
    print(f"generated games: {1e3 * (time.process_time() - start) / len(made):.2f} ms to make one")
    measure("generated", made, asked.steps)
    if asked.games is not None:
        paths = sorted(asked.games.rglob("game.tw-pddl"))[::10]
        start = time.process_time()
        games = [Game.load(path) for path in paths]
        print(f"official games: {1e3 * (time.process_time() - start) / max(1, len(games)):.2f} ms to load one")
        measure("official", games, asked.steps)


if __name__ == "__main__":
    main()
