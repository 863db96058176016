"""Leaks and turn times of SWE-v0: play many short episodes and count what they leave behind.

    python benchmarks/swe_soak.py --episodes 1000
    python benchmarks/swe_soak.py --episodes 60 --backend docker
    python benchmarks/swe_soak.py --episodes 0                 # turn times only

Agents are drawn at random: one runs ordinary commands, one is hostile, one repairs, one submits at
once. Some episodes are forked, some are abandoned. Counts descriptors, child processes, their
mounts, control groups, containers, directories and memory, and exits with 1 if any count has grown.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sandbox_soak import below, count

from turnwise.envs.base import TaskId
from turnwise.envs.swe.env import SweEnv
from turnwise.sandbox.containers import LABEL
from turnwise.sandbox.contract import SandboxError

GOOD = [
    "ls",
    "git log --oneline | head -3",
    "grep -rn def pocketkit | head -5",
    "python -c 'import pocketkit; print(1)'",
    "cd pocketkit",
    "export X=1",
    "echo $X",
    "sed -i 's/return/return/' pocketkit/text.py",
    "cat README.md",
    "false",
    "git status --short",
]
HOSTILE = [
    "sleep 1000 &", "setsid sleep 1000 >/dev/null 2>&1 &", "kill -9 -1", "kill -STOP $$",
    "exec >&-", "exit 3", "ulimit -n 3; ls", ":(){ :|:& };:", "yes",
    "head -c 400m /dev/zero > big", "for i in $(seq 3000); do mkdir d$i; done",
    "rm -rf /work/* /work/.git", "python -c 'x = bytearray(1 << 33)'", "while true; do :; done",
    "ln -s / root; mkfifo pipe; chmod 000 pocketkit", "trap '' TERM INT",
    "nohup python -c 'import os,time\nif os.fork()==0:\n os.setsid(); time.sleep(999)' &",
]  # fmt: skip


def episode(env: SweEnv, seed: int, tasks: list[TaskId], seen: Counter[str]) -> None:
    """Play one short episode."""
    chance = random.Random(seed)
    kind = chance.choices(("ordinary", "hostile", "expert", "idle"), (4, 3, 1, 2))[0]
    env.reset(options={"task": chance.choice(tasks)})
    over = False
    for _ in range({"idle": 0, "expert": 12}.get(kind, chance.randint(1, 5))):
        action = (
            env.expert_action()
            if kind == "expert"
            else chance.choice(HOSTILE if kind == "hostile" else GOOD)
        )
        over = env.step(action or "submit")[2]
        if over:
            break
        if chance.random() < 0.1:
            other = env.fork()
            other.step("pwd")
            other.close()
    # A new submission takes seconds to grade, so these agents rarely submit.
    share = 0.2 if kind in ("ordinary", "hostile") else 0.9
    if not over and chance.random() < share:
        info = env.step("submit")[4]
        seen[f"{kind} {'resolved' if info['success'] else 'not resolved'}"] += 1
    else:
        seen[f"{kind} {'over' if over else 'left'}"] += 1
    env.close()


def soak(episodes: int, threads: int, backend: str) -> list[str]:
    """Play the episodes and return the names of counts that have grown."""
    seen: Counter[str] = Counter()
    tasks = list(made(backend).tasks("train"))[:12]
    todo, lock = iter(range(episodes + 50)), threading.Lock()

    def work(until: int, own: SweEnv) -> None:
        while True:
            with lock:
                seed = next(todo, None)
            if seed is None:
                break
            try:
                episode(own, seed, tasks, seen)
            except SandboxError as problem:
                seen[f"error: {str(problem)[:60]}"] += 1
            if seed >= until:
                break
        own.close()

    first: dict[str, int] = {}
    now: dict[str, int] = {}
    start = time.monotonic()
    step = max(episodes // 5, 1)
    for until in [49, *range(49 + step, episodes + 50, step)]:
        env = made(backend)
        workers = [threading.Thread(target=work, args=(until, env.spawn())) for _ in range(threads)]
        for worker in workers:
            worker.start()
        while workers:
            workers.pop().join()
        env.close()
        del env, workers  # also closes its idle sandboxes, at most sixteen
        gc.collect()
        time.sleep(3)  # the zygote reaps ended processes at its next poll
        now = {**count(), **left(backend)}
        first = first or now
        print(f"{until + 1:6} episodes {time.monotonic() - start:6.0f} s  {now}", flush=True)
    print("endings:", dict(sorted(seen.items())))
    return [name for name in first if "memory" not in name and now[name] > first[name]]


def made(backend: str) -> SweEnv:
    """Return an environment with short limits."""
    return SweEnv(
        sandbox=backend, seconds=0.5, episode_seconds=20.0, memory_mb=256, rules={"seconds": 3000.0}
    )


def left(backend: str) -> dict[str, int]:
    """Count the directories, mounts and containers that belong to this run."""
    here = os.readlink("/proc/self/ns/mnt")  # processes in our namespace share its mounts
    others = [pid for pid in below(os.getpid()) if os.readlink(f"/proc/{pid}/ns/mnt") != here]
    mounts = sum(len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in others)
    found = {"directories": sum(1 for _ in Path(tempfile.gettempdir()).iterdir()), "mounts": mounts}
    if backend == "docker":
        ids = subprocess.run(
            ["docker", "ps", "-aq", "--filter", f"label={LABEL}"],
            capture_output=True,
            text=True,
            check=True,
        )
        found["containers"] = len(ids.stdout.split())
    return found


def times(backend: str) -> None:
    """Print the median cost of a turn."""
    env = made(backend)
    task = env.tasks("train")[0]

    def reset() -> float:
        env.close()
        start = time.perf_counter()
        env.reset(options={"task": task})
        env.step("true")
        return time.perf_counter() - start

    def timed(action: str) -> float:
        start = time.perf_counter()
        env.step(action)
        return time.perf_counter() - start

    def fork() -> float:
        start = time.perf_counter()
        other = env.fork()
        other.step("true")
        spent = time.perf_counter() - start
        other.close()
        return spent

    reset()
    print(f"reset from the pool, with a shell: {shown([reset() for _ in range(30)])}")
    print(f"a bash turn: {shown([timed('true') for _ in range(200)])}")
    print(f"a fork in the middle, with a turn: {shown([fork() for _ in range(30)])}")
    several = [env.spawn() for _ in range(16)]

    def life(one: SweEnv) -> None:
        one.reset(options={"task": task})
        for _ in range(10):
            one.step("ls")
        one.step("submit")
        one.close()

    life(several[0])  # so that this submission is graded already
    start = time.perf_counter()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(life, several))
    print(
        f"16 episodes of 11 turns at once: {time.perf_counter() - start:.2f} s; load "
        f"{os.getloadavg()[0]:.1f}"
    )
    env.close()


def shown(spent: list[float]) -> str:
    """Format the median of times and their range."""
    low, *_, high = statistics.quantiles(spent, n=20)
    return (
        f"median {statistics.median(spent) * 1000:.1f} ms (5 % {low * 1000:.1f}, 95 % "
        f"{high * 1000:.1f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--backend", default="jail")
    arguments = parser.parse_args()
    # A directory of our own, so that nobody else's files are counted.
    tempfile.tempdir = tempfile.mkdtemp(prefix="swe-soak-")
    os.chmod(tempfile.tempdir, 0o755)
    print(f"load {os.getloadavg()[0]:.1f}")
    times(arguments.backend)
    grown = (
        soak(arguments.episodes, arguments.threads, arguments.backend) if arguments.episodes else []
    )
    print(f"processes below this one at the end: {len(below(os.getpid()))}")
    if grown:
        sys.exit(f"grown: {', '.join(grown)}")


if __name__ == "__main__":
    main()
