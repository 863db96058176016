"""A team of three that searches until its findings suffice, then answers.

The search team of Dr. MAS (arXiv 2602.08847, section 5.2): each round begins with the verifier, who
passes the question to the searcher or to the answerer. It works with any environment whose actions
are `search[…]` and `answer[…]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from turnwise.agents.teams.orchestration import TeamMessage, TeamState, Transition
from turnwise.agents.teams.role_prompt import PlainForm, RolePrompt, TaggedForm
from turnwise.agents.teams.team import Team
from turnwise.errors import ConfigError

VERIFIER, SEARCHER, ANSWERER = "verifier", "searcher", "answerer"
ENOUGH, MORE = "yes", "no"
SEARCH, ANSWER = "search", "answer"
UNKNOWN = f"{ANSWER}[unknown]"

TEAM = "You are one of three who answer a question together from what a search engine finds: "
VERIFY = f"""\
{TEAM}the verifier. Decide whether what was found so far is enough to answer the question with \
certainty. Reason about what is known and what is missing, then end with <verify>{ENOUGH}</verify> \
if it is enough or <verify>{MORE}</verify> if it is not."""
SEEK = f"""\
{TEAM}the searcher. What was found is not enough yet. Reason about what is missing, then write one \
query for it, different from those made before: <search>your query</search>"""
REPLY = f"""\
{TEAM}the answerer. What was found is taken to be enough. Reason briefly from it, then give the \
answer in as few words as possible: <answer>your answer</answer>"""


@dataclass(frozen=True, slots=True)
class SearcherVerifierAnswerer:
    """The verifier acts first, then the searcher or the answerer, as it decides.

    A verdict that is neither `yes` nor `no` counts as `no`. A searcher or answerer whose message is
    not of its form ends the round without an action.

    Args:
        searches: searches after which the answerer must answer, without asking the verifier.
    """

    searches: int = 4
    name: ClassVar[str] = "searcher_verifier_answerer"
    roles: ClassVar[tuple[str, ...]] = (VERIFIER, SEARCHER, ANSWERER)

    def __post_init__(self) -> None:
        if self.searches < 1:
            raise ConfigError(f"searches={self.searches}: a searcher needs at least one")

    def agent(self, state: TeamState) -> str:
        if state.steps >= self.searches:
            return ANSWERER
        if not state.board:
            return VERIFIER
        return ANSWERER if state.board[-1].text == ENOUGH else SEARCHER

    def admissible(self, state: TeamState, offered: Sequence[str]) -> list[str]:
        role = self.agent(state)
        if role == VERIFIER:
            return [ENOUGH, MORE]
        kind = SEARCH if role == SEARCHER else ANSWER
        actions = [action for action in offered if action.startswith(f"{kind}[")]
        return actions or [f"{kind}[<text>]"]

    def receive(self, state: TeamState, message: str) -> Transition:
        role, text = self.agent(state), message.strip()
        if role == VERIFIER:
            verdict = text.lower()
            entry = TeamMessage(role, verdict if verdict == ENOUGH else MORE)
            return Transition((entry,), None, verdict in (ENOUGH, MORE))
        kind = SEARCH if role == SEARCHER else ANSWER
        fits = re.fullmatch(rf"{kind}\[.+\]", text, re.DOTALL) is not None
        return Transition((), text if fits else None, fits)

    def expert(self, state: TeamState, action: str, instruction: str) -> str:
        """Return the environment expert's action, as far as the role may take it.

        A searcher who is asked though nothing is missing searches for the question itself; an
        answerer who is asked too early answers `unknown`.
        """
        role, searching = self.agent(state), action.startswith(f"{SEARCH}[")
        if role == VERIFIER:
            return MORE if searching else ENOUGH
        if role == SEARCHER:
            return action if searching else f"{SEARCH}[{instruction}]"
        return UNKNOWN if searching else action


def make(style: str = "full", searches: int = 4) -> Team:
    """Make the team.

    Args:
        style: of the prompts: `full`, or `act` for tiny models.
        searches: see `SearcherVerifierAnswerer`.
    """
    orchestration = SearcherVerifierAnswerer(searches)
    name = f"{orchestration.name}/{style}@1"
    search, answer = rf"{SEARCH}\[.+\]", rf"{ANSWER}\[.+\]"
    act = (
        RolePrompt(name, VERIFIER, "", PlainForm(f"{ENOUGH}|{MORE}"), terse=True),
        RolePrompt(name, SEARCHER, "", PlainForm(search), terse=True),
        RolePrompt(name, ANSWERER, "", PlainForm(answer), terse=True),
    )
    full = (
        RolePrompt(name, VERIFIER, VERIFY, TaggedForm("verify")),
        RolePrompt(name, SEARCHER, SEEK, TaggedForm("search", SEARCH)),
        RolePrompt(name, ANSWERER, REPLY, TaggedForm("answer", ANSWER)),
    )
    return Team.with_style(orchestration, {"full": full, "act": act}, style)
