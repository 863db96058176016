"""Recorded episodes of the original are reproduced, and generated shops do not change.

Product text of the official data may not be published, so `tests/golden/webshop/official_*.json`
holds a hash of each episode. If the recordings are available, a failing test shows what differs.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.envs.webshop.official_files import official_directory
from tests.envs.webshop.transcripts import (
    GOLDEN,
    digest,
    played_entries,
    recorded,
    recorded_entries,
)
from turnwise.envs.webshop import Catalogue, Goal, WebShopEnv
from turnwise.envs.webshop.nouns import every_alphabetic_token
from turnwise.envs.webshop.tasks import official_goals

KINDS = ["synthetic", "human"]


@pytest.fixture(scope="module")
def directory() -> Path:
    found = official_directory()
    if not (found / "golden" / "setup_synthetic.json.gz").is_file():
        pytest.skip(
            "golden/setup_synthetic.json.gz, the recorded goals and prices, is absent from the "
            "official WebShop data"
        )
    return found


def setup(directory: Path, kind: str) -> tuple[Catalogue, list[Goal]]:
    """Return the catalogue and the goals of a recording."""
    with gzip.open(directory / "golden" / f"setup_{kind}.json.gz", "rt", encoding="utf8") as text:
        given = json.load(text)
    return Catalogue.official(directory, prices=given["prices"]), [
        Goal.from_official(row) for row in given["goals"]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_episodes_are_reproduced(directory: Path, kind: str) -> None:
    catalogue, goals = setup(directory, kind)
    env = WebShopEnv(
        catalogue, goals=goals, reward="official", observation="text", nouns=every_alphabetic_token
    )
    hashes = json.loads((GOLDEN / f"official_{kind}.json").read_text(encoding="utf8"))
    episodes = recorded(directory / "golden" / f"traj_{kind}.jsonl.gz")
    assert len(episodes) == len(hashes)
    for episode, expected in zip(episodes, hashes, strict=True):
        actions = [step["action"] for step in episode["steps"]]
        played = list(played_entries(env, episode["goal_idx"], actions))
        for turn, (ours, theirs) in enumerate(zip(played, recorded_entries(episode), strict=True)):
            assert ours == theirs, (
                f"goal {episode['goal_idx']}, turn {turn} differs from the original"
            )
        assert digest(played) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_reward_components_are_the_originals(directory: Path, kind: str) -> None:
    catalogue, goals = setup(directory, kind)
    env = WebShopEnv(catalogue, goals=goals, nouns="alphabetic")
    bought = 0
    for episode in recorded(directory / "golden" / f"traj_{kind}.jsonl.gz"):
        env.reset(options={"task": episode["goal_idx"]})
        for step in episode["steps"]:
            _, _, terminated, _, info = env.step(step["action"])
            if terminated:
                bought += 1
                assert info["rewards"] == {
                    name: float(value) for name, value in episode["verbose"].items()
                }
    assert bought >= 6


@pytest.mark.parametrize("kind", KINDS)
def test_goals_and_prices_are_rebuilt(directory: Path, kind: str) -> None:
    given, goals = setup(directory, kind)
    catalogue = Catalogue.official(directory)
    assert official_goals(catalogue, human=kind == "human") == goals
    assert [catalogue[asin].price for asin in catalogue.asins] == [
        given[asin].price for asin in given.asins
    ]


@pytest.mark.parametrize("style", ["compact", "full"])
def test_generated_shops_never_change_by_accident(style: str) -> None:
    """If this changes intentionally, run `python tests/golden/webshop/record.py` and raise
    `turnwise.envs.webshop.env.VERSION`.
    """
    golden: dict[str, Any] = json.loads(
        (GOLDEN / f"generated_{style}.json").read_text(encoding="utf8")
    )
    env = WebShopEnv(**golden["settings"])
    assert env.data_hash == golden["data_hash"]
    for episode in golden["episodes"]:
        assert (
            digest(list(played_entries(env, episode["task"], episode["actions"])))
            == episode["sha256"]
        )
