"""Environments and prompts by name: built-in, registered, and of installed packages.

The name of an environment may be a short name (`webshop`), an id (`turnwise/WebShop-v0`), an id
that `gymnasium.registry` knows, or an import path (`my_envs:Guess`). Installed packages announce
theirs in the entry-point group `turnwise.envs`. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import gymnasium

from turnwise.envs.base import TurnEnv
from turnwise.envs.prompt import Prompt
from turnwise.envs.specs import BUILT_IN, WRAPPER, EnvFactory, EnvSpec, require_turn_env
from turnwise.errors import ConfigError, unknown
from turnwise.plugins import (
    Registry,
    call_factory,
    entry_points,
    import_module,
    import_object,
    load_entry_point,
    owner_of,
    parameters_of,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "EnvFactory", "EnvSpec", "env_spec", "env_specs", "make", "make_prompt", "prompt_names",
    "register", "register_built_in", "register_prompt", "unloadable",
]  # fmt: skip

ENV_GROUP = "turnwise.envs"

_specs: dict[str, EnvSpec] = {}
_unloadable: dict[str, ConfigError] = {}
"""Entry points that failed to load, by name."""
_unloadable_prompts: dict[str, ConfigError] = {}
"""Prompt modules of other packages' environments that failed to load, by module."""
_loaded: set[EntryPoint] = set()


# Environments
# -----------------------------------------------------------------------------------------------


def register(spec: EnvSpec) -> None:
    """Make an environment known by its id and short name, here and to `gymnasium.make`.

        register(EnvSpec("me/Guess-v0", "my_envs:Guess", max_turns=7))

    Registering an equal spec again changes nothing.

    Raises:
        ConfigError: for an id or short name that something else has, or an id that Gymnasium
            does not accept.
    """
    if _specs.get(spec.id) == spec:
        return
    for other in _specs.values():
        if other.id == spec.id:
            raise ConfigError(
                f"environment {spec.id!r} is registered already, as {other.entry_point!r}: choose "
                "another id, or raise its version"
            )
        if other.name == spec.name:
            raise ConfigError(
                f"the short name {spec.name!r} of environment {spec.id!r} belongs to {other.id!r} "
                "already: give the EnvSpec another name"
            )
    known = gymnasium.registry.get(spec.id)
    if known is None:
        try:
            gymnasium.register(spec.id, spec.entry_point, max_episode_steps=spec.max_turns)
        except gymnasium.error.Error as problem:
            raise ConfigError(
                f"{spec.id!r} cannot be the id of an environment: write namespace/Name-v0 "
                f"({problem})"
            ) from problem
    elif known.entry_point != spec.entry_point:
        raise ConfigError(
            f"environment {spec.id!r} is registered with Gymnasium already, as "
            f"{known.entry_point!r}: choose another id, or raise its version"
        )
    _specs[spec.id] = spec


def register_built_in() -> None:
    """Register the environments that turnwise brings."""
    for spec in BUILT_IN:
        register(spec)


def env_specs() -> tuple[EnvSpec, ...]:
    """Return every registered and announced environment, sorted by short name.

    An entry point that cannot be loaded is left out; `unloadable` has the reason.
    """
    register_built_in()
    _load_entry_points()
    return tuple(sorted(_specs.values(), key=lambda spec: spec.name))


def unloadable() -> Mapping[str, ConfigError]:
    """Return why announced environments, or their prompts, could not be loaded, by name."""
    _load_entry_points()
    _register_module_prompts()
    return {**_unloadable, **_unloadable_prompts}


def env_spec(env: str | EnvSpec | EnvFactory) -> EnvSpec:
    """Return the spec of an environment.

    Args:
        env: a short name, an id, an import path, a `TurnEnv` class or a function that makes one.

    Raises:
        ConfigError: for an unknown name, naming the nearest; an import path that does not exist;
            a class that is no `TurnEnv`; an entry point that cannot be loaded.
    """
    if isinstance(env, EnvSpec):
        return env
    if not isinstance(env, str):
        return _spec_of(_path_of(env), env)
    register_built_in()
    if (found := _registered(env)) is not None:
        return found
    _load_entry_points(env)
    if (found := _registered(env)) is not None:
        return found
    if env in gymnasium.registry:
        return _spec_from_gymnasium(env)
    if ":" in env:
        module, _, name = env.partition(":")
        if "/" not in name and not re.search(r"-v\d+$", name):
            return _spec_of(env, import_object(env, "environment"))
        import_module(module, f"environment {env!r}")  # as Gymnasium reads `module:id`
        return env_spec(name)
    _load_entry_points()
    if (found := _registered(env)) is not None:
        return found
    known = [spec.id if "/" in env else spec.name for spec in env_specs()]
    problem = unknown("environment", env, known)
    failures = "".join(f"; {reason}" for reason in _unloadable.values())
    raise ConfigError(f"{problem}{failures}")


