"""Engines by name: the built-in ones, registered ones, entry points and import paths."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from turnwise.agents.engines.base import Capabilities, Engine, EngineContext
from turnwise.errors import ConfigError, unknown
from turnwise.plugins import Registry, call_factory, parameters_of

ENGINES = Registry(
    "engine",
    "turnwise.engines",
    {
        "transformers": "turnwise.agents.engines.transformers.engine:make",
        "openai": "turnwise.agents.engines.openai:make",
        "scripted": "turnwise.agents.engines.scripted:make",
    },
)
"""Factories `make(context: EngineContext, **options) -> Engine`."""


def make_engine(name: str, context: EngineContext, **options: Any) -> Engine:
    """Make the engine called `name`, or the one made by the factory at `module:factory`.

    Args:
        context: model, tokenizer and limits, see `EngineContext`.
        options: keyword arguments of the factory: the table `[engine.options]` of a config.

    Raises:
        ConfigError: for an unknown engine, an unknown or missing option, or a factory that returns
            no engine.
        EngineError: where the engine cannot serve the model.
    """
    factory, described = ENGINES.find(name), f"engine {name!r}"
    _check_options(name, parameters_of(factory, described), options)
    engine = call_factory(factory, described, context, **options)
    if not isinstance(engine, Engine):
        members = sorted(name for name in vars(Engine) if not name.startswith("_"))
        lacking = [member for member in members if not hasattr(engine, member)]
        raise ConfigError(
            f"engine {name!r} made a {type(engine).__name__} without {', '.join(lacking)}: "
            "see turnwise.agents.engines.base.Engine"
        )
    if not isinstance(engine.capabilities, Capabilities):
        raise ConfigError(
            f"the capabilities of engine {name!r} are a {type(engine.capabilities).__name__}: give "
            "a turnwise.agents.engines.base.Capabilities"
        )
    return engine


def _check_options(
    name: str, parameters: Mapping[str, inspect.Parameter], options: Mapping[str, Any]
) -> None:
    known = list(parameters.values())[1:]  # the first is the context
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known):
        names = [parameter.name for parameter in known]
        for option in options:
            if option not in names:
                raise unknown("option", option, names, f"engine {name!r}")
    for parameter in known:
        variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if parameter.default is parameter.empty and not variadic and parameter.name not in options:
            raise ConfigError(
                f"engine {name!r} needs the option {parameter.name!r}: set it in engine.options, "
                "or with --engine-arg"
            )
