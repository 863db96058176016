"""What is not turnwise's own, by import path, registration and entry point; and its mistakes."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture(autouse=True)
def clean_registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test registers."""
    registry.register_built_in()
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    monkeypatch.setattr(registry, "_unloadable", {})
    monkeypatch.setattr(registry, "_unloadable_prompts", {})
    monkeypatch.setattr(registry, "_loaded", set())
    known = dict(gymnasium.registry)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(known)


@pytest.fixture
def announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a distribution with these entry points."""

    def announce(entry_points: str) -> None:
        info = tmp_path / "own_things-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-things\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    return announce


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
    assert "the expert would do: 3" in done.stdout and "> 1" in done.stdout
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
        (("play", f"{OWN}:NoEnvironment"), "NoEnvironment that is no TurnEnv"),
        (("envs", f"{OWN}:SPLITS"), "is a dict: name a TurnEnv class"),
        (("envs", f"{OWN}:stubborn"), "made a AlwaysAgent, which is no TurnEnv"),
        (("envs", "CartPole-v1"), "CartPoleEnv that is no TurnEnv"),
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


# Mistakes in a user's own files
# -----------------------------------------------------------------------------------------------

WRONG = "tests.cli.own_mistakes"


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


# Packaged configs
# -----------------------------------------------------------------------------------------------


def test_configs_are_listed_and_printed(turnwise: Run) -> None:
    done = turnwise("configs")
    assert done.exit_code == 0 and "quickstart" in done.stdout and "salt" in done.stdout
    printed = turnwise("configs", "quickstart").stdout
    assert printed == Path("configs/quickstart.toml").read_text(encoding="utf8")


def test_the_class_is_a_turn_env() -> None:
    assert issubclass(own_things.Guess, TurnEnv)
