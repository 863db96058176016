"""The environment in a real sandbox, and many episodes at once."""

from __future__ import annotations

import gc
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from turnwise.agents.driver import episodes_for, play
from turnwise.agents.scripted import ExpertAgent, RandomAgent
from turnwise.envs.checks import check_turn_env
from turnwise.envs.registry import make
from turnwise.envs.tool_math.env import ToolMathEnv
from turnwise.envs.tool_math.problems import Problem
from turnwise.envs.tool_math.turns import fenced
from turnwise.sandbox import Limits, SandboxError, Spec, open_sandbox

PROBLEM = Problem("sum", "What is 1 + 2?", "3", 1, "sum", "print(1 + 2)")


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> None:
    try:
        open_sandbox(Spec(limits=Limits(seconds=20.0))).close()
    except SandboxError as problem:
        pytest.skip(f"no sandbox works on this machine: {problem}")


@pytest.fixture
def env() -> Iterator[ToolMathEnv]:
    made = ToolMathEnv([PROBLEM], seconds=20.0)
    made.reset(seed=0)
    yield made
    made.close()


def output(env: ToolMathEnv, code: str) -> str:
    return str(env.step(fenced(code))[4]["output"])


def test_an_episode(env: ToolMathEnv) -> None:
    assert output(env, "x = 1 + 2") == ""
    assert output(env, "print(x)") == "3"
    assert output(env, "print(y)") == "NameError: name 'y' is not defined"
    assert output(env, "print(").startswith("SyntaxError: ")
    _, reward, done, _, info = env.step("\\boxed{3}")
    assert (reward, done, info["tool_calls"]) == (1.0, True, 4)


def test_code_that_does_not_end_costs_its_time_and_its_variables() -> None:
    env = ToolMathEnv([PROBLEM], seconds=1.0)
    env.reset(seed=0)
    env.step(fenced("x = 1"))
    _, _, done, _, info = env.step(fenced("print('so far', flush=True)\nwhile True: pass"))
    assert not done and "code_error" in info["tags"]
    assert info["output"].endswith(
        "TimeoutError: the code ran longer than 1 s and was stopped; variables are lost"
    )
    assert output(env, "print(x)") == "NameError: name 'x' is not defined"
    env.close()


@pytest.mark.parametrize("stateful", [True, False])
def test_blocks_share_files_only_where_they_share_an_interpreter(stateful: bool) -> None:
    env = ToolMathEnv([PROBLEM], seconds=20.0, stateful=stateful)
    env.reset(seed=0)
    env.step(fenced("open('note', 'w').write('here')"))
    assert output(env, "import os\nprint(os.path.exists('note'))") == str(stateful)
    env.close()


DRAWS = (
    "import random, sys\n"
    "print(random.random(), random.Random(1).random(), hash('a'), list({'x', 'y', 'z'}))"
)


def test_random_numbers_are_the_same_in_interpreters_forks_and_replays(
    env: ToolMathEnv,
) -> None:
    first = output(env, DRAWS)
    snapshot, fork = env.snapshot(), env.fork()
    second = output(env, DRAWS)
    assert first.split()[0] != second.split()[0]
    assert output(fork, DRAWS) == second
    again = ToolMathEnv([PROBLEM], seconds=20.0)
    again.restore(snapshot)
    assert output(again, DRAWS) == second
    for each in (fork, again):
        each.close()
    assert random.random() != float(second.split()[0])


def test_numpy_draws_the_same_too(env: ToolMathEnv) -> None:
    pytest.importorskip("numpy")
    code = "import numpy\nprint(numpy.random.rand())"
    output(env, code)
    fork = env.fork()
    assert output(env, code) == output(fork, code)
    fork.close()


def test_a_fork_copies_variables_files_and_whatever_cannot_be_pickled(env: ToolMathEnv) -> None:
    output(
        env,
        "def numbers():\n    yield from range(9)\ng = numbers()\nnext(g)\nopen('note', "
        "'w').write('1')",
    )
    fork = env.fork()
    assert output(env, "print(next(g), next(g))") == "1 2"
    assert output(fork, "print(next(g), open('note').read())") == "1 1"
    fork.close()


def test_exact_values_are_boxed_in_latex() -> None:
    pytest.importorskip("sympy")
    env = ToolMathEnv(
        [Problem("half", "Half of one?", "\\frac{1}{2}")], seconds=20.0, final_answer=True
    )
    env.reset(seed=0)
    _, reward, done, _, info = env.step(
        fenced("from sympy import Rational\nfinal_answer(Rational(1, 2))")
    )
    assert (info["output"], reward, done) == ("\\boxed{\\frac{1}{2}}", 1.0, True)


def test_the_page_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs/tool_math.md").read_text(encoding="utf8")
    shown: dict[str, Any] = {}
    exec(
        compile(
            re.findall(r"```python\n(import gym.*?)\n```\n\n\|", page, re.S)[0],
            "docs/tool_math.md",
            "exec",
        ),
        shown,
    )
    assert capsys.readouterr().out == "\nCode execution result: 408\n\n"
    assert shown["terminated"]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0


def test_many_episodes_at_once_end_as_they_do_alone_and_leave_nothing() -> None:
    problems = [
        Problem(f"p{n}", f"What is {n} squared?", str(n * n), 1, "square", f"print({n} ** 2)")
        for n in range(24)
    ]
    env = ToolMathEnv(problems, seconds=20.0)
    before = None
    for _ in range(2):  # the first time, zygotes and workers start that stay
        played = play(
            episodes_for(env.tasks("all"), 1, "all"), env.spawn, ExpertAgent(), concurrency=24
        )
        assert [t.error for t in played] == [None] * 24 and all(t.success for t in played)
        wild = play(
            episodes_for(env.tasks("all"), 1, "all"),
            env.spawn,
            RandomAgent(),
            max_turns=3,
            concurrency=16,
        )
        assert all(t.error is None for t in wild)
        gc.collect()
        assert before is None or descriptors() <= before
        before = descriptors()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"stateful": False}])
def test_the_contract_is_kept_in_a_sandbox(settings: dict[str, Any]) -> None:
    kept = {"families": ["arithmetic/integers"], "train": 20, "dev": 5, "test": 5, "seconds": 20.0}
    check_turn_env(make("tool_math", **kept, **settings), resets=100, turns=4)
