"""Errors that a user can act on.

Each message says in one sentence what went wrong, where, and what to do. The command line prints a
`TurnwiseError` as that sentence and exits with status 2; any other exception is a bug and keeps its
traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TurnwiseError(Exception):
    """Base class: a mistake in the input or the configuration."""


class DataError(TurnwiseError):
    """A file is missing, truncated, of an unknown version or in another format."""


class ConfigError(TurnwiseError):
    """An unknown name or an impossible combination of settings."""


class TaskError(TurnwiseError, IndexError):
    """A task, split or goal does not exist in the environment."""


class EngineError(TurnwiseError):
    """A model or an endpoint cannot answer."""


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> ConfigError:
    """Return a `ConfigError` for an unknown name, which suggests the nearest and lists all known.

    Args:
        kind: what is named, such as `environment`.
        where: where the name was given, such as a file.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    location = f" in {where}" if where else ""
    listing = ", ".join(names) or "none"
    return ConfigError(f"unknown {kind} {name!r}{location}: {hint}known: {listing}")
