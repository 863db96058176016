"""The environment in a real sandbox; the real grader only in tests about grading."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from typing import Any

import gymnasium
import pytest

import turnwise  # noqa: F401  (registers the environments)
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.scripted import ExpertAgent
from turnwise.envs.base import fork
from turnwise.envs.checks import check_turn_env
from turnwise.envs.swe.env import SUBMIT, SweEnv
from turnwise.envs.swe.grading import Rules, Verdict, cache
from turnwise.envs.swe.sandbox_pool import opener
from turnwise.envs.swe.tasks.task import SweTask
from turnwise.errors import ConfigError, TaskError
from turnwise.sandbox import SandboxError, Spec

WAYS = ("bash", "tools", "closed")


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> None:
    try:
        opener("jail")(Spec()).close()
    except SandboxError as problem:
        pytest.skip(f"no jail works on this machine: {problem}")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, bytes]]:
    """A grader that only compares the files that count; what it was handed."""
    handed: list[Mapping[str, bytes]] = []

    def grade(
        task: SweTask,
        pristine: Mapping[str, bytes],
        submitted: Mapping[str, bytes],
        sandbox: object,
        rules: Rules,
    ) -> Verdict:
        handed.append(submitted)
        right = all(
            submitted.get(path) == data
            for path, data in pristine.items()
            if path.startswith("pocketkit/")
        )
        return Verdict(right, f2p_rate=1.0 if right else 0.5, p2p_rate=1.0)

    answer(monkeypatch, grade)
    return handed


def answer(monkeypatch: pytest.MonkeyPatch, grade: Any) -> None:
    """Let another grader answer, and forget what the ones before said."""
    monkeypatch.setattr(cache, "grade", grade)
    cache.shared_cache.cache_clear()


@pytest.fixture(autouse=True)
def forget() -> Any:
    cache.shared_cache.cache_clear()
    yield
    cache.shared_cache.cache_clear()


def made(actions: str = "bash", **settings: Any) -> SweEnv:
    return SweEnv(actions=actions, **{"seconds": 120.0, "sandbox": "jail", **settings})


def begun(actions: str = "bash", **settings: Any) -> SweEnv:
    env = made(actions, **settings)
    env.reset(seed=0, options={"task": env.tasks("test")[0]})
    return env


def to_the_end(env: SweEnv) -> tuple[int, float, dict[str, Any]]:
    """The expert's turns, the last reward and info."""
    for turn in range(1, 20):
        action = env.expert_action()
        assert action is not None
        _, reward, done, _, info = env.step(action)
        if done:
            return turn, reward, info
    raise AssertionError("the expert does not come to an end")


def call(name: str, **arguments: Any) -> str:
    return json.dumps({"name": name, "arguments": arguments})


# The grader


@pytest.mark.slow
def test_the_repair_is_paid_and_nothing_else() -> None:
    env = begun()
    _, reward, info = to_the_end(env)
    assert (reward, info["success"], info["score"]) == (1.0, True, 1.0)
    assert info["rewards"] == {"resolved": 1.0, "f2p_rate": 1.0, "p2p_rate": 1.0, "tampered": 0.0}
    assert "submitted" in info["tags"] and env.verdict is not None and env.verdict.resolved
    env.reset(options={"task": info["task"]})
    assert env.verdict is None
    _, reward, done, _, info = env.step("submit")
    assert (reward, done, info["success"]) == (0.0, True, False)
    assert info["rewards"]["resolved"] == 0.0 and info["rewards"]["p2p_rate"] == 1.0
    env.reset(options={"task": info["task"]})
    env.step("for f in pocketkit/*.py; do echo 'raise SystemExit(0)' > $f; done")
    _, reward, _, _, info = env.step("submit")
    assert reward == 0.0 and info["rewards"]["p2p_rate"] < 1.0


# Episodes


@pytest.mark.parametrize("actions", WAYS)
def test_the_expert_repairs_in_every_way_of_acting(
    actions: str, quick: list[Mapping[str, bytes]]
) -> None:
    env = made(actions)
    for task in env.tasks("dev")[:4]:
        env.reset(options={"task": task, "split": "dev"})
        turns, reward, info = to_the_end(env)
        assert reward == 1.0 and info["valid"] and turns >= 2
    assert env.expert_action() is None


@pytest.mark.parametrize("actions", ["bash", "tools"])
def test_the_expert_mends_what_others_did(actions: str, quick: list[Mapping[str, bytes]]) -> None:
    env = begun(actions)
    path = next(iter(env._prepared.trees.gold))
    for harm in (
        f"rm {path}",
        f": > {path}",
        f"echo x >> {path}; sed -i 3d {path}",
        f"printf '\\377' > {path}",
    ):
        env.reset(options={"task": env.tasks("test")[0]})
        env.step(harm if actions == "bash" else call("bash", command=harm))
        assert to_the_end(env)[1] == 1.0, harm


