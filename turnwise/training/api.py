"""`turnwise.train`: run an experiment from a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turnwise.errors import ConfigError
from turnwise.evaluation.api import outside_loop
from turnwise.training.config import load_config, parse_config
from turnwise.training.packaged_configs import find_config


def train(config: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Path:
    """Train an agent, or continue a run that was interrupted; return its run folder.

        folder = turnwise.train("quickstart", ["train.steps=10", "run.name=short"])

        turnwise.train({
            "env": {"name": "my_envs:Guess"},
            "model": {"tiny": {}},
            "train": {"steps": 2},
        })

    The run folder holds `report.html`, the scores before and after, checkpoints and the model.

    Args:
        config: the name of a packaged config, the path of a TOML file, or its tables as a
            dictionary.
        overrides: `section.key=value`, as `turnwise train --set` takes them; not for a dictionary.

    Raises:
        ConfigError: for a config that is not there or does not fit, or without the packages that
            training needs.
        Interrupted: after Ctrl-C; the same call continues the run.
    """
    if isinstance(config, Mapping):
        if overrides:
            raise ConfigError("overrides apply to a config file: change the dictionary instead")
        parsed = parse_config(dict(config))
    else:
        parsed = load_config(find_config(config), overrides)
    check_libraries(quiet=not parsed.model.path)
    from turnwise.training.loop import train as run

    return outside_loop(lambda: run(parsed))


def check_libraries(quiet: bool) -> None:
    """Raise `ConfigError` where a package that training needs is missing.

    Args:
        quiet: disable the progress bars of transformers, which are for models of gigabytes.
    """
    try:
        import accelerate  # noqa: F401
        import torch  # noqa: F401
        import transformers
    except ImportError as problem:
        raise ConfigError(
            f"training needs {problem.name}: install it with pip install 'turnwise[train]'"
        ) from problem
    if quiet:
        transformers.utils.logging.disable_progress_bar()
