"""The environment around a pretended sandbox: turns, tags, grading, snapshots, interpreters."""

from __future__ import annotations

import gc
import pickle
from typing import Any

import pytest

from tests.envs.tool_math.pretend_sandbox import PretendSandbox, Unforkable
from turnwise.agents.driver import episodes_for, play
from turnwise.agents.scripted import ExpertAgent, ReplayAgent
from turnwise.envs.checks import check_turn_env
from turnwise.envs.tool_math.env import ToolMathEnv
from turnwise.envs.tool_math.interpreter import SandboxPool
from turnwise.envs.tool_math.problems import Problem
from turnwise.envs.tool_math.turns import fenced
from turnwise.errors import ConfigError, TaskError
from turnwise.sandbox.contract import SandboxError, Spec

PROBLEMS = {
    "train": [
        Problem(
            f"sum-{n}",
            f"What is {n} + 1?",
            str(n + 1),
            1,
            "sum",
            f"print({n} + 1)",
            ("family=sum",),
        )
        for n in range(3)
    ],
    "test": [Problem("half", "What is half of 1?", "\\frac{1}{2}")],
}


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Any:
    PretendSandbox.opened.clear()
    Unforkable.opened.clear()
    yield
    gc.collect()
    assert not PretendSandbox.opened and not Unforkable.opened


def env_with(**settings: Any) -> ToolMathEnv:
    return ToolMathEnv(PROBLEMS, **{"sandbox": PretendSandbox, **settings})


def begun(**settings: Any) -> ToolMathEnv:
    env = env_with(**settings)
    env.reset(seed=0, options={"task": "sum-2"})
    return env


def tags(info: dict[str, Any]) -> set[str]:
    return set(info["tags"]) - {"family=sum"}


def test_code_then_an_answer() -> None:
    env = begun()
    observation, reward, done, _, info = env.step(
        "Let me add.\n```python\nx = 2 + 1\nprint(x)\n```"
    )
    assert (observation, reward, done) == ("\nCode execution result: 3\n", 0.0, False)
    assert tags(info) == {"code"} and (info["output"], info["tool_calls"], info["valid"]) == (
        "3",
        1,
        True,
    )
    observation, reward, done, _, info = env.step("So it is \\boxed{3}.")
    assert (reward, done, info["success"], info["score"]) == (1.0, True, True, 1.0)
    assert tags(info) == {"answer"} and info["grader"] == "graded" and info["output"] == ""


def test_a_wrong_answer_ends_the_episode_without_a_reward() -> None:
    _, reward, done, _, info = begun().step("\\boxed{4}")
    assert (reward, done, info["success"], info["score"], info["valid"]) == (
        0.0,
        True,
        False,
        0.0,
        True,
    )


def test_an_answer_that_is_cut_off_is_an_answer_and_not_right() -> None:
    _, reward, done, _, info = begun().step("\\boxed{3")
    assert (reward, done, tags(info), info["grader"]) == (0.0, True, {"answer"}, "no_answer")


@pytest.mark.parametrize("text", ["It is 3.", "```python\nprint(3)", "", "```output\n3\n```"])
def test_a_void_turn_ends_the_episode(text: str) -> None:
    env = begun()
    _, reward, done, _, info = env.step(text)
    assert (reward, done, info["valid"], tags(info)) == (0.0, True, False, {"void"})
    _, reward, done, _, info = env.step("\\boxed{3}")
    assert (reward, done, info["valid"], info["score"]) == (0.0, True, False, 0.0)


def test_a_void_turn_can_be_answered_with_what_was_expected() -> None:
    env = begun(stop_at_void=False)
    before = env.step(fenced("print(1)"))[4]["state"]
    observation, _, done, _, info = env.step("Hm.")
    assert "boxed" in observation and not done and not info["valid"] and info["state"] == before
    assert env.step("\\boxed{3}")[1] == 1.0


