"""Transcripts and their hashes: what a test compares where the text itself may not be kept."""

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
    """The episodes of a recorded file of the original environment."""
    with gzip.open(path, "rt", encoding="utf8") as lines:
        return [json.loads(line) for line in lines]


def recorded_entries(episode: dict[str, Any]) -> Iterator[list[Any]]:
    """An episode of the original as entries: the first observation, then [clickables before,
    observation, reward, done].
    """
    yield [episode["obs0"]]
    for step in episode["steps"]:
        yield [step["clickables"], step["obs"], float(step["reward"]), step["done"]]


def played_entries(env: WebShopEnv, task: int, actions: Sequence[str]) -> Iterator[list[Any]]:
    """The same entries, from our environment."""
    observation, info = env.reset(seed=0, options={"task": task})
    yield [observation]
    for action in actions:
        clickables = info["clickables"]
        observation, reward, terminated, _, info = env.step(action)
        yield [clickables, observation, reward, terminated]


def digest(entries: Sequence[list[Any]]) -> str:
    """SHA-256 of an episode."""
    return hashlib.sha256(json.dumps(entries, ensure_ascii=True).encode()).hexdigest()
