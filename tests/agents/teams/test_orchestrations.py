"""Orchestrations and role prompts."""

from __future__ import annotations

from typing import Any

import pytest

from turnwise.agents.teams import make_team
from turnwise.agents.teams.orchestration import TeamMessage, TeamState, Transition
from turnwise.agents.teams.searcher_verifier_answerer import SearcherVerifierAnswerer
from turnwise.agents.teams.solver_verifier import SolverVerifier
from turnwise.envs.prompt import SelfEnding, Step
from turnwise.envs.tool_math.turns import fenced

CODE = fenced("print(1 + 1)")
TWO, THREE = "\\boxed{2}", "\\boxed{3}"


def board(*said: tuple[str, str]) -> tuple[TeamMessage, ...]:
    return tuple(TeamMessage(*one) for one in said)


# Solver and verifier


def test_code_goes_to_the_environment_and_an_answer_to_the_verifier() -> None:
    orchestration = SolverVerifier()
    assert orchestration.agent(TeamState()) == "solver"
    assert orchestration.receive(TeamState(), CODE) == Transition((), CODE)
    assert orchestration.receive(TeamState(), TWO) == Transition(board(("solver", TWO)), None)
    assert orchestration.agent(TeamState(board(("solver", TWO)))) == "verifier"


def test_a_rejected_answer_is_given_again_and_the_last_is_not_verified() -> None:
    orchestration = SolverVerifier()
    asked = TeamState(board(("solver", THREE)))
    assert orchestration.receive(asked, "approve") == Transition(
        board(("solver", THREE), ("verifier", "approve")), THREE
    )
    rejected = orchestration.receive(asked, "Reject ")
    assert rejected.action is None and rejected.valid
    again = TeamState(rejected.board, steps=0)
    assert orchestration.agent(again) == "solver"
    assert orchestration.receive(again, CODE) == Transition(
        rejected.board, CODE
    )  # code within a round keeps the board
    assert orchestration.receive(again, TWO).action == TWO
    assert SolverVerifier(answers=3).receive(again, TWO).action is None
    assert SolverVerifier(answers=1).receive(TeamState(), TWO).action == TWO


def test_a_missing_verdict_approves_and_is_not_valid() -> None:
    result = SolverVerifier().receive(TeamState(board(("solver", TWO))), "well, hm")
    assert (result.action, result.valid) == (TWO, False)


def test_the_verifiers_expert_approves_of_the_experts_answer_alone() -> None:
    orchestration = SolverVerifier()
    assert orchestration.expert(TeamState(), CODE, "") == CODE
    assert orchestration.expert(TeamState(board(("solver", TWO))), TWO, "") == "approve"
    assert orchestration.expert(TeamState(board(("solver", THREE))), TWO, "") == "reject"
    assert (
        orchestration.expert(TeamState(board(("solver", TWO))), CODE, "") == "reject"
    )  # not computed yet


def test_admissible_messages_of_solver_and_verifier() -> None:
    orchestration = SolverVerifier()
    assert orchestration.admissible(TeamState(), [CODE, TWO]) == [CODE, TWO]
    assert orchestration.admissible(TeamState(board(("solver", TWO))), [CODE, TWO]) == [
        "approve",
        "reject",
    ]


# Searcher, verifier, answerer


def test_the_verifier_sends_the_question_on() -> None:
    orchestration = SearcherVerifierAnswerer()
    assert orchestration.agent(TeamState()) == "verifier"
    for verdict, following in (("no", "searcher"), ("yes", "answerer"), ("YES\n", "answerer")):
        result = orchestration.receive(TeamState(), verdict)
        assert (
            result.action is None
            and result.valid
            and orchestration.agent(TeamState(result.board)) == following
        )


def test_a_missing_verdict_searches_on_until_the_searches_are_used_up() -> None:
    orchestration = SearcherVerifierAnswerer(searches=2)
    result = orchestration.receive(TeamState(), "perhaps")
    assert not result.valid and orchestration.agent(TeamState(result.board)) == "searcher"
    assert orchestration.agent(TeamState((), steps=1)) == "verifier"
    assert orchestration.agent(TeamState((), steps=2)) == "answerer"
    assert orchestration.receive(TeamState((), steps=2), "answer[x]") == Transition((), "answer[x]")


@pytest.mark.parametrize(
    "verdict, said, action",
    [
        ("no", " search[a b]\n", "search[a b]"), ("no", "answer[a]", None),
        ("no", "search[]", None), ("no", "", None),
        ("yes", "answer[a]", "answer[a]"), ("yes", "search[a]", None),
    ],
)  # fmt: skip
def test_a_role_cannot_take_the_action_of_another(
    verdict: str, said: str, action: str | None
) -> None:
    result = SearcherVerifierAnswerer().receive(TeamState(board(("verifier", verdict))), said)
    assert result == Transition((), action, action is not None)


