"""Engines by name: the built-in ones, registered ones, entry points and import paths."""

from __future__ import annotations

import inspect
from typing import Any

from turnwise.agents.engines.base import Engine, EngineContext
from turnwise.errors import ConfigError, unknown
from turnwise.plugins import Registry

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
        ConfigError: for an unknown engine or option, or a factory that returns no engine.
        EngineError: where the engine cannot serve the model.
    """
    factory = ENGINES.find(name)
    parameters = inspect.signature(factory).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        known = list(parameters)[1:]
        for option in options:
            if option not in known:
                raise unknown("option", option, known, f"engine {name!r}")
    engine = factory(context, **options)
    if not isinstance(engine, Engine):
        members = sorted(Engine.__protocol_attrs__)  # type: ignore[attr-defined]
        lacking = [member for member in members if not hasattr(engine, member)]
        raise ConfigError(
            f"engine {name!r} made a {type(engine).__name__} without {', '.join(lacking)}: "
            "see turnwise.agents.engines.base.Engine"
        )
    return engine