def test_variables_last_only_if_stateful() -> None:
    for stateful, shown in ((True, "5"), (False, "NameError: name 'x' is not defined")):
        env = begun(stateful=stateful)
        env.step(fenced("x = 5"))
        _, _, _, _, info = env.step(fenced("print(x)"))
        assert info["output"] == shown and ("code_error" in info["tags"]) == (not stateful)
        assert (
            len(PretendSandbox.episodes()) == int(stateful)
            and len(PretendSandbox.opened) == 1 + stateful
        )
        env.close()


def test_errors_are_shown_and_are_no_void_turns() -> None:
    env = begun()
    observation, _, done, _, info = env.step(fenced("print(7)\n1/0"))
    assert observation == "\nCode execution result: 7\nZeroDivisionError: division by zero\n"
    assert tags(info) == {"code", "code_error"} and info["valid"] and not done
    assert tags(env.step(fenced(""))[4]) == {"code"}


@pytest.mark.parametrize("error", ["timeout", "memory", "output", "died"])
def test_a_lost_interpreter_is_made_anew(error: str) -> None:
    env = begun()
    env.step(fenced("x = 5"))
    _, _, done, _, info = env.step(fenced(f"#{error}"))
    assert (
        not done and tags(info) == {"code", "code_error"} and "variables are lost" in info["output"]
    )
    assert (
        not PretendSandbox.opened
    )  # what it was a copy of may have suffered, and is not used again
    assert env.step(fenced("print(x)"))[4]["output"] == "NameError: name 'x' is not defined"
    # What is run again in a restored episode are the cells of the new interpreter alone.
    assert pickle.loads(pickle.dumps(env)).step(fenced("print(1)"))[4]["output"] == "1"


def test_a_failing_sandbox_is_an_error_and_never_a_reward_of_zero() -> None:
    env = begun()
    with pytest.raises(SandboxError, match="the end"):
        env.step(fenced("#infrastructure"))
    assert not PretendSandbox.opened
    assert env.step(fenced("print(3)"))[4]["output"] == "3"  # the turn did not happen
    recorded = play(episodes_for(["sum-2"], 1, "train"), env_with, ExpertAgent())
    broken = [
        type(recorded[0].turns[0])(
            **{**as_dict(recorded[0].turns[0]), "action": fenced("#infrastructure")}
        )
    ]
    replay = ReplayAgent([type(recorded[0])(**{**as_dict(recorded[0]), "turns": tuple(broken)})])
    (failed,) = play(replay.episodes(), env_with, replay)
    assert (
        failed.error is not None
        and "SandboxError" in failed.error
        and failed.stop_reason == "error"
        and not failed.turns
    )


