"""Plays, and the teams that are known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from turnwise.errors import ConfigError, unknown

if TYPE_CHECKING:
    from turnwise.agents.teams.team import Team

STYLES = ("full", "act")


def _teams() -> dict[str, Callable[..., Team]]:
    from turnwise.agents.teams.searcher_verifier_answerer import searcher_verifier_answerer
    from turnwise.agents.teams.solver_verifier import solver_verifier

    return {made.__name__: made for made in (searcher_verifier_answerer, solver_verifier)}


def team_names() -> list[str]:
    """Names of the known teams, sorted."""
    return sorted(_teams())


def make_team(name: str, style: str = "full", **options: Any) -> Team:
    """The team of that name.

    Args:
        style: of its prompts: `full`, or `act` for tiny models.
        options: of its play.

    Raises:
        ConfigError: naming the nearest known team or option.
    """
    known = _teams()
    if name not in known:
        raise unknown("team", name, known)
    if style not in STYLES:
        raise unknown("style", style, STYLES, f"team {name!r}")
    allowed = {field.name for field in fields(known[name]().play)}  # type: ignore[arg-type]
    for option, value in options.items():
        if option not in allowed:
            raise unknown("option", option, allowed, f"team {name!r}")
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(
                f"option {option!r} of team {name!r} is {value!r}: give a whole number"
            )
    return known[name](style, **options)
