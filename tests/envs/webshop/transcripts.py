"""Transcripts and their hashes, for recordings whose text may not be published."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from turnwise.envs.webshop import WebShopEnv

GOLDEN = Path(__file__).parents[2] / "golden" / "webshop"


def recorded(path: Path) -> list[dict[str, Any]]:
    """Return the episodes of a recording of the original."""
    with gzip.open(path, "rt", encoding="utf8") as lines:
        return [json.loads(line) for line in lines]


def recorded_entries(episode: dict[str, Any]) -> Iterator[list[Any]]:
    """Return the entries of a recorded episode.

    The first holds the observation; the others are [clickables before, observation, reward, done].
    """
    yield [episode["obs0"]]
    for step in episode["steps"]:
        yield [step["clickables"], step["obs"], float(step["reward"]), step["done"]]


def played_entries(env: WebShopEnv, task: int, actions: Sequence[str]) -> Iterator[list[Any]]:
    """Return the same entries from this environment."""
    observation, info = env.reset(seed=0, options={"task": task})
    yield [observation]
    for action in actions:
        clickables = info["clickables"]
        observation, reward, terminated, _, info = env.step(action)
        yield [clickables, observation, reward, terminated]


def digest(entries: Sequence[list[Any]]) -> str:
    """Return the SHA-256 hash of an episode."""
    return hashlib.sha256(json.dumps(entries, ensure_ascii=True).encode()).hexdigest()
