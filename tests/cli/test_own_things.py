"""What is not turnwise's own, by import path, registration and entry point; and its mistakes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from tests.cli import own_things
from tests.cli.test_bad_input import refused
from turnwise.envs import registry
from turnwise.envs.base import TurnEnv
from turnwise.envs.checks import check_turn_env
from turnwise.envs.registry import EnvSpec, env_spec, env_specs, make, make_prompt, register
from turnwise.errors import ConfigError

Run = Callable[..., Any]
OWN = "tests.cli.own_things"
pytestmark = pytest.mark.usefixtures("clean_registries")


# Environments
# -----------------------------------------------------------------------------------------------


def test_by_import_path() -> None:
    spec = env_spec(f"{OWN}:Guess")
    assert (spec.max_turns, spec.eval_split, spec.prompt) == (4, "held_out", "text/react@1")
    assert type(make(f"{OWN}:Guess", tries=2)) is own_things.Guess
    assert env_spec(f"{OWN}:SPEC") is own_things.SPEC
    check_turn_env(f"{OWN}:Guess", resets=500)
    check_turn_env(own_things.Guess, resets=500)


def test_by_registration() -> None:
    register(own_things.SPEC)
    register(own_things.SPEC)
    assert env_spec("guess") is env_spec("own/Guess-v0") is own_things.SPEC
    assert own_things.SPEC in env_specs()
    env = gymnasium.make("own/Guess-v0", tries=9)
    env.reset(seed=0)
    assert [env.step("x")[3] for _ in range(3)] == [False, False, True]


def test_by_gymnasiums_registration() -> None:
    gymnasium.register("own/G-v3", own_things.Guess, max_episode_steps=5, kwargs={"tries": 2})
    spec = env_spec("own/G-v3")
    assert (spec.max_turns, spec.eval_split) == (5, "held_out")
    assert make("own/G-v3").tries == 2  # type: ignore[attr-defined]


def test_a_prompt_module_of_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_things, "PROMPTS", {"guess/own@1": own_things.short}, raising=False)
    spec = EnvSpec("own/P-v0", own_things.Guess, prompt="guess/own@1", prompt_modules=(OWN,))
    register(spec)
    assert make_prompt(env_spec("own/P-v0").prompt).name == "own/short@1"
    registry.PROMPTS.registered.pop("guess/own@1")


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (f"own/Guess-v0 = {OWN}:Guess", "own/Guess-v0"),
        (f"anything = {OWN}:SPEC", "guess"),
        (f"more = {OWN}:register_more", "more"),
    ],
)
def test_by_entry_point(
    announced: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, entry: str, name: str
) -> None:
    more = EnvSpec("own/More-v0", own_things.Guess)
    monkeypatch.setattr(own_things, "register_more", lambda: register(more), raising=False)
    announced(f"[turnwise.envs]\n{entry}\n")
    assert isinstance(make(name), own_things.Guess)
    assert name in {known for spec in env_specs() for known in (spec.name, spec.id)}


def test_what_cannot_be_registered() -> None:
    register(own_things.SPEC)
    with pytest.raises(ConfigError, match="'own/Guess-v0' is registered already"):
        register(EnvSpec("own/Guess-v0", own_things.Guess, max_turns=9))
    with pytest.raises(ConfigError, match=r"short name 'guess'.*'own/Guess-v0' already"):
        register(EnvSpec("other/Guess-v0", own_things.Guess))
    with pytest.raises(ConfigError, match=r"'my guess!' cannot be the id"):
        register(EnvSpec("my guess!", own_things.Guess))
    gymnasium.register("own/Taken-v0", "elsewhere:Env")
    with pytest.raises(ConfigError, match="registered with Gymnasium already, as 'elsewhere:Env'"):
        register(EnvSpec("own/Taken-v0", own_things.Guess))


# The command line
# -----------------------------------------------------------------------------------------------


def test_every_command_takes_an_import_path(turnwise: Run, tmp_path: Path) -> None:
    done = turnwise("eval", f"{OWN}:Guess", "--json", tmp_path / "score.json")
    assert done.exit_code == 0 and "held_out" in done.stdout and "100.0" in done.stdout
    assert "Guess the digit." in turnwise("envs", f"{OWN}:Guess").stdout
    done = turnwise("play", f"{OWN}:Guess", "--task", 7, input="7\n")
    assert done.exit_code == 0 and "score 0.000 in 1 turns" not in done.stdout
    done = turnwise("eval", f"{OWN}:wrapped", "-a", "random")
    assert done.exit_code == 0 and "test" in done.stdout


def test_a_script_plays(turnwise: Run, tmp_path: Path) -> None:
    (tmp_path / "moves.txt").write_text("hint\n1\n:quit\n")
    done = turnwise("play", f"{OWN}:Guess", "--task", 3, "--script", tmp_path / "moves.txt")
    assert done.exit_code == 0
    assert "expert: 3" in done.stdout and "> 1" in done.stdout
    done = turnwise("play", f"{OWN}:Guess", "--script", tmp_path / "none.txt")
    refused(done, "cannot read the script", "none.txt")


def test_an_imported_module_registers(
    turnwise: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_registrations.py").write_text(
        f"import turnwise\nfrom {OWN} import Guess\n"
        "turnwise.register(turnwise.EnvSpec('mine/Digit-v1', Guess, eval_split='held_out'))\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    done = turnwise("eval", "digit", "--import", "my_registrations")
    assert done.exit_code == 0 and "mine/Digit-v1" in done.stdout
    assert sys.path == [*before, str(tmp_path)]  # appended: it hides no installed package
    monkeypatch.setattr(sys, "path", before)


def test_an_agent_and_a_prompt_of_ones_own(turnwise: Run, tiny: Path) -> None:
    done = turnwise("eval", f"{OWN}:Guess", "--agent", f"{OWN}:stubborn")
    assert done.exit_code == 0 and "50.0" in done.stdout
    done = turnwise(
        "eval", f"{OWN}:Guess", "--agent", tiny, "--prompt", f"{OWN}:short", "--max-tokens", 4
    )
    assert done.exit_code == 0 and "own/short@1" in done.stdout


def test_an_engine_of_ones_own(turnwise: Run, tiny: Path) -> None:
    own = ("--engine", f"{OWN}:fixed", "--engine-arg", "text=8", "--prompt", "text/act@1")
    done = turnwise("eval", f"{OWN}:Guess", "--agent", tiny, *own)
    assert done.exit_code == 0 and "50.0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("eval", "no_such_module:Guess"), "there is no module 'no_such_module' to import"),
        (("eval", f"{OWN}:Gues"), "unknown name 'Gues' in module"),
        (("play", f"{OWN}:NoEnvironment"), "NoEnvironment that is not a TurnEnv"),
        (("envs", f"{OWN}:SPLITS"), "is a dict: name a TurnEnv class"),
        (("envs", f"{OWN}:stubborn"), "made a AlwaysAgent, which is not a TurnEnv"),
        (("envs", "CartPole-v1"), "CartPoleEnv that is not a TurnEnv"),
        (("eval", "webshop", "-I", "no_such_module"), "--import no_such_module: there is no"),
        (("eval", f"{OWN}:Guess", "-a", f"{OWN}:SPLITS"), "agent"),
        (("eval", f"{OWN}:Guess", "-a", f"{OWN}:NoEnvironment"), "without name and begin"),
        (("eval", f"{OWN}:Guess", "-e", "trys=2"), "did you mean 'tries'?"),
        (("eval", f"{OWN}:Guess", "--split", "test"), "no split 'test'"),
        (("train", "quickstrt"), "did you mean 'quickstart'?"),
        (("configs", "quikstart"), "did you mean 'quickstart'?"),
    ],
)
def test_mistakes_are_one_sentence(turnwise: Run, arguments: tuple[str, ...], words: str) -> None:
    refused(turnwise(*arguments), words)


def test_mistakes_of_prompts_and_engines(turnwise: Run, tiny: Path) -> None:
    guess = ("eval", f"{OWN}:Guess", "-a", tiny)
    refused(turnwise(*guess, "--prompt", f"{OWN}:NoEnvironment"), "without name, messages")
    refused(turnwise(*guess, "--engine", "vlm"), "unknown engine 'vlm'")
    refused(turnwise(*guess, "--engine", f"{OWN}:broken_engine"), "made a object without")
    refused(
        turnwise(*guess, "--engine", f"{OWN}:fixed", "--engine-arg", "txt=9"),
        "did you mean 'text'?",
    )
    refused(turnwise(*guess, "--engine-arg", "slots"), "not a setting for --engine-arg")


def test_an_id_registered_twice(
    turnwise: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_twice.py").write_text(
        f"import turnwise\nfrom {OWN} import Guess\n"
        "turnwise.register(turnwise.EnvSpec('turnwise/WebShop-v0', Guess))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    done = turnwise("eval", "webshop", "-I", "my_twice")
    refused(done, "my_twice", "'turnwise/WebShop-v0' is registered already")


def test_an_entry_point_that_fails_to_load(turnwise: Run, announced: Callable[[str], None]) -> None:
    announced("[turnwise.envs]\nlamp = no_such_lamp:Lamp\n")
    refused(turnwise("eval", "lamp"), "'lamp', announced by own-things", "no_such_lamp")
    refused(turnwise("eval", "webshp"), "did you mean 'webshop'", "no_such_lamp")
    done = turnwise("envs")
    assert done.exit_code == 0 and "no_such_lamp" in done.stdout and "webshop" in done.stdout


def test_an_entry_point_to_something_else(turnwise: Run, announced: Callable[[str], None]) -> None:
    announced(f"[turnwise.envs]\nodd = {OWN}:SPLITS\n")
    refused(turnwise("eval", "odd"), "'odd'", "announce an EnvSpec, a TurnEnv class")


# Packaged configs
# -----------------------------------------------------------------------------------------------


def test_configs_are_listed_and_printed(turnwise: Run) -> None:
    done = turnwise("configs")
    assert done.exit_code == 0 and "quickstart" in done.stdout and "salt" in done.stdout
    printed = turnwise("configs", "quickstart").stdout
    assert printed == Path("configs/quickstart.toml").read_text(encoding="utf8")


def test_the_class_is_a_turn_env() -> None:
    assert issubclass(own_things.Guess, TurnEnv)
