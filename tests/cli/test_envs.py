"""`turnwise envs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from turnwise.envs.registry import env_specs, make
from turnwise.errors import ConfigError

Run = Callable[..., Any]


def test_every_environment_with_its_splits(turnwise: Run) -> None:
    done = turnwise("envs")
    assert done.exit_code == 0
    for spec in env_specs():
        env = make(spec.name)
        for word in (
            spec.name,
            spec.id,
            spec.prompt,
            *(f"{split} {len(env.tasks(split)):,}" for split in env.splits),
        ):
            assert word in done.stdout


def test_an_environment_that_lacks_a_package_hides_no_other(
    turnwise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from turnwise.envs import registry as registration

    def make_all_but(name: str, **settings: Any) -> Any:
        if name == "search":
            raise ConfigError("searching needs a lamp: pip install lamp")
        return make(name, **settings)

    monkeypatch.setattr(registration, "make", make_all_but)
    done = turnwise("envs")
    assert done.exit_code == 0 and "searching needs a lamp: pip install lamp" in done.stdout
    assert all(spec.id in done.stdout for spec in env_specs())


def test_one_environment(turnwise: Run) -> None:
    done = turnwise("envs", "webshop", "-e", "style=compact")
    env = make("webshop", style="compact")
    assert done.exit_code == 0 and env.data_hash in done.stdout
    assert (
        env.reset(seed=0)[1]["instruction"] in done.stdout and "search[<your query>]" in done.stdout
    )


def test_prompts_and_recipes(turnwise: Run) -> None:
    done = turnwise("envs", "--prompts", "--recipes")
    assert done.exit_code == 0
    for word in ("webshop/react@1", "grpo", "rloo", "reinforce"):
        assert word in done.stdout


def test_an_unknown_environment_or_setting(turnwise: Run) -> None:
    done = turnwise("envs", "webshp")
    assert (
        done.exit_code == 2
        and "unknown environment 'webshp': did you mean 'webshop'?" in done.stderr
    )
    done = turnwise("envs", "webshop", "-e", "stile=compact")
    assert (
        done.exit_code == 2
        and "unknown setting 'stile' in environment 'webshop': did you mean 'style'?" in done.stderr
    )
