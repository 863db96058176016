"""CPU time per step and memory of WebShop, with 64 environments over one catalogue.

    python benchmarks/webshop.py                  # generated shops; official files if found
    python benchmarks/webshop.py --official DIR   # the official files (or TURNWISE_WEBSHOP_DATA)
    python benchmarks/webshop.py --json           # the same figures as JSON

Each case runs in its own process, so that its memory can be measured. CPU time includes resets and
searches; queries are instructions, so most are new. If the original (`web_agent_site` and its data)
can be imported, it plays the same goals with the same actions, and a ratio is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
ENVIRONMENTS = 64
TURNS = 15


def memory() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def hardware() -> str:
    """Return CPU model, number of cores and Python version."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    cpu = models[0] if models else platform.processor()
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}"


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of `action` and the CPU seconds it took."""
    start = time.process_time()
    result = action()
    return result, time.process_time() - start


def ours(settings: dict[str, Any], policy: str, steps: int) -> dict[str, Any]:
    """Play `steps` steps in 64 environments in turn; return the figures by name."""
    from turnwise.envs.webshop import WebShopEnv

    before = memory()
    first, loading = timed(lambda: WebShopEnv(**settings))
    catalogue = first.catalogue
    _, indexing = timed(lambda: catalogue.search("anything"))
    envs, spawning = timed(
        lambda: [first, *(WebShopEnv(**settings) for _ in range(ENVIRONMENTS - 1))]
    )
    after_making = memory()
    rng = random.Random(0)
    goals = list(range(len(first.goal_tasks.goals)))
    infos: list[dict[str, Any]] = [
        env.reset(options={"task": rng.choice(goals)})[1] for env in envs
    ]
    turns, spent, resets, scores = [0] * len(envs), 0.0, 0, []
    for k in range(steps):
        at = k % len(envs)
        env, action = envs[at], _choose(envs[at], infos[at], policy, rng)
        start = time.process_time()
        _, _, terminated, _, infos[at] = env.step(action)
        turns[at] += 1
        if terminated or turns[at] == TURNS:
            scores.append(infos[at]["score"])
            infos[at] = env.reset(options={"task": rng.choice(goals)})[1]
            turns[at], resets = 0, resets + 1
        spent += time.process_time() - start
    forked, forking = timed(lambda: [envs[0].fork() for _ in range(1000)])
    return {
        "products": len(catalogue), "policy": policy, "steps": steps, "episodes": resets,
        "mean score": sum(scores) / max(1, len(scores)),
        "ms per step": spent / steps * 1e3, "us per fork": forking / len(forked) * 1e6,
        "load s": loading, "index s": indexing,
        "us per further environment": spawning / (ENVIRONMENTS - 1) * 1e6,
        "MB for catalogue and 64 environments": after_making - before,
        "MB after playing": memory() - before, "MB in all": memory(),
    }  # fmt: skip


def _choose(env: Any, info: dict[str, Any], policy: str, rng: random.Random) -> str:
    if policy == "expert":
        return env.expert_action() or "nothing"
    action = rng.choice(info["admissible"] or ["search[<your query>]"])
    words = info["instruction"].split()
    query = " ".join(words[: rng.randint(2, len(words))])
    return action.replace("<your query>", query)


def compare(directory: str, episodes: int) -> dict[str, Any]:
    """Play the original and ours with the same goals and actions, and time both."""
    from web_agent_site.envs.web_agent_text_env import (  # type: ignore[import-not-found]
        WebAgentTextEnv,
    )

    from turnwise.envs.webshop import Catalogue, Goal, WebShopEnv

    random.seed(0)
    original, loading = timed(
        lambda: WebAgentTextEnv(observation_mode="text", num_products=1000, human_goals=0)
    )
    goals = [Goal.from_official(row) for row in original.server.goals]
    env = WebShopEnv(
        Catalogue.official(directory, prices=original.server.product_prices), goals=goals
    )
    env.catalogue.search("anything")
    original.server.search_engine.search("anything", k=50)
    rng, steps, same = random.Random(1), 0, 0
    spent = {"original": 0.0, "ours": 0.0}
    for _ in range(episodes):
        task = rng.randrange(len(goals))
        (theirs, _), seconds = timed(lambda task=task: original.reset(session=task))
        spent["original"] += seconds
        (shown, info), seconds = timed(lambda task=task: env.reset(options={"task": task}))
        spent["ours"] += seconds
        for _ in range(TURNS):
            action = _choose(env, info, rng.choice(["random", "expert"]), rng)
            (theirs, reward, done, _), seconds = timed(lambda action=action: original.step(action))
            spent["original"] += seconds
            (shown, earned, terminated, _, info), seconds = timed(
                lambda action=action: env.step(action)
            )
            spent["ours"] += seconds
            steps += 1
            same += (theirs, float(reward), done) == (shown, earned, terminated)
            if terminated:
                break
    per_step = {name: seconds / steps * 1e3 for name, seconds in spent.items()}
    return {
        "steps": steps, "equal steps": same, "original ms per step": per_step["original"],
        "ours ms per step": per_step["ours"], "ratio": per_step["original"] / per_step["ours"],
        "original load s": loading,
    }  # fmt: skip


def cases(official: Path | None) -> list[tuple[str, dict[str, Any], str]]:
    """Return (name, settings of the environment, policy) of each case."""
    shops: list[tuple[str, dict[str, Any]]] = [
        ("generated", {"products": 1000}),
        ("compact", {"products": 1000, "style": "compact"}),
    ]
    if official is not None:
        shops.append(("official", {"catalogue": str(official)}))
    return [
        (f"{name}, {policy}", settings, policy)
        for name, settings in shops
        for policy in ("random", "expert")
    ]


def in_own_process(name: str, *arguments: Any) -> dict[str, Any] | None:
    """Run a measurement of this file in its own process; return None if it fails."""
    call = [sys.executable, __file__, "--measure", json.dumps([name, *arguments])]
    done = subprocess.run(
        call, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        print(f"{name} did not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def show(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print a table with a column for each case."""
    print(f"\n{title}\n{'':38}" + "".join(f"{name:>20}" for name in rows))
    for name in next(iter(rows.values())):
        values = [row[name] for row in rows.values()]
        cells = [f"{v:>20.3f}" if isinstance(v, float) else f"{v:>20}" for v in values]
        print(f"{name:38}" + "".join(cells))


def main() -> None:
    neighbour = ROOT.parent / "shared" / "data" / "webshop"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--official", type=Path, default=Path(os.environ.get("TURNWISE_WEBSHOP_DATA", neighbour))
    )
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument(
        "--episodes", type=int, default=60, help="episodes played in the original too"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, *arguments = json.loads(options.measure)
        print(json.dumps({"ours": ours, "compare": compare}[name](*arguments)))
        return
    official = (
        options.official if (options.official / "items_shuffle_1000.json").is_file() else None
    )
    measured = {
        name: in_own_process("ours", settings, policy, options.steps)
        for name, settings, policy in cases(official)
    }
    original = None
    if official is not None:
        original = in_own_process("compare", str(official), options.episodes)
    report = {
        "date": date.today().isoformat(),
        "hardware": hardware(),
        "ours": measured,
        "original": original,
    }
    if options.json:
        print(json.dumps(report, indent=1))
        return
    print(
        f"WebShop, {report['date']}, {report['hardware']}; CPU time, "
        f"{ENVIRONMENTS} environments over one catalogue"
    )
    show("ours", {name: row for name, row in measured.items() if row is not None})
    if original is not None:
        show("next to the original, same goals and actions", {"": original})


if __name__ == "__main__":
    main()
