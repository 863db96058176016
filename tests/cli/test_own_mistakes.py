"""A user's own modules, classes and entry points, each with a mistake: one sentence, status 2."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from tests.cli import own_things
from tests.cli.test_bad_input import refused
from turnwise.envs.registry import EnvSpec, env_spec, make, make_prompt, register
from turnwise.errors import ConfigError

Run = Callable[..., Any]
OWN = "tests.cli.own_things"
WRONG = "tests.cli.own_mistakes"
pytestmark = pytest.mark.usefixtures("clean_registries")


@pytest.mark.parametrize("command", ["eval", "envs", "play"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Raises", ("calling Raises() failed with ValueError: no such thing as this",)),
        ("Exits", ("calling Exits() failed with SystemExit: 3",)),
        ("NeedsSize", ("needs the setting 'size'",)),
        ("NoTasks", ("NoTasks without tasks, data_hash: implement them",)),
        ("NotReady", ("call super().__init__()",)),
        ("NoSplits", ("splits of environment", "give a tuple")),
        ("NumberAsHash", ("data_hash of environment", "is 5")),
        ("TasksAsSet", ("returned a set: return a sequence",)),
        ("TasksRaise", ("TasksRaise.tasks (own_mistakes.py line", "OSError: no data", "--debug")),
        ("old_echo", ("reset of OldEcho takes no seed",)),
        ("observation_alone", ("reset of ObservationAlone returned something else",)),
        ("wrapped_unknown", ("wrap cannot make 'own/NoSuch-v0' with Gymnasium",)),
    ],
)
def test_broken_environments(
    turnwise: Run, command: str, name: str, words: tuple[str, ...]
) -> None:
    more = () if command == "envs" else ("-a", "random") if command == "eval" else ("--task", "1")
    refused(turnwise(command, f"{WRONG}:{name}", *more), *words)


def test_an_episode_that_breaks_the_contract(turnwise: Run) -> None:
    for name, words in (
        ("ReturnsTuple", "_act of ReturnsTuple returned a tuple: return a turnwise.Outcome"),
        ("four_answers", "step of FourAnswers returned something else"),
    ):
        refused(turnwise("eval", f"{WRONG}:{name}", "-a", "random"), words)
        done = turnwise("play", f"{WRONG}:{name}", input="1\n")
        assert done.exit_code == 2 and words in done.stderr


def test_debug_shows_the_traceback_of_ones_own_code(turnwise: Run) -> None:
    done = turnwise("--debug", "eval", f"{WRONG}:TasksRaise")
    assert isinstance(done.exception, OSError)


def test_splits_with_other_names(turnwise: Run) -> None:
    for command in ("eval", "envs", "play"):
        done = turnwise(command, f"{WRONG}:OtherSplits", input="1\n2\n3\n")
        assert done.exit_code == 0 and done.stderr == ""
    refused(
        turnwise("eval", f"{WRONG}:OtherSplits", "--split", "fti"), "choose one of fit, holdout"
    )
    refused(
        turnwise("play", f"{WRONG}:OtherSplits", "--split", "fti"), "choose one of fit, holdout"
    )
    refused(turnwise("eval", f"{WRONG}:NoSuchEvalSplit"), "set its eval_split", "fit, holdout")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise RuntimeError('two\\nlines')", "failed with RuntimeError: two lines"),
        ("raise SystemExit('bye')", "failed with SystemExit: bye"),
        ("raise ModuleNotFoundError('cannot')", "failed with ModuleNotFoundError: cannot"),
        ("import no_such_dependency", "there is no module 'no_such_dependency'"),
        ("def f(:", "failed with SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported(
    turnwise: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "my_broken.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    refused(turnwise("eval", "my_broken:Env"), "my_broken", words)
    refused(turnwise("envs", "-I", "my_broken"), "--import my_broken", words)


@pytest.mark.parametrize("name", ["my_envs.py", "./my_envs", "", "a..b"])
def test_what_is_no_name_of_a_module(turnwise: Run, name: str) -> None:
    refused(turnwise("envs", "-I", name), "is not the name of a module", "my_envs for the file")


def test_an_attribute_of_a_number(turnwise: Run) -> None:
    refused(turnwise("eval", "math:pi.foo"), "unknown name 'foo'")


def test_a_wrong_keyword_in_gymnasiums_registration(turnwise: Run) -> None:
    gymnasium.register("own/Kw-v0", own_things.Guess, kwargs={"trys": 2})
    refused(turnwise("envs", "own/Kw-v0"), "'own/Kw-v0' cannot be made", "trys")
    gymnasium.register("own/Gone-v0", "no_such_module:Env")
    refused(turnwise("envs", "own/Gone-v0"), "'own/Gone-v0'", "no_such_module")


def test_a_broken_environment_hides_no_other(turnwise: Run) -> None:
    for name in ("Raises", "TasksRaise", "NoTasks"):
        register(EnvSpec(f"own/{name}-v0", f"{WRONG}:{name}"))
    done = turnwise("envs")
    assert done.exit_code == 0 and "own/TasksRaise-v0" in done.stdout
    assert "OSError: no data" in done.stdout and "turnwise/WebShop-v0" in done.stdout


def test_a_missing_prompt_module_hides_no_prompt(turnwise: Run) -> None:
    for name, module in (("A", "no_such_prompts"), ("B", WRONG)):
        register(EnvSpec(f"own/{name}-v0", own_things.Guess, prompt_modules=(module,)))
    assert make_prompt("webshop/react@1").name == "webshop/react@1"
    with pytest.raises(ConfigError, match=r"unknown prompt 'a/b@1'.*no_such_prompts.*PROMPTS"):
        make_prompt("a/b@1")
    done = turnwise("envs")
    assert done.exit_code == 0 and "no_such_prompts" in done.stdout


def test_mistakes_in_recipes() -> None:
    from turnwise.algorithms import recipe, settings

    for name in ("plain_recipe", "unknown_hint", "partial_recipe"):
        assert recipe(f"{WRONG}:{name}").name == "grpo"
    assert settings(f"{WRONG}:partial_recipe") == {"scale": 2.0}
    for name, words in (
        ("no_recipe", "made 'int', not a Recipe"),
        ("raising_recipe", r"calling raising_recipe\(\) failed with ValueError: no recipe today"),
        ("needs_scale", "missing 1 required positional argument: 'scale'"),
        ("WRONG", "unknown name"),
    ):
        with pytest.raises(ConfigError, match=words):
            recipe(f"{WRONG}:{name}")
    for name in (f"{OWN}:SPLITS", "math:pi"):
        with pytest.raises(ConfigError, match="cannot be called: name a function or a class"):
            recipe(name)


def test_mistakes_in_engines() -> None:
    from turnwise.agents.engines.base import EngineContext
    from turnwise.agents.engines.registry import make_engine

    for name, words in (
        (f"{WRONG}:NoContextEngine", r"NoContextEngine\(EngineContext\) failed with TypeError"),
        (f"{WRONG}:failing_engine", "failed with ValueError: no engine today"),
        (f"{WRONG}:CapabilitiesByName", "capabilities of engine .* are a tuple"),
        ("builtins:dict", "failed with TypeError"),
        ("math:pi", "is a float, which cannot be called"),
    ):
        with pytest.raises(ConfigError, match=words):
            make_engine(name, EngineContext())


def test_mistakes_in_trackers_and_teams(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from turnwise.agents.teams import make_team
    from turnwise.training.tracking import check_trackers, open_trackers

    for check in (check_trackers, lambda names: open_trackers(names, tmp_path, {}, 0)):
        with pytest.raises(ConfigError, match="lacks log and close"):
            check([f"{WRONG}:NoLog"])
        with pytest.raises(ConfigError, match="cannot be called"):
            check(["math:pi"])
    with pytest.raises(ConfigError, match="cannot be made"):
        make_team(f"{OWN}:short")
    with pytest.raises(ConfigError, match="cannot be called"):
        make_team("math:pi")


def test_what_is_no_environment_at_all() -> None:
    partial = functools.partial(own_things.Guess, tries=2)
    assert make(partial).tries == 2  # type: ignore[attr-defined]
    for thing in (5, None, own_things.Guess()):
        with pytest.raises(ConfigError, match="name a TurnEnv class"):
            env_spec(thing)  # type: ignore[arg-type]


# Entry points
# -----------------------------------------------------------------------------------------------


def test_a_factory_is_announced(announced: Callable[[str], None]) -> None:
    announced(f"[turnwise.envs]\nown/Echo-v0 = {OWN}:wrapped\n")
    assert env_spec("echo").max_turns == 1
    assert gymnasium.make("own/Echo-v0").reset(seed=0)[0].startswith("Say")


def test_entry_points_that_cannot_be_used(turnwise: Run, announced: Callable[[str], None]) -> None:
    announced(
        f"[turnwise.envs]\nown/Raises-v0 = {WRONG}:Raises\nown/Boom-v0 = {WRONG}:raising_recipe\n"
        f"turnwise/WebShop-v0 = {OWN}:Guess\nwebshop = {OWN}:Guess\n"
        "[turnwise.engines]\nlost = no_such_module:make\n"
    )
    refused(turnwise("envs", "own/Boom-v0"), "'own/Boom-v0' of own-things", "no recipe today")
    refused(turnwise("envs", "own/Raises-v0"), "Raises() failed with ValueError")
    done = turnwise("envs")
    assert done.exit_code == 0 and "'turnwise/WebShop-v0' is registered already" in done.stdout
    assert "the short name 'webshop'" in done.stdout
    assert type(make("webshop")).__name__ == "WebShopEnv"


def test_a_name_announced_by_two_packages(announced: Callable[[str], None], tmp_path: Path) -> None:
    from turnwise.agents.engines.registry import ENGINES

    announced(f"[turnwise.engines]\ntwice = {OWN}:fixed\n")
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[turnwise.engines]\ntwice = {OWN}:broken_engine\n")
    with pytest.raises(ConfigError, match=r"'twice' is announced by \S+ and by \S+: remove one"):
        ENGINES.find("twice")