def make(env: str | EnvSpec | EnvFactory, **options: Any) -> TurnEnv[Any]:
    """Make an environment without Gymnasium's wrappers.

    It has no turn limit: the caller stops after `env_spec(env).max_turns` turns.

        env = make("webshop", products=100)
        observation, info = env.reset(seed=0)

    Args:
        env: what `env_spec` takes.
        options: keywords of the environment's class or factory.

    Raises:
        ConfigError: what `env_spec` raises; an unknown option or one of another type.
    """
    spec = env_spec(env)
    factory, name = _factory(spec), f"environment {spec.name!r}"
    _check_options(spec, parameters_of(factory, name), options)
    return require_turn_env(call_factory(factory, name, **options), spec.name)


def env_settings(env: str | EnvSpec | EnvFactory) -> dict[str, Any]:
    """Return the settings that `make` takes for an environment, with their defaults."""
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(_factory(env_spec(env))).parameters.values()
        if parameter.default is not parameter.empty and parameter.name != "render_mode"
    }


def _registered(name: str) -> EnvSpec | None:
    if name in _specs:
        return _specs[name]
    return next((spec for spec in _specs.values() if spec.name == name), None)


def _factory(spec: EnvSpec) -> EnvFactory:
    if not isinstance(spec.entry_point, str):
        return spec.entry_point
    factory = import_object(spec.entry_point, f"environment {spec.name!r},")
    return cast(EnvFactory, _check_factory(factory, spec.entry_point))


def _check_factory(factory: Any, path: str) -> Any:
    if inspect.isclass(factory) and not issubclass(factory, TurnEnv):
        raise ConfigError(
            f"environment {path!r} is a class {factory.__name__} that is not a TurnEnv: derive it "
            f"from turnwise.TurnEnv, or name a function that returns {WRAPPER}({factory.__name__})"
        )
    if not callable(factory):
        raise ConfigError(
            f"environment {path!r} is a {type(factory).__name__}: name a TurnEnv class, or a "
            "function that returns an instance of one"
        )
    return factory


def _spec_of(path: str, factory: Any) -> EnvSpec:
    """Return the spec of a class, or of what a factory makes, with the defaults it states."""
    if isinstance(factory, EnvSpec):
        return factory
    _check_factory(factory, path)
    stated: Any = factory
    if not inspect.isclass(factory):
        name = f"environment {path!r}"
        # A factory without required options is called once, for what its environment states.
        stated = TurnEnv
        if not _required(parameters_of(factory, name)):
            stated = require_turn_env(call_factory(factory, name), path)
    return EnvSpec(
        path, factory, stated.max_turns, stated.default_prompt, stated.eval_split,
        summary=(inspect.getdoc(factory) or "").partition("\n")[0], name=path,
    )  # fmt: skip


def _path_of(factory: Any) -> str:
    """Return the import path of a class or function, or of what a partial calls."""
    inner = getattr(factory, "func", factory)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', type(inner).__module__)}:{name}"