def as_dict(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def test_long_output_is_clipped_and_text_after_the_block_is_ignored() -> None:
    env = begun(output_chars=10)
    _, _, _, _, info = env.step(fenced("print('a' * 8 + 'b' * 8)"))
    assert info["output"] == "aaaaa\n[6 characters left out]\nbbbbb" and tags(info) == {
        "code",
        "truncated",
    }
    _, _, done, _, info = env.step(fenced("print(3)") + "\nHence \\boxed{3}.")
    assert not done and tags(info) == {"code", "truncated"}


def test_printed_answers_count_by_default() -> None:
    printing = fenced("print('x' * 900, r'\\boxed{3}')")
    observation, reward, done, _, info = begun().step(printing)
    assert (reward, done) == (1.0, True) and {"code", "answer", "truncated"} == tags(info)
    assert observation.startswith("\nCode execution result: xxx")
    assert begun(printed_answers=False).step(printing)[1:3] == (0.0, False)


def test_final_answer_prints_a_box() -> None:
    assert begun(final_answer=True, printed_answers=False).step(fenced("final_answer(3)"))[1:3] == (
        1.0,
        True,
    )
    sympy = pytest.importorskip("sympy")
    env = env_with(final_answer=True)
    env.reset(options={"task": "half"})
    _, reward, _, _, info = env.step(fenced("import sympy\nfinal_answer(sympy.Rational(1, 2))"))
    assert info["output"] == f"\\boxed{{{sympy.latex(sympy.Rational(1, 2))}}}" and reward == 1.0
    _, _, _, _, info = begun().step(fenced("final_answer(3)"))
    assert "code_error" in info["tags"]


def test_the_last_box_counts_and_the_printed_one_is_last() -> None:
    env = begun()
    _, reward, _, _, info = env.step("\\boxed{9}\n" + fenced("print(r'\\boxed{3}')"))
    assert reward == 1.0 and info["tool_calls"] == 1
    assert begun().step("\\boxed{9} no, \\boxed{3}")[1] == 1.0


def test_prose_does_not_change_the_state_hash() -> None:
    one, other, third = begun(), begun(), begun()
    one.step("I think:\n" + fenced("x = 1"))
    other.step("Well.\n" + fenced("x = 1") + "\nmore")
    third.step(fenced("x = 2"))
    states = [env._info(env._last)["state"] for env in (one, other, third) if env._last]
    assert states[0] == states[1] != states[2]
    assert begun(stateful=False)._last.state != begun()._last.state  # type: ignore[union-attr]


@pytest.mark.parametrize("sandbox", [PretendSandbox, Unforkable])
def test_a_fork_has_a_copy_of_the_interpreter(
    sandbox: type[PretendSandbox],
) -> None:
    env = begun(sandbox=sandbox)
    env.step(fenced("x = [1]"))
    made = sandbox.made
    other = env.fork()
    assert sandbox.made == made + sandbox.can_fork  # copied now, or made when it is needed
    env.step(fenced("x.append(2)"))
    assert other.step(fenced("print(x)"))[4]["output"] == "[1]"
    assert env.step(fenced("print(x)"))[4]["output"] == "[1, 2]"
    assert len(sandbox.episodes()) == 2
    other.close()
    env.close()
    assert not sandbox.opened


def test_restoring_a_snapshot_discards_later_variables() -> None:
    env = begun()
    env.step(fenced("x = 1"))
    snapshot = env.snapshot()
    env.step(fenced("x = 2"))
    env.restore(snapshot)
    assert env.step(fenced("print(x)"))[4]["output"] == "1"
    assert env.fork().step(fenced("print(x)"))[4]["tool_calls"] == 3


def test_no_interpreter_outlives_its_episode_or_its_environment() -> None:
    env = begun()
    assert not PretendSandbox.opened  # none is made before there is code
    env.step(fenced("x = 1"))
    env.reset(seed=0)
    assert not PretendSandbox.episodes()
    (pristine,) = PretendSandbox.opened
    env.step(fenced("print('x' in globals())"))
    assert (
        env._output == "False"
        and pristine in PretendSandbox.opened
        and len(PretendSandbox.opened) == 2
    )
    env.step("\\boxed{1}")
    assert PretendSandbox.opened == [pristine]
    other = env.spawn()
    other.reset(seed=0)
    other.step(fenced("x = 1"))
    assert len(PretendSandbox.opened) == 2
    del other
    gc.collect()
    assert PretendSandbox.opened == [pristine]
    env.reset(seed=0)
    env.step(fenced("x = 1"))
    env.close()
    assert PretendSandbox.opened == [pristine]
    del env
    gc.collect()
    assert not PretendSandbox.opened


def test_episodes_at_the_same_time_share_no_sandbox() -> None:
    env = begun()
    env.step(fenced("x = 1"))
    others = [env.spawn() for _ in range(3)]
    for other in others:
        other.reset(seed=0)
        other.step(fenced("x = 1"))
    assert len(PretendSandbox.episodes()) == 4 and len(PretendSandbox.opened) == 8
    fork = env.fork()
    assert (
        len(PretendSandbox.opened) == 8
    )  # what a fork lives beside is given up with it, and for no other episode
    for other in (env, fork, *others):
        other.close()
    assert len(PretendSandbox.opened) == 3 and not PretendSandbox.episodes()
    pool = SandboxPool(lambda: PretendSandbox(Spec()), "", keep=1)
    origins = [pool.take()[1] for _ in range(3)]
    before = len(PretendSandbox.opened)
    for origin in origins:
        pool.put_back(origin)
    assert len(PretendSandbox.opened) == before - 2
    for copy in PretendSandbox.episodes():
        copy.close()


def test_a_harmed_sandbox_is_replaced() -> None:
    env = begun()
    env.step(fenced("x = 1"))
    env.reset(seed=0)
    (pristine,) = PretendSandbox.opened

    def broken() -> Any:
        raise SandboxError("it was killed")

    pristine.fork = broken  # type: ignore[method-assign]
    assert env.step(fenced("print(3)"))[4]["output"] == "3"
    assert pristine not in PretendSandbox.opened and len(PretendSandbox.opened) == 2


def test_a_session_that_cannot_begin_is_an_error() -> None:
    env = begun()
    env._pool._prelude = "1/0"
    with pytest.raises(SandboxError, match="could not begin"):
        env.step(fenced("print(1)"))
    assert not PretendSandbox.opened


def test_replaying_a_cell_that_no_longer_runs_is_an_error_of_the_sandbox() -> None:
    env = begun(sandbox=Unforkable)
    env.step(fenced("import random\nx = random"))
    other = env.fork()
    Unforkable.opened[0].close()

    class Failing(Unforkable):
        def session(self) -> Any:
            session = super().session()
            run = session.run
            session.run = lambda code, timeout=None: run(
                "#timeout" if "x = random" in code else code
            )  # type: ignore[method-assign]
            return session

    other.sandbox = Failing
    other._open_pool()
    with pytest.raises(SandboxError, match="run again"):
        other.step(fenced("print(1)"))


def test_the_expert_runs_the_program_and_answers() -> None:
    trajectories = play(
        episodes_for([p.id for p in PROBLEMS["train"]], 2, "train"), env_with, ExpertAgent()
    )
    assert all(
        t.success and [turn.action[:3] for turn in t.turns] == ["```", "\\bo"] for t in trajectories
    )
    assert [turn.tags for turn in trajectories[0].turns] == [("code",), ("answer",)]
    env = env_with()
    env.reset(options={"task": "half"})
    assert (
        env.expert_action() == "\\boxed{\\frac{1}{2}}"
        and env.step(env.expert_action() or "")[1] == 1.0
    )
    assert env.expert_action() is None and env_with().expert_action() is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"stateful": False}, {"sandbox": Unforkable}, {"stop_at_void": False}]
)
def test_the_contract_is_kept(settings: dict[str, Any]) -> None:
    check_turn_env(lambda: env_with(**settings), resets=200)


def test_splits_and_tasks() -> None:
    env = env_with()
    assert env.splits == ("train", "test") and env.tasks("train") == ("sum-0", "sum-1", "sum-2")
    alone = ToolMathEnv(PROBLEMS["train"], sandbox=PretendSandbox)
    assert alone.splits == ("all",) and alone.split == "all"
    assert (
        env.data_hash != alone.data_hash != ToolMathEnv(PROBLEMS["train"], stateful=False).data_hash
    )
    with pytest.raises(TaskError, match="train, test"):
        env_with(split="dev")
    with pytest.raises(TaskError, match="no task"):
        env.reset(options={"task": "sum-9"})


def test_invalid_settings() -> None:
    for settings, said in (
        ({"output_chars": 1}, "output_chars"),
        ({"seconds": 0.0}, "seconds"),
        ({"data": "x.jsonl"}, "both"),
        ({"problems": []}, "at least one"),
        ({"problems": [PROBLEMS["test"][0]] * 2}, "same id"),
    ):
        with pytest.raises(ConfigError, match=said):
            ToolMathEnv(**{"problems": PROBLEMS, **settings}).reset()
    with pytest.raises(ConfigError, match="at least one"):
        ToolMathEnv(train=0).tasks("train")
