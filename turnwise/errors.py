"""Errors a user can act on: what went wrong, where, and what to do, in one sentence.

The command line prints a `TurnwiseError` as that sentence and exits with status 2; anything else is
a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TurnwiseError(Exception):
    """A mistake in what was asked or given. The message says what, where and what to do."""


class DataError(TurnwiseError):
    """A file is missing, truncated, of an unknown version or not what it claims to be."""


class ConfigError(TurnwiseError):
    """An unknown name or an impossible combination of settings."""


class TaskError(TurnwiseError, IndexError):
    """A task, split or goal that the environment does not have."""


class EngineError(TurnwiseError):
    """A model or an endpoint that cannot answer."""


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> ConfigError:
    """A `ConfigError` for an unknown `name`, naming the nearest known one and listing the others."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    place = f" in {where}" if where else ""
    return ConfigError(f"unknown {kind} {name!r}{place}: {hint}known: {', '.join(names) or 'none'}")