def _required(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = (p for p in parameters.values() if p.kind not in variadic)
    return [p.name for p in named if p.default is p.empty]


def _spec_from_gymnasium(name: str) -> EnvSpec:
    found = gymnasium.registry[name]
    entry = found.entry_point
    if entry is None:
        raise ConfigError(f"environment {name!r} of Gymnasium has no entry point to make it from")
    kind = f"environment {name!r}, registered with Gymnasium as"
    factory: Any = import_object(entry, kind) if isinstance(entry, str) else entry
    if found.kwargs:
        _check_factory(factory, name)
        stated: Any = factory if inspect.isclass(factory) else TurnEnv
        factory = functools.partial(factory, **found.kwargs)
        spec = EnvSpec(
            name, factory, stated.max_turns, stated.default_prompt, stated.eval_split, name=name
        )
    else:
        spec = _spec_of(name, factory)
    limit = found.max_episode_steps or spec.max_turns
    return EnvSpec(name, factory, limit, spec.prompt, spec.eval_split, spec.summary, name=name)


def _check_options(
    spec: EnvSpec, known: Mapping[str, inspect.Parameter], options: Mapping[str, Any]
) -> None:
    """Refuse options that are missing, of another name, or of another type than their default."""
    for name in _required(known):
        if name not in options:
            raise ConfigError(
                f"environment {spec.name!r} needs the setting {name!r}: give it, as in "
                f"-e {name}=VALUE or the options of [env]"
            )
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    for name, value in options.items():
        if name not in known and not takes_any:
            raise unknown(
                "setting", name, set(known) - {"render_mode"}, f"environment {spec.name!r}"
            )
        kind = type(known[name].default) if name in known else type(None)
        wanted = (int, float) if kind is float else kind
        if kind in (bool, int, float) and not isinstance(value, wanted):
            raise ConfigError(
                f"setting {name!r} of environment {spec.name!r} is {value!r}: give a value of "
                f"type {kind.__name__}"
            )


# Entry points
# -----------------------------------------------------------------------------------------------


def _load_entry_points(name: str | None = None) -> None:
    """Register what installed packages announce: the entry point called `name`, or all of them.

    Raises:
        ConfigError: when the one called `name` cannot be loaded; the failures of others are kept.
    """
    for point in entry_points(group=ENV_GROUP):
        if name is not None and point.name != name:
            continue
        if point in _loaded:
            if name is not None and name in _unloadable:
                raise _unloadable[name]
            continue
        _loaded.add(point)
        try:
            _register_announced(point, load_entry_point(point, "environment"))
        except ConfigError as problem:
            _unloadable[point.name] = problem
            if name is not None:
                raise


def _register_announced(point: EntryPoint, found: Any) -> None:
    try:
        _register_found(point, found)
    except ConfigError as problem:
        raise ConfigError(
            f"entry point {point.name!r} of {owner_of(point)}: {problem}"
        ) from problem


def _register_found(point: EntryPoint, found: Any) -> None:
    if inspect.isclass(found):
        spec = _spec_of(point.value, found)
        register(
            EnvSpec(
                point.name, point.value, spec.max_turns, spec.prompt, spec.eval_split, spec.summary
            )
        )
        return
    name = f"environment {point.name!r}, announced as {point.value!r},"
    made = call_factory(found, name) if callable(found) else found
    for spec in made if isinstance(made, Iterable) else [made]:
        if isinstance(spec, EnvSpec):
            register(spec)
        elif isinstance(spec, TurnEnv) and callable(found):
            summary = (inspect.getdoc(found) or "").partition("\n")[0]
            stated = (spec.max_turns, spec.default_prompt, spec.eval_split)
            register(EnvSpec(point.name, point.value, *stated, summary))
        elif spec is not None:
            raise ConfigError(
                f"environment {point.name!r}, announced as {point.value!r}, is a "
                f"{type(spec).__name__}: announce an EnvSpec, a TurnEnv class, or a function that "
                "registers or makes one"
            )


# Prompts
# -----------------------------------------------------------------------------------------------

PROMPTS = Registry("prompt", "turnwise.prompts", {})
GENERIC_PROMPTS = "turnwise.envs.dialogue_prompts"


def register_prompt(name: str, factory: Callable[[], Prompt]) -> None:
    """Make a prompt known by name. Raises `ConfigError` when something else has the name."""
    PROMPTS.register(name, factory)


def make_prompt(name: str) -> Prompt:
    """Make a prompt.

    Args:
        name: a known name such as `webshop/react@1`, an import path `module:factory`, or
            `file:my_prompt.toml` (see `turnwise.envs.template_prompt`).

    Raises:
        ConfigError: for an unknown name, naming the nearest; an import path that does not exist;
            an object that is no prompt; a file that does not describe one.
    """
    if name.startswith("file:"):
        from turnwise.envs.template_prompt import load_prompt

        return load_prompt(name.removeprefix("file:"), make_prompt)
    _register_module_prompts()
    try:
        found = PROMPTS.find(name)
    except ConfigError as problem:
        if not _unloadable_prompts:
            raise
        failures = "; ".join(map(str, _unloadable_prompts.values()))
        raise ConfigError(f"{problem}; {failures}") from problem
    prompt = call_factory(found, f"prompt {name!r}") if callable(found) else found
    if not isinstance(prompt, Prompt):
        lacking = [m for m in ("name", "messages", "parse", "reply") if not hasattr(prompt, m)]
        raise ConfigError(
            f"prompt {name!r} is a {type(prompt).__name__} without {', '.join(lacking)}: see "
            "turnwise.envs.prompt.Prompt"
        )
    return prompt


def prompt_names() -> list[str]:
    """Return the names of the known prompts, sorted."""
    _register_module_prompts()
    return PROMPTS.names()


def _register_module_prompts() -> None:
    """Register the `PROMPTS` of the modules that environments name."""
    register_built_in()
    modules = [(GENERIC_PROMPTS, "turnwise")]
    modules += [(module, spec.id) for spec in _specs.values() for module in spec.prompt_modules]
    for module, owner in modules:
        wanted_by = f"prompt module {module!r} of {owner!r}"
        try:
            known = sys.modules.get(module) or import_module(module, wanted_by)
            if not isinstance(getattr(known, "PROMPTS", None), Mapping):
                raise ConfigError(f"{wanted_by} has no dictionary PROMPTS: add it")
        except ConfigError as problem:
            if owner.startswith("turnwise"):
                raise
            _unloadable_prompts[module] = problem  # it hides nobody else's
            continue
        for name, factory in known.PROMPTS.items():
            PROMPTS.registered.setdefault(name, factory)
