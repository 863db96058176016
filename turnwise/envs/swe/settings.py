"""What a repository's own settings say of its suite. Only one thing of them matters here: which
marked tests are usually left out.

Nobody reads these settings when tests run, since an agent could write them. But a project that runs
`-m "not stress"` has tests that take hours, need a network or fail now and then; a suite without
those is the one that its authors look at.
"""

from __future__ import annotations

import configparser
import contextlib
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

from turnwise.envs.swe.task import Tree

SECTIONS = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)


def marks(tree: Tree) -> str:
    """The expression of `-m` that the settings of pytest give, such as `not slow`; empty where they
    give none.
    """
    words = next(_options(tree), [])
    found = ""
    for number, word in enumerate(words):
        if word == "-m" and number + 1 < len(words):
            found = words[number + 1]
        elif word.startswith("-m") and word != "-m":
            found = word[2:].removeprefix("=")
    return found


def _options(tree: Tree) -> Iterator[list[str]]:
    """`addopts` of each file that has it, in pytest's order. Files that cannot be read say nothing."""
    broken = (ValueError, TypeError, AttributeError, configparser.Error)
    for path, section in (SECTIONS[0], SECTIONS[1], ("pyproject.toml", ""), *SECTIONS[2:]):
        text = tree.get(path, b"").decode("utf8", "replace")
        with contextlib.suppress(*broken):
            given = _pyproject(text) if not section else _section(text, section)
            if given is not None:
                yield given if isinstance(given, list) else shlex.split(given)


def _pyproject(text: str) -> str | list[str] | None:
    table: dict[str, Any] = tomllib.loads(text).get("tool", {}).get("pytest", {})
    for settings in (table, table.get("ini_options", {})):
        if isinstance(settings.get("addopts"), (str, list)):
            return settings["addopts"]
    return None


def _section(text: str, section: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser.get(section, "addopts", fallback=None)
