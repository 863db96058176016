"""A verifier, a searcher and an answerer: search until what was found is enough, then answer.

The search team of Dr. MAS (arXiv 2602.08847, section 5.2): a round begins with the verifier, who
sends the question on to the searcher or to the answerer. It plays with any environment whose
actions are `search[…]` and `answer[…]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from turnwise.agents.teams.orchestration import Move, Said, Table
from turnwise.agents.teams.role_prompt import Plain, RolePrompt, Tagged
from turnwise.agents.teams.team import Team
from turnwise.envs.prompt import Prompt
from turnwise.errors import ConfigError

VERIFIER, SEARCHER, ANSWERER = "verifier", "searcher", "answerer"
ENOUGH, MORE = "yes", "no"
SEARCH, ANSWER = "search", "answer"
UNKNOWN = f"{ANSWER}[unknown]"

TEAM = "You are one of three who answer a question together from what a search engine finds: "
VERIFY = f"""\
{TEAM}the verifier. Decide whether what was found so far is enough to answer the question with certainty. Reason about what is \
known and what is missing, then end with <verify>{ENOUGH}</verify> if it is enough or <verify>{MORE}</verify> if it is not."""
SEEK = f"""\
{TEAM}the searcher. What was found is not enough yet. Reason about what is missing, then write one query for it, different from \
those made before: <search>your query</search>"""
REPLY = f"""\
{TEAM}the answerer. What was found is taken to be enough. Reason briefly from it, then give the answer in as few words as \
possible: <answer>your answer</answer>"""


@dataclass(frozen=True, slots=True)
class SearcherVerifierAnswerer:
    """Who acts: the verifier, then the searcher or the answerer as it says.

    A verdict that is neither `yes` nor `no` asks for more; a searcher or answerer who says
    something else than they may ends the round without an action.

    Args:
        searches: searches after which the answerer must answer, without asking the verifier.
    """

    searches: int = 4
    name: ClassVar[str] = "searcher_verifier_answerer"
    roles: ClassVar[tuple[str, ...]] = (VERIFIER, SEARCHER, ANSWERER)

    def __post_init__(self) -> None:
        if self.searches < 1:
            raise ConfigError(f"searches={self.searches}: a searcher needs at least one")

    def agent(self, table: Table) -> str:
        if table.acts >= self.searches:
            return ANSWERER
        if not table.board:
            return VERIFIER
        return ANSWERER if table.board[-1].text == ENOUGH else SEARCHER

    def admissible(self, table: Table, offered: Sequence[str]) -> list[str]:
        who = self.agent(table)
        if who == VERIFIER:
            return [ENOUGH, MORE]
        kind = SEARCH if who == SEARCHER else ANSWER
        return [action for action in offered if action.startswith(f"{kind}[")] or [
            f"{kind}[<text>]"
        ]

    def hear(self, table: Table, said: str) -> Move:
        who, text = self.agent(table), said.strip()
        if who == VERIFIER:
            verdict = text.lower()
            return Move(
                (Said(who, verdict if verdict == ENOUGH else MORE),),
                None,
                verdict in (ENOUGH, MORE),
            )
        kind = SEARCH if who == SEARCHER else ANSWER
        fits = re.fullmatch(rf"{kind}\[.+\]", text, re.DOTALL) is not None
        return Move((), text if fits else None, fits)

    def expert(self, table: Table, action: str, instruction: str) -> str:
        """The environment's expert, as far as the role may do what it does.

        A searcher who is sent out though nothing is missing looks for the question itself; an
        answerer who is asked too early says that the answer is unknown.
        """
        who, searching = self.agent(table), action.startswith(f"{SEARCH}[")
        if who == VERIFIER:
            return MORE if searching else ENOUGH
        if who == SEARCHER:
            return action if searching else f"{SEARCH}[{instruction}]"
        return UNKNOWN if searching else action


def searcher_verifier_answerer(style: str = "full", **options: Any) -> Team:
    """The team; `style` is `full` or, for tiny models, `act`. Options: `searches`."""
    play = SearcherVerifierAnswerer(**options)
    name = f"{play.name}/{style}@1"
    prompts: dict[str, Prompt]
    if style == "act":
        prompts = {
            VERIFIER: RolePrompt(name, VERIFIER, "", Plain(f"{ENOUGH}|{MORE}"), terse=True),
            SEARCHER: RolePrompt(name, SEARCHER, "", Plain(rf"{SEARCH}\[.+\]"), terse=True),
            ANSWERER: RolePrompt(name, ANSWERER, "", Plain(rf"{ANSWER}\[.+\]"), terse=True),
        }
    else:
        prompts = {
            VERIFIER: RolePrompt(name, VERIFIER, VERIFY, Tagged("verify")),
            SEARCHER: RolePrompt(name, SEARCHER, SEEK, Tagged("search", SEARCH)),
            ANSWERER: RolePrompt(name, ANSWERER, REPLY, Tagged("answer", ANSWER)),
        }
    return Team(play, prompts, name)
