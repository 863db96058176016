"""Open registries of names: prompts, engines, teams, recipes and trackers.

A name is looked up among the objects registered from Python, those that turnwise brings, and those
that installed packages announce in an entry-point group. A name of the form `module:attribute` is
imported.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from turnwise.errors import ConfigError, TurnwiseError, unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_ANY = inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)
named_packages: set[str] = set()
"""Top-level packages that were named by a user or announced by an entry point."""


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
            known = [n for n in getattr(found, "__dict__", {}) if not n.startswith("_")]
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
    if not _MODULE.fullmatch(module) or module.endswith(".py"):
        raise ConfigError(
            f"{wanted_by}: {module!r} is not the name of a module: write it as in an import "
            "statement, such as my_envs for the file my_envs.py"
        )
    named_packages.add(module.partition(".")[0])
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as problem:  # a user's module may fail in any way
        if isinstance(problem, ModuleNotFoundError) and problem.name:
            raise ConfigError(
                f"{wanted_by}: there is no module {problem.name!r} to import; check the spelling, "
                "install its package, or run in the directory of its file"
            ) from problem
        raise ConfigError(
            f"{wanted_by}: importing {module!r} failed with {describe(problem)}: repair it"
        ) from problem


def entry_points(*, group: str) -> Iterable[EntryPoint]:
    """Return what installed packages announce in a group."""
    # Imported here: with email and zipfile behind it, it takes a tenth of `import turnwise`.
    from importlib.metadata import entry_points as find

    return find(group=group)


def load_entry_point(point: EntryPoint, kind: str) -> Any:
    """Load what an installed package announces.

    Args:
        kind: what it is meant to be, for the error message.

    Raises:
        ConfigError: when loading it fails, naming the package.
    """
    named_packages.add(point.value.partition(":")[0].partition(".")[0].strip())
    try:
        return point.load()
    except (Exception, SystemExit) as problem:  # an installed package may fail in any way
        raise ConfigError(
            f"{kind} {point.name!r}, announced by {owner_of(point)} as {point.value!r}, cannot "
            f"be loaded ({describe(problem)}): repair or remove that package"
        ) from problem


def owner_of(point: EntryPoint) -> str:
    """Return the name of the package that announces an entry point."""
    return point.dist.name if point.dist is not None else "an installed package"


def describe(problem: BaseException) -> str:
    """Return the type and message of an exception in one line."""
    message = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {message}" if message else type(problem).__name__


def parameters_of(factory: Any, name: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a factory; any options where it does not say, as built-in types.

    Args:
        name: the beginning of the error message, such as `engine 'my_engine:make'`.

    Raises:
        ConfigError: for something that cannot be called.
    """
    if not callable(factory):
        raise ConfigError(
            f"{name} is a {type(factory).__name__}, which cannot be called: name a function or a "
            "class"
        )
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {"options": _ANY}


def call_factory(factory: Callable[..., Any], name: str, *given: Any, **options: Any) -> Any:
    """Call a factory. What turnwise's own raise is not changed.

    Args:
        name: as in `parameters_of`.

    Raises:
        ConfigError: when a factory of somebody else's fails, or does not take the arguments.
    """
    parameters_of(factory, name)
    inner = getattr(factory, "func", factory)  # that of a functools.partial
    if str(getattr(inner, "__module__", "")).partition(".")[0] == "turnwise":
        return factory(*given, **options)
    try:
        return factory(*given, **options)
    except TurnwiseError:
        raise
    except (Exception, SystemExit) as problem:  # a user's code may fail in any way
        passed = ", ".join([*(type(one).__name__ for one in given), *(f"{o}=…" for o in options)])
        raise ConfigError(
            f"{name} cannot be made: calling {getattr(inner, '__qualname__', inner)}({passed}) "
            f"failed with {describe(problem)}: repair it"
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
        if value is None and (points := self._announced().get(name)):
            if len({point.value for point in points}) > 1:
                owners = " and by ".join(map(owner_of, points))
                raise ConfigError(
                    f"{self.kind} {name!r} is announced by {owners}: remove one of these packages, "
                    f"or give an import path, such as {points[0].value}"
                )
            return load_entry_point(points[0], self.kind)
        if value is None and ":" in name:
            value = name
        if value is None:
            raise unknown(self.kind, name, self.names())
        return import_object(value, self.kind) if isinstance(value, str) else value

    def _announced(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            found.setdefault(point.name, []).append(point)
        return found
