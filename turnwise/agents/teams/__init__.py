"""Teams of agents by name: the built-in ones, registered ones, entry points and import paths."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from turnwise.errors import ConfigError, unknown
from turnwise.plugins import Registry, call_factory, parameters_of

if TYPE_CHECKING:
    from turnwise.agents.teams.team import Team

TEAMS = Registry(
    "team",
    "turnwise.teams",
    {
        "searcher_verifier_answerer": "turnwise.agents.teams.searcher_verifier_answerer:make",
        "solver_verifier": "turnwise.agents.teams.solver_verifier:make",
    },
)
"""Factories `make(style, **options) -> Team`."""


def register_team(name: str, factory: Callable[..., Team]) -> None:
    """Make a team known by name; `factory(style, **options)` returns it.

    Raises:
        ConfigError: when the name is taken.
    """
    TEAMS.register(name, factory)


def team_names() -> list[str]:
    """Return the names of the known teams, sorted."""
    return TEAMS.names()


def make_team(name: str, style: str = "full", **options: Any) -> Team:
    """Make the team called `name`, or the one made by the factory at `module:factory`.

    Args:
        style: of its prompts; the built-in teams have `full`, and `act` for tiny models.
        options: keyword arguments of the factory.

    Raises:
        ConfigError: for an unknown team, style or option, or a factory that returns no team.
    """
    factory, described = TEAMS.find(name), f"team {name!r}"
    _check_options(name, parameters_of(factory, described), options)
    team = call_factory(factory, described, style, **options)
    from turnwise.agents.teams.team import Team

    if not isinstance(team, Team):
        raise ConfigError(
            f"team {name!r} made a {type(team).__name__}: its factory must return a "
            "turnwise.agents.teams.team.Team"
        )
    return team


def _check_options(name: str, parameters: Any, options: dict[str, Any]) -> None:
    """Check that a factory takes `options`, and whole numbers where its defaults are such."""
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    known = list(parameters)[1:]
    for option, value in options.items():
        if option not in known:
            raise unknown("option", option, known, f"team {name!r}")
        whole = type(parameters[option].default) is int
        if whole and (not isinstance(value, int) or isinstance(value, bool)):
            raise ConfigError(
                f"option {option!r} of team {name!r} is {value!r}: give a whole number"
            )