def test_observations_and_info(quick: list[Mapping[str, bytes]]) -> None:
    env = made()
    first, info = env.reset(options={"task": env.tasks("test")[0]})
    assert first.startswith(info["instruction"].strip()) and first.endswith(
        "The repository pocketkit is in /work."
    )
    assert (info["admissible"], info["output"], info["exit_code"], info["rewards"]) == (
        ["<command>", "submit"],
        "",
        None,
        {},
    )
    shown, reward, done, _, info = env.step("echo out; echo err >&2; false")
    assert (shown, reward, done) == ("exit code 1\nout\nerr", 0.0, False)
    assert (info["output"], info["exit_code"], info["valid"]) == ("out\nerr", 1, True)
    assert not env.step("  ")[4]["valid"]
    env.close()


def test_long_output_is_clipped_and_late_commands_are_stopped(
    quick: list[Mapping[str, bytes]],
) -> None:
    env = begun(seconds=2.0, output_chars=100)
    shown, _, done, _, info = env.step("echo begin; seq 1 10000; echo end")
    assert (
        "begin" in shown
        and shown.endswith("end")
        and len(shown) < 200
        and "clipped" in info["tags"]
    )
    shown, _, done, _, info = env.step("echo so far; sleep 60")
    assert (
        shown.startswith("stopped after 2 s")
        and shown.endswith("so far")
        and "ended=timeout" in info["tags"]
        and not done
    )
    assert env.step("echo on")[0] == "exit code 0\non"
    env.close()


def test_a_line_of_output_submits(quick: list[Mapping[str, bytes]]) -> None:
    for command, submits in (
        (f"echo {SUBMIT}", True),
        (f"echo {SUBMIT}; false", False),
        (f"echo no; echo {SUBMIT}", False),
    ):
        env = begun()
        assert env.step(command)[2] is submits, command
        env.close()
    assert len(quick) == 1


def test_what_is_handed_in_is_what_stands_there(quick: list[Mapping[str, bytes]]) -> None:
    env = begun()
    env.step(
        "echo 'x = 1' > new.py; rm README.md; (while true; do date > pocketkit/late.txt; done) &"
    )
    env.step("submit")
    assert quick[-1]["new.py"] == b"x = 1\n" and "README.md" not in quick[-1]
    tools = begun("tools")
    tools.step(call("edit", path="new.py", old="", new="x = 1\n"))
    tools.step(call("submit"))
    assert quick[-1]["new.py"] == b"x = 1\n" and "tests/test_text.py" in quick[-1]


def test_the_time_of_all_commands_is_limited(quick: list[Mapping[str, bytes]]) -> None:
    env = begun(episode_seconds=0.4)
    _, reward, done, _, info = env.step("sleep 0.5")
    assert (
        (reward, done) == (0.0, True)
        and "wall_limit" in info["tags"]
        and info["rewards"]["resolved"] == 0.0
    )
    assert quick == []
    after = env.step("submit")
    assert after[2] and not after[4]["valid"] and after[1] == 0.0 and quick == []


def test_a_failing_sandbox_or_grader_is_an_error_and_no_reward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = begun()
    env.step("true")
    env._workplace._held[0].close()
    with pytest.raises(SandboxError):
        env.step("echo on")
    answer(monkeypatch, lambda *_: Verdict(False, error="the grader's sandbox ran out of memory"))
    env = made()
    with pytest.raises(SandboxError, match="could not be graded: the grader's sandbox"):
        env.reset(options={"task": env.tasks("test")[0]})
        env.step("submit")
    (trajectory,) = play(
        episodes_for(env.tasks("test")[:1], 1, "test"), env.spawn, ExpertAgent(), max_turns=5
    )
    assert trajectory.error is not None and "could not be graded" in str(trajectory.error)


def test_the_ratio_and_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, lambda *_: Verdict(False, f2p_rate=0.5, p2p_rate=0.5))
    assert begun(reward="ratio").step("submit")[1] == 0.25
    assert begun(reward="binary").step("submit")[1] == 0.0
    answer(monkeypatch, lambda *_: Verdict(False, f2p_rate=1.0, p2p_rate=1.0, tampered=True))
    _, reward, _, _, info = begun(reward="ratio").step("submit")
    assert reward == 0.0 and info["rewards"]["tampered"] == 1.0 and "tampered" in info["tags"]


