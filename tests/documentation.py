"""The code blocks of a markdown page, and what runs them.

A block runs as it is printed: Python in one namespace for the page, `console` lines (`$ turnwise
...`) in a shell, in an empty directory of the page's own. Lines of output under a console line must
be printed by it; `...` stands for anything. A `toml` block is read as what it is: a config, a
prompt, or entry points. `text`, `json` and `bibtex` are no code.

An HTML comment right above a block changes that:

    <!-- not run: needs a GPU -->        it is only checked, and its reason is reported
    <!-- file: my_envs.py -->            it is added to this file, which is then imported or read
    <!-- input: 1 50, 1 42 -->           lines typed into the command
    <!-- with: --set train.steps=1 -->   arguments that make a `turnwise train` shorter, so that
                                         the numbers it prints are not those of the page
    <!-- needs: textworld -->            it runs where this package is installed
    <!-- setup: groups = ... -->         Python that runs before it
"""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from turnwise.algorithms import recipe
from turnwise.cli.app import commands
from turnwise.envs.registry import env_spec, make_prompt
from turnwise.envs.template_prompt import load_prompt
from turnwise.training.config import Config, load_config, parse_config
from turnwise.training.packaged_configs import find_config

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
LANGUAGES = ("python", "console", "bash", "toml", "json", "text", "bibtex")
DIRECTIVES = ("not run", "file", "input", "with", "needs", "setup")
GROUPS = tuple(f"turnwise.{kind}" for kind in ("envs", "prompts", "engines", "teams", "algorithms",
                                               "trackers"))  # fmt: skip

_BLOCK = re.compile(
    r"(?P<above>(?:^<!-- [^\n]*? -->\n)*)^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_DIRECTIVE = re.compile(r"^<!-- ([a-z ]+): (.*?) -->$", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    directives: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order.

    Raises:
        AssertionError: for a fence that is not closed, or a comment with an unknown word.
    """
    source = (ROOT / page).read_text(encoding="utf8")
    blocks = []
    for found in _BLOCK.finditer(source):
        directives: dict[str, str] = {}
        for word, text in _DIRECTIVE.findall(found["above"]):
            directives[word] = f"{directives[word]}\n{text}" if word in directives else text
        assert directives.keys() <= set(DIRECTIVES), (page, directives)
        line = source.count("\n", 0, found.start("language")) + 1
        blocks.append(Block(page, line, found["language"], found["text"], directives))
    fences = len(re.findall(r"^ *```", source, re.M))
    assert 2 * len(blocks) == fences, f"{page} has a fence that is not read as a block"
    return blocks


@dataclass
class PageRun:
    """What a page's blocks share: a directory, a namespace, and all that commands have printed."""

    directory: Path
    module: ModuleType = field(default_factory=lambda: ModuleType("documented_page"))
    printed: str = ""

    def __post_init__(self) -> None:
        sys.modules[self.module.__name__] = self.module  # so that its classes can be pickled

    @property
    def names(self) -> dict[str, Any]:
        return vars(self.module)

    def run(self, block: Block) -> None:
        """Run one block. Raises whatever is wrong with it."""
        exec(block.directives.get("setup", ""), self.names)
        if "file" in block.directives:
            self._save(block)
        elif block.language == "python":
            exec(compile(block.text, block.where, "exec"), self.names)
        elif block.language in ("console", "bash"):
            for line, expected in command_lines(block):
                self._command(line, expected, block)
        elif block.language == "toml":
            check_toml(tomllib.loads(block.text))
        elif block.language == "json":
            json.loads(block.text)

    def _save(self, block: Block) -> None:
        file = self.directory / block.directives["file"]
        with file.open("a", encoding="utf8") as out:
            out.write(block.text)
        if file.suffix == ".py":
            sys.modules.pop(file.stem, None)
            importlib.invalidate_caches()
            saved = vars(importlib.import_module(file.stem))
            self.names.update({k: v for k, v in saved.items() if not k.startswith("__")})
        elif file.suffix == ".toml":
            read = tomllib.loads(file.read_text(encoding="utf8"))
            if "answers" in read:
                load_prompt(file, make_prompt)
            else:
                load_config(file)

    def _command(self, line: str, expected: list[str], block: Block) -> None:
        """Run a line in bash, where `turnwise` is this tree's, and compare what it prints."""
        turnwise = self.directory / ".bin" / "turnwise"
        if not turnwise.exists():
            turnwise.parent.mkdir()
            turnwise.write_text(f'#!/bin/sh\nexec {sys.executable} -m turnwise "$@"\n')
            turnwise.chmod(0o755)
            (turnwise.parent / "python").symlink_to(sys.executable)
        if "turnwise train" in line:
            line += " " + block.directives.get("with", "")
        typed = "".join(f"{part}\n" for part in block.directives.get("input", "").split(", "))
        path = f"{turnwise.parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.directory, input=typed, text=True, capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "COLUMNS": "100"},
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.where}: {line}\n{done.stdout}{done.stderr}"
        self.printed += done.stdout
        rows = [" ".join(row.split()) for row in done.stdout.splitlines()]
        for wanted in expected:
            pattern = re.escape(" ".join(wanted.split())).replace(re.escape("..."), ".*")
            if "with" in block.directives:
                pattern = re.sub(r"(\\[-+]|\+)?\d[\d,]*(\\\.\d+)?", r"[-+]?[\\d,.]+", pattern)
            hit = next((k for k, row in enumerate(rows) if re.fullmatch(pattern, row)), None)
            assert hit is not None, (
                f"{block.where}: {line} does not print {wanted!r}:\n{done.stdout}"
            )
            rows = rows[hit + 1 :]


