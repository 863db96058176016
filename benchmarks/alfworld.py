"""CPU time and memory of ALFWorld, next to the original engine if it is installed.

    python benchmarks/alfworld.py                     generated games
    python benchmarks/alfworld.py --official DIR      official games of DIR (or $ALFWORLD_DATA) too
    python benchmarks/alfworld.py --steps 1000000     longer, to see memory growth
    python benchmarks/alfworld.py --json              the same figures as JSON

Each case runs in a process of its own. Times are the process's own CPU time of the whole call:
`reset` of a game that is compiled already, and `first reset`, which reads and compiles it too.
Actions are drawn from the admissible ones. Both engines play the same games with the same actions,
and their answers are compared. A reset of the original includes loading the game, as in each
episode of its training loop.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Instead of this directory, where this very file would be imported as the package alfworld.
sys.path[0] = str(ROOT)

from turnwise.envs.alfworld import ALFWorldEnv, Game, generate  # noqa: E402

TURNS = 50


class Clock:
    """CPU seconds and counts, by kind of work."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def time(self, kind: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = work()
        self.spent[kind] = self.spent.get(kind, 0.0) + time.process_time() - start
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return result

    def each(self, kind: str) -> float:
        """Return the mean in microseconds."""
        return 1e6 * self.spent[kind] / self.counts[kind]


