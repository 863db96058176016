"""Registries of names that anybody can add to: prompts, engines, teams, recipes and trackers.

A name is looked up among the objects registered from Python, those that turnwise brings, and those
that installed packages announce in an entry-point group. A name of the form `module:attribute` is
imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from turnwise.errors import ConfigError, unknown


def import_object(path: str, kind: str = "object") -> Any:
    """Import the object at `package.module:attribute`.

    Args:
        kind: what it is meant to be, for the error message.

    Raises:
        ConfigError: when the module cannot be imported or has no such attribute.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ConfigError(f"{kind} {path!r} is not an import path: write package.module:name")
    found = import_module(module, f"{kind} {path!r}")
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in vars(found) if not n.startswith("_")]
            raise unknown("name", part, known, f"module {module!r} ({kind} {path!r})")
        found = getattr(found, part)
    return found


def import_module(module: str, wanted_by: str) -> Any:
    """Import a module that a user named.

    Args:
        wanted_by: the beginning of the error message, such as `environment 'my_envs:Guess'`.

    Raises:
        ConfigError: when it does not exist, or when importing it fails.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        raise ConfigError(
            f"{wanted_by}: there is no module {problem.name!r} to import; check the spelling, "
            "install its package, or run in the directory of its file"
        ) from problem
    except Exception as problem:  # a user's module may fail in any way
        raise ConfigError(
            f"{wanted_by}: importing {module!r} failed with {type(problem).__name__}: {problem}"
        ) from problem


def load_entry_point(point: EntryPoint, kind: str) -> Any:
    """Load what an installed package announces.

    Args:
        kind: what it is meant to be, for the error message.

    Raises:
        ConfigError: when loading it fails, naming the package.
    """
    try:
        return point.load()
    except Exception as problem:  # an installed package may fail in any way
        owner = point.dist.name if point.dist is not None else "an installed package"
        raise ConfigError(
            f"{kind} {point.name!r}, announced by {owner} as {point.value!r}, cannot be loaded "
            f"({type(problem).__name__}: {problem}): repair or remove that package"
        ) from problem


@dataclass(frozen=True, slots=True)
class Registry:
    """Objects by name.

    Args:
        kind: the word for what is registered in error messages, such as `prompt`.
        group: the entry-point group in which installed packages announce theirs.
        built_in: name -> import path of what turnwise brings, imported when it is looked up.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]
    registered: dict[str, Any] = field(default_factory=dict)

    def register(self, name: str, value: Any) -> None:
        """Add an object, or its import path, under a name.

        Raises:
            ConfigError: when something else has the name.
        """
        taken = self.registered.get(name, self.built_in.get(name))
        if taken is not None and taken != value:
            raise ConfigError(f"{self.kind} {name!r} is registered already: choose another name")
        self.registered[name] = value

    def names(self) -> list[str]:
        """Return every registered, built-in and announced name, sorted."""
        return sorted({*self.registered, *self.built_in, *self._announced()})

    def find(self, name: str) -> Any:
        """Return the object called `name`, or the one at the import path `module:attribute`.

        Raises:
            ConfigError: for an unknown name, naming the nearest; or when importing it fails.
        """
        value = self.registered.get(name, self.built_in.get(name))
        if value is None and name in (announced := self._announced()):
            return load_entry_point(announced[name], self.kind)
        if value is None and ":" in name:
            value = name
        if value is None:
            raise unknown(self.kind, name, self.names())
        return import_object(value, self.kind) if isinstance(value, str) else value

    def _announced(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}