def command_lines(block: Block) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, each with the lines that it should print."""
    text = block.text.replace("\\\n", " ")
    if block.language == "bash":
        return [(line, []) for line in text.splitlines() if line.strip()]
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif line.strip() not in ("", "..."):
            found[-1][1].append(line)
    return found


def check_toml(data: dict[str, Any]) -> None:
    """Check a table as a config, whole or in part, or as a package's entry points."""
    if "project" in data:
        for group, points in data["project"]["entry-points"].items():
            assert group in GROUPS, f"no entry-point group {group!r}"
            assert all(":" in target for target in points.values())
        return
    assert data.keys() <= Config.model_fields.keys(), f"no config has {data.keys()}"
    config = parse_config({"env": {"name": "webshop"}, "model": {"tiny": {}}, **data})
    if find_spec("torch") is not None:
        recipe(config.algorithm.name, **config.algorithm.options)


def check_unrun(block: Block) -> None:
    """Check what can be checked of a block that does not run: syntax, commands, options, names."""
    if block.language == "python":
        compile(block.text, block.where, "exec")
    elif block.language == "toml":
        check_toml(tomllib.loads(block.text))
    elif block.language in ("console", "bash"):
        for line, _ in command_lines(block):
            check_command(line)


def check_command(line: str) -> None:
    """Check the commands of a line as far as they are ours."""
    for part in re.split(r"&&|\|", line.split(" #")[0]):
        words = [word for word in shlex.split(part, comments=True) if word != ">"]
        if not words:
            continue
        if words[0] == "turnwise":
            check_turnwise(words[1:])
        elif words[0] == "make":
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf8"), line
        elif words[0] == "python" and words[1].startswith("benchmarks/"):
            assert (ROOT / words[1]).is_file(), f"there is no {words[1]}"
        elif words[:2] == ["pip", "install"]:
            known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))
            for extra in re.findall(r"turnwise\[([\w,-]+)\]", part):
                assert set(extra.split(",")) <= known["project"]["optional-dependencies"].keys()


def check_turnwise(words: list[str]) -> None:
    """Check that a command line of `turnwise` has only options and names that there are."""
    group: Any = get_command(commands)
    if not words:
        return
    while hasattr(group, "commands"):
        assert words[0] in group.commands, f"there is no command {words[0]!r}"
        group, words = group.commands[words[0]], words[1:]
    if "--help" in words:
        return
    given = group.make_context("turnwise", list(words), resilient_parsing=False).params
    if (name := given.get("environment")) and ":" not in name:
        env_spec(name)
    if (prompt := given.get("prompt")) and ":" not in prompt:
        make_prompt(prompt)
    if (config := given.get("config")) and not config.endswith(".toml"):
        find_config(config)


def skip_unless_installed(block: Block) -> None:
    """Skip the test where the package that the block needs is missing."""
    if "needs" in block.directives:
        pytest.importorskip(block.directives["needs"])
