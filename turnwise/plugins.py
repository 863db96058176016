"""Names that anybody can add to: one registry for prompts, engines, teams, recipes and trackers.

A name is found, in this order, among what was registered from Python, what turnwise brings, what an
installed package announces in an entry-point group, and, when it reads `module:attribute`, by
importing it. What is ours goes the same way as somebody else's.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from turnwise.errors import ConfigError, unknown


def import_object(path: str, kind: str = "object") -> Any:
    """Import what `package.module:attribute` names.

    Args:
        kind: what it is meant to be, for the error message.

    Raises:
        ConfigError: when the module cannot be imported or lacks the attribute.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ConfigError(f"{kind} {path!r} is no import path: write package.module:name")
    found = import_module(module, f"{kind} {path!r}")
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in vars(found) if not n.startswith("_")]
            raise unknown("name", part, known, f"module {module!r} ({kind} {path!r})")
        found = getattr(found, part)
    return found


def import_module(module: str, wanted_by: str) -> Any:
    """Import a module that somebody named, and say in one sentence why it cannot be.

    Raises:
        ConfigError: when it is not there, or when importing it fails.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        raise ConfigError(
            f"{wanted_by}: there is no module {problem.name!r} to import; "
            "check the spelling, install its package, or run where its file lies"
        ) from problem
    except Exception as problem:  # somebody else's code may fail in any way while it is imported
        raise ConfigError(
            f"{wanted_by}: importing {module!r} failed with {type(problem).__name__}: {problem}"
        ) from problem


@dataclass(frozen=True, slots=True)
class Registry:
    """Objects by name.

    Args:
        kind: what is registered, as errors call it, such as `prompt`.
        group: the entry-point group in which installed packages announce theirs.
        built_in: name -> import path of what turnwise brings; imported when asked for.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]
    registered: dict[str, Any] = field(default_factory=dict)

    def register(self, name: str, value: Any) -> None:
        """Add an object, or its import path, under a name.

        Raises:
            ConfigError: when the name is taken by something else.
        """
        taken = self.registered.get(name, self.built_in.get(name))
        if taken is not None and taken != value:
            raise ConfigError(f"{self.kind} {name!r} is registered already: choose another name")
        self.registered[name] = value

    def names(self) -> list[str]:
        """Every known name, sorted; what can only be imported by path is not listed."""
        return sorted({*self.registered, *self.built_in, *self._announced()})

    def find(self, name: str) -> Any:
        """The object called `name`, or at the import path `module:attribute`.

        Raises:
            ConfigError: for an unknown name, naming the nearest; or when importing it fails.
        """
        value = self.registered.get(name, self.built_in.get(name))
        if value is None and name in (announced := self._announced()):
            return self._loaded(announced[name])
        if value is None and ":" in name:
            value = name
        if value is None:
            raise unknown(self.kind, name, self.names())
        return import_object(value, self.kind) if isinstance(value, str) else value

    def _announced(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _loaded(self, point: EntryPoint) -> Any:
        try:
            return point.load()
        except Exception as problem:  # an installed package may fail in any way
            owner = point.dist.name if point.dist is not None else "an installed package"
            raise ConfigError(
                f"{self.kind} {point.name!r}, announced by {owner} as {point.value!r}, cannot be "
                f"loaded ({type(problem).__name__}: {problem}): repair or remove that package"
            ) from problem