def resident() -> float:
    """Return the resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def games_of(official: str | None, count: int) -> list[Game]:
    """Return `count` official games, spread evenly over the directory, or generated ones."""
    if official is None:
        return generate(count, 0)
    paths = sorted(Path(official).rglob("game.tw-pddl"))
    return [Game.load(path) for path in paths[:: max(1, len(paths) // count)][:count]]


def play(official: str | None, count: int, steps: int) -> dict[str, Any]:
    """Play random steps; measure memory after the first tenth and at the end."""
    clock, rng = Clock(), random.Random(0)
    games = clock.time("games", lambda: games_of(official, count))
    env, taken, settled = ALFWorldEnv(games), 0, 0.0
    for episode in range(max(1, steps // TURNS)):
        _, info = clock.time(
            "reset", lambda task=episode % len(games): env.reset(options={"task": task})
        )
        actions = 0.0
        for _ in range(TURNS):
            action = rng.choice(info["admissible"])
            start = time.process_time()
            *_, info = env.step(action)
            actions += time.process_time() - start
        clock.spent["step"] = clock.spent.get("step", 0.0) + actions
        taken += TURNS
        clock.time("fork", env.fork)
        if episode == steps // TURNS // 10:
            settled = resident()
    ended = resident()
    return {
        "games": len(games),
        "steps": taken,
        "us per step": 1e6 * clock.spent["step"] / taken,
        "us per reset": clock.each("reset"),
        "us per fork": clock.each("fork"),
        "ms to make or load a game": clock.each("games") / 1e3 / len(games),
        "KB per live environment": live(games),
        "MB resident": ended,
        "MB grown in the last nine tenths": ended - settled,
    }


def live(games: list[Game], count: int = 200) -> float:
    """Return the KB of one more environment over the same games, ten steps into an episode."""
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


def find(official: str) -> dict[str, Any]:
    """Time the construction over a directory, with an empty cache and with its index."""
    figures: dict[str, Any] = {}
    code = (
        "import json, sys, time\nfrom turnwise.envs.alfworld import ALFWorldEnv\nstart = "
        "time.perf_counter(), time.process_time()\nenv = ALFWorldEnv(data=sys.argv[1])\n"
        "print(json.dumps([time.perf_counter() - start[0], time.process_time() - start[1],"
        " sum(len(env.tasks(split)) for split in env.splits)]))"
    )
    with tempfile.TemporaryDirectory() as cache:
        settings = {**os.environ, "XDG_CACHE_HOME": cache, "PYTHONPATH": str(ROOT)}
        for name in ("first", "second"):
            call = [sys.executable, "-c", code, official]
            done = subprocess.run(call, capture_output=True, text=True, env=settings, check=True)
            wall, cpu, figures["games"] = json.loads(done.stdout)
            figures |= {f"s to find them, {name} time": wall, f"CPU s, {name} time": cpu}
    return figures


def compare(official: str | None, count: int, steps: int) -> dict[str, Any]:
    """Time the original and ours over the same games and actions, and compare their answers."""
    from turnwise.envs.alfworld.writing.save import save_game

    with tempfile.TemporaryDirectory() as directory:
        if official is None:
            paths = [str(save_game(game, directory)) for game in generate(count, 0)]
        else:
            found = sorted(Path(official).rglob("game.tw-pddl"))
            paths = [str(path) for path in found[:: max(1, len(found) // count)][:count]]
        ours, theirs, rng, same, taken = Clock(), Clock(), random.Random(0), 0, 0
        for path in paths:
            seen = _original(path, steps, rng, theirs)
            env = ours.time("first reset", lambda path=path: _reset(ALFWorldEnv([path])))
            ours.time("reset", lambda env=env: _reset(env))
            for action, reply in seen:
                shown, reward, done, _, info = ours.time(
                    "step", lambda action=action, env=env: env.step(action)
                )
                same += (shown, info["admissible"], reward, done) == reply
            taken += len(seen)
    figures: dict[str, Any] = {"games": len(paths), "steps": taken, "equal steps": same}
    for kind, other in (("step", "step"), ("reset", "reset"), ("first reset", "reset")):
        figures |= {
            f"original us per {other}": theirs.each(other),
            f"ours us per {kind}": ours.each(kind),
        }
        figures[f"ratio of {kind}"] = theirs.each(other) / ours.each(kind)
    return figures


def _original(
    path: str, steps: int, rng: random.Random, clock: Clock
) -> list[tuple[str, tuple[Any, ...]]]:
    """Play random actions in the original; return each with its answer."""
    from turnwise.envs.alfworld.real import RealEngine

    with clock.time("reset", lambda: RealEngine(path)) as engine:
        reply, seen = clock.time("reset", engine.reset), []
        clock.counts["reset"] -= 1  # loading and resetting are one start of an episode
        for _ in range(steps):
            action = rng.choice(reply.admissible)
            reply = clock.time("step", lambda action=action: engine.step(action))
            seen.append((action, tuple(reply)))
        return seen


def _reset(env: ALFWorldEnv) -> ALFWorldEnv:
    env.reset(options={"task": 0})
    return env


def hardware() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    python = platform.python_version()
    return f"{cpu or platform.processor()}, {os.cpu_count()} cores, Python {python}"


def apart(name: str, *arguments: Any) -> dict[str, Any] | None:
    """Run a measurement in a process of its own; return None if it fails."""
    call = [sys.executable, __file__, "--measure", json.dumps([name, *arguments])]
    done = subprocess.run(
        call, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        print(f"{name} did not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def show(title: str, rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}\n{'':38}" + "".join(f"{name:>16}" for name in rows))
    for name in next(iter(rows.values()), {}):
        values = (row.get(name, "") for row in rows.values())
        cells = (f"{v:>16.3f}" if isinstance(v, float) else f"{v:>16}" for v in values)
        print(f"{name:38}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--official",
        type=Path,
        default=os.environ.get("ALFWORLD_DATA"),
        help="directory of official games",
    )
    parser.add_argument("--steps", type=int, default=100_000, help="steps of ours alone")
    parser.add_argument("--games", type=int, default=600, help="games they are played over")
    parser.add_argument(
        "--compare", type=int, default=16, help="games played in the original too; 0 for none"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        name, *arguments = json.loads(asked.measure)
        print(json.dumps({"play": play, "find": find, "compare": compare}[name](*arguments)))
        return
    sources = {"generated": None} | (
        {"official": str(asked.official)} if asked.official is not None else {}
    )
    installed = importlib.util.find_spec("alfworld") is not None and asked.compare > 0
    report: dict[str, Any] = {"date": date.today().isoformat(), "hardware": hardware()}
    report["ours"] = {
        name: apart("play", where, asked.games, asked.steps) for name, where in sources.items()
    }
    if asked.official is not None:
        report["finding"] = {"official": apart("find", str(asked.official))}
    if installed:
        report["original"] = {
            name: apart("compare", where, asked.compare, 20) for name, where in sources.items()
        }
    if asked.json:
        print(json.dumps(report, indent=1))
        return
    print(f"ALFWorld, {report['date']}, {report['hardware']}; CPU time")
    titles = {
        "ours": "ours",
        "finding": "finding the games of a directory",
        "original": "next to the original, same games and actions",
    }
    for part, title in titles.items():
        if part in report:
            show(title, {name: row for name, row in report[part].items() if row is not None})
    if not installed:
        print('\nthe original was not played: pip install "turnwise[alfworld]"')


if __name__ == "__main__":
    main()
