"""Environments by name: registered on import, made bare or through Gymnasium, and wrong names
corrected.
"""

from __future__ import annotations

import subprocess
import sys

import gymnasium
import pytest

import turnwise  # noqa: F401 (registers)
from turnwise.envs.registry import env_spec, env_specs, make, register_built_in
from turnwise.envs.webshop import WebShopEnv
from turnwise.errors import ConfigError

SMALL = {"products": 60, "style": "compact"}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_every_environment_is_registered_with_its_limit() -> None:
    for found in env_specs():
        spec = gymnasium.spec(found.id)
        assert spec.max_episode_steps == found.max_turns and spec.entry_point == found.entry_point
        assert found.summary.endswith(".") and "@" in found.prompt


def test_a_spec_by_short_name_or_id() -> None:
    assert env_spec("webshop") is env_spec("turnwise/WebShop-v0")
    assert env_spec("webshop").max_turns == 15


def test_gym_make_wraps_with_the_turn_limit() -> None:
    env = gymnasium.make("turnwise/WebShop-v0", **SMALL)
    env.reset(seed=0)
    truncated = [env.step("nothing")[3] for _ in range(15)]
    assert truncated == [False] * 14 + [True]


def test_gym_make_works_without_an_import() -> None:
    env = "gymnasium.make('turnwise:turnwise/WebShop-v0', products=60, style='compact')"
    code = f"import gymnasium; print({env}.reset(seed=0)[0][:7])"
    assert run(code).strip() == "WebShop"


def test_make_gives_the_bare_environment() -> None:
    env = make("webshop", **SMALL)
    assert type(env) is WebShopEnv and len(env.catalogue) == 60


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("webshp", {}, "did you mean 'webshop'"),
        ("chess", {}, "known: alfworld"),
        ("webshop", {"product": 5}, "did you mean 'products'"),
        ("webshop", {"products": "many"}, "type int"),
    ],
)
def test_wrong_names_and_settings_are_named(
    name: str, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        make(name, **settings)


def test_registering_again_changes_nothing() -> None:
    before = gymnasium.spec("turnwise/WebShop-v0")
    register_built_in()
    assert gymnasium.spec("turnwise/WebShop-v0") is before


def test_import_is_light() -> None:
    heavy = ("torch", "transformers", "spacy", "turnwise.envs.webshop.env")
    assert (
        run(
            f"import sys, turnwise; print(*(name for name in {heavy} if name in sys.modules))"
        ).strip()
        == ""
    )