def test_experts_of_the_search_team() -> None:
    orchestration, no, yes = (
        SearcherVerifierAnswerer(),
        TeamState(board(("verifier", "no"))),
        TeamState(board(("verifier", "yes"))),
    )
    assert [orchestration.expert(TeamState(), a, "q") for a in ("search[a]", "answer[b]")] == [
        "no",
        "yes",
    ]
    assert [orchestration.expert(no, a, "q") for a in ("search[a]", "answer[b]")] == [
        "search[a]",
        "search[q]",
    ]
    assert [orchestration.expert(yes, a, "q") for a in ("search[a]", "answer[b]")] == [
        "answer[unknown]",
        "answer[b]",
    ]


def test_admissible_messages_of_the_search_team() -> None:
    orchestration, offered = SearcherVerifierAnswerer(), ["search[<query>]", "answer[<text>]"]
    tables = (
        TeamState(),
        TeamState(board(("verifier", "no"))),
        TeamState(board(("verifier", "yes"))),
    )
    assert [orchestration.admissible(t, offered) for t in tables] == [
        ["yes", "no"],
        ["search[<query>]"],
        ["answer[<text>]"],
    ]
    assert orchestration.admissible(tables[1], []) == ["search[<text>]"]


# Prompts


def steps() -> list[Step]:
    """A searcher's turn in the second round."""
    talk: dict[str, Any] = {"fresh": False, "board": board(("verifier", "no"))}
    return [
        Step("Who wrote it?", {"fresh": True, "board": ()}, "<verify>no</verify>", "no"),
        Step("verifier: no", talk, "hm <search>it</search>", "search[it]"),
        Step("It was written.", {"fresh": True, "board": ()}, "<verify>no</verify>", "no"),
        Step("verifier: no", talk),
    ]


def test_a_terse_prompt_is_the_episode_and_the_role() -> None:
    (message,) = (
        make_team("searcher_verifier_answerer", "act").prompts["searcher"].messages(steps())
    )
    assert message == {
        "role": "user",
        "content": "Who wrote it?\nsearch[it]\nIt was written.\nverifier: no\nsearcher:",
    }


def test_a_full_prompt_has_four_parts_and_no_earlier_reply() -> None:
    system, user = make_team("searcher_verifier_answerer").prompts["searcher"].messages(steps())
    assert "<search>your query</search>" in system["content"]
    parts = [
        "Who wrote it?",
        "search[it]\nIt was written.",
        "verifier: no",
        "You are the searcher.",
    ]
    assert [user["content"].index(part) for part in parts] == sorted(
        user["content"].index(part) for part in parts
    )
    assert "hm" not in user["content"]


@pytest.mark.parametrize(
    "name, role, actions",
    [
        ("searcher_verifier_answerer", "verifier", ["yes", "no"]),
        ("searcher_verifier_answerer", "searcher", ["search[a b]"]),
        ("searcher_verifier_answerer", "answerer", ["answer[a b]"]),
        ("solver_verifier", "solver", [CODE, TWO]),
        ("solver_verifier", "verifier", ["approve", "reject"]),
    ],
)
@pytest.mark.parametrize("style", ["full", "act"])
def test_parse_inverts_reply_for_every_role(
    name: str, role: str, actions: list[str], style: str
) -> None:
    prompt = make_team(name, style).prompts[role]
    for action in actions:
        read = prompt.parse(prompt.reply(action))
        assert (read.text, read.valid) == (action, True)
        if style == "full" and action not in (CODE, TWO):
            assert prompt.parse(prompt.reply(action, "I thought about it.")) == read


@pytest.mark.parametrize("style", ["full", "act"])
def test_replies_of_another_form_are_not_valid(style: str) -> None:
    three, two = (
        make_team("searcher_verifier_answerer", style).prompts,
        make_team("solver_verifier", style).prompts,
    )
    for prompt in (three["verifier"], three["searcher"], three["answerer"], two["verifier"]):
        assert not prompt.parse("something else").valid and not prompt.parse("").valid


def test_the_last_tag_counts_and_an_empty_one_does_not() -> None:
    prompt = make_team("searcher_verifier_answerer").prompts["searcher"]
    assert prompt.parse("<search>a</search> no: <search> b c </search>").text == "search[b c]"
    assert not prompt.parse("<search> </search>").valid
    assert (
        not make_team("solver_verifier").prompts["verifier"].parse("<verify>maybe</verify>").valid
    )


def test_a_solvers_reply_ends_with_its_first_block() -> None:
    solver, verifier = (
        make_team("solver_verifier").prompts["solver"],
        make_team("solver_verifier").prompts["verifier"],
    )
    assert isinstance(solver, SelfEnding) and not isinstance(verifier, SelfEnding)
    assert solver.ended(CODE) and not solver.ended("```python\nprint(")


def test_a_terse_solver_sees_code_without_fences() -> None:
    history = [
        Step("1 + 1?", {"fresh": True, "board": ()}, "print(1 + 1)", CODE),
        Step(
            "\nCode execution result: 2\n",
            {"fresh": True, "board": (), "env": {"output": "2", "tags": ["code"]}},
        ),
    ]
    (message,) = make_team("solver_verifier", "act").prompts["solver"].messages(history)
    assert message["content"] == "1 + 1?\nprint(1 + 1)\n2\nsolver:"