def test_equal_submissions_are_graded_once(quick: list[Mapping[str, bytes]]) -> None:
    begun().step("submit")
    begun().step("submit")
    assert len(quick) == 1
    begun(rules={"static": "flag"}).step("submit")
    assert len(quick) == 2


# States, forks, pickles


def test_states_are_equal_where_files_are(quick: list[Mapping[str, bytes]]) -> None:
    env = begun("closed")
    start = env.step("view 1")[4]["state"]
    one = env.step("apply 1")[4]["state"]
    assert env.step("view 2")[4]["state"] == one != start
    assert env.step("undo 1")[4]["state"] == start
    tools = begun("tools")
    start = tools.step(call("view", path="."))[4]["state"]
    tools.step(call("edit", path="a.txt", old="", new="a"))
    changed = tools.step(call("edit", path="b.txt", old="", new="b"))[4]["state"]
    other = begun("tools")
    other.step(call("edit", path="b.txt", old="", new="b"))
    assert other.step(call("edit", path="a.txt", old="", new="a"))[4]["state"] == changed != start
    assert other.step(call("bash", command="true"))[4]["state"] != changed, (
        "a command may have done anything"
    )
    tools.close()
    other.close()


def test_tests_are_run_of_what_is_made(quick: list[Mapping[str, bytes]]) -> None:
    env = begun("closed", hidden=False)
    before = env.step("test")[0]
    assert " failed: test_" in before
    while (action := env.expert_action()) != "submit":
        env.step(str(action))
    after = env.step("test")[0]
    assert after.endswith(" 0 failed") and after != before
    env.close()


def test_an_expert_that_searches(quick: list[Mapping[str, bytes]]) -> None:
    env = begun("closed", hidden=False, expert="search", choices=2)
    turns, reward, _ = to_the_end(env)
    assert reward == 1.0 and turns in (3, 6)


def test_an_episode_forks_with_its_shell(quick: list[Mapping[str, bytes]]) -> None:
    env = begun()
    env.step("cd pocketkit; x=1; echo a > file")
    other = env.fork()
    other.step("x=2; rm file")
    assert env.step("echo $x; cat file; pwd")[0] == "exit code 0\n1\na\n/work/pocketkit"
    assert other.step("echo $x; ls file 2>/dev/null; pwd")[0] == "exit code 0\n2\n/work/pocketkit"
    copy = pickle.loads(pickle.dumps(env))
    assert copy.step("echo $x; cat file; pwd")[0] == "exit code 0\n1\na\n/work/pocketkit"
    for each in (env, other, copy):
        each.close()


def test_gymnasium_makes_one_that_ends_at_the_turn_limit(quick: list[Mapping[str, bytes]]) -> None:
    env = gymnasium.make("turnwise/SWE-v0", max_episode_steps=2)
    env.reset(seed=0)
    assert env.step("true")[3] is False
    other = fork(env)
    assert env.step("true")[3] is True and other.step("true")[3] is True
    assert quick == []


@pytest.mark.slow
@pytest.mark.parametrize("actions", WAYS)
def test_the_environment_keeps_the_contract(actions: str, quick: list[Mapping[str, bytes]]) -> None:
    check_turn_env(made(actions), tasks=1, turns=3, resets=30)


# Settings


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"actions": "bush"}, "bash"),
        ({"reward": "ration"}, "ratio"),
        ({"output_chars": 1}, "at least 2"),
        ({"seconds": 0.0}, "above 0"),
        ({"choices": 0}, "1 to 99"),
        ({"expert": "search"}, "closed"),
        ({"rules": {"statics": "zero"}}, "static"),
        ({"rules": {"seconds": -1}}, "above 0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        SweEnv(**settings)


def test_an_unknown_split_and_settings_in_the_hash() -> None:
    with pytest.raises(TaskError):
        SweEnv(split="none")
    several: list[dict[str, Any]] = [
        {},
        {"actions": "tools"},
        {"hidden": False},
        {"rules": {"static": "off"}},
        {},
    ]
    assert len({SweEnv(**settings).data_hash for settings in several}) == 4


def test_hidden_tests_are_not_there_and_visible_ones_are() -> None:
    hidden, shown = begun(), begun(hidden=False)
    failing = {test.partition("[")[0].rpartition("::")[2] for test in hidden._swe_task.fail_to_pass}
    assert failing
    for name in failing:
        assert hidden.step(f"grep -rn 'def {name}\\b' tests")[4]["exit_code"] == 1
        assert shown.step(f"grep -rn 'def {name}\\b' tests")[4]["exit_code"] == 0
    hidden.close()
    shown.close()
