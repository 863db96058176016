"""Record hashes of transcripts: of generated shops, and of the official recordings if available.

Run this from the repository root, and only if transcripts are meant to change:

    python tests/golden/webshop/record.py
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "envs" / "webshop")]

from tests.envs.webshop.transcripts import (  # noqa: E402
    digest,
    played_entries,
    recorded,
    recorded_entries,
)
from turnwise.envs.webshop import WebShopEnv  # noqa: E402


def episode(env: WebShopEnv, task: int, rng: random.Random) -> dict[str, Any]:
    """Play up to twelve random or expert actions; return them and the hash of the transcript."""
    _, info = env.reset(seed=0, options={"task": task})
    actions: list[str] = []
    for _ in range(12):
        action = env.expert_action() if rng.random() < 0.6 else None
        if action is None:
            action = rng.choice([*info["admissible"], "nonsense"])
            action = action.replace("<your query>", info["instruction"])
        actions.append(action)
        _, _, terminated, _, info = env.step(action)
        if terminated:
            break
    return {
        "task": task,
        "actions": actions,
        "sha256": digest(list(played_entries(env, task, actions))),
    }


def main() -> None:
    for style, observation in (("compact", "text+options"), ("full", "text")):
        settings = {
            "style": style,
            "products": 200,
            "catalogue_seed": 7,
            "observation": observation,
            "nouns": "alphabetic",
        }
        env = WebShopEnv(**settings)
        rng = random.Random(style)
        tasks = rng.sample(sorted(task for split in env.splits for task in env.tasks(split)), 20)
        golden = {
            "settings": settings,
            "data_hash": env.data_hash,
            "episodes": [episode(env, task, rng) for task in tasks],
        }
        (HERE / f"generated_{style}.json").write_text(
            json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf8"
        )
    official = (
        Path(os.environ.get("TURNWISE_WEBSHOP_DATA", ROOT.parent / "shared" / "data" / "webshop"))
        / "golden"
    )
    for kind in ("synthetic", "human"):
        if (official / f"traj_{kind}.jsonl.gz").is_file():
            hashes = [
                digest(list(recorded_entries(each)))
                for each in recorded(official / f"traj_{kind}.jsonl.gz")
            ]
            (HERE / f"official_{kind}.json").write_text(
                json.dumps(hashes, indent=1) + "\n", encoding="utf8"
            )


if __name__ == "__main__":
    main()
