"""The house rules that a machine can check: imports point downward, start-up is light, files and
functions stay small.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import house

PACKAGE = Path(__file__).resolve().parent.parent / "turnwise"
FILES = sorted(PACKAGE.rglob("*.py"))

ORDER = (
    {"errors"},
    {"records", "plugins"},
    {"sandbox", "retrieval"},
    {"envs", "algorithms"},
    {"agents"},
    {"evaluation"},
    {"training"},
    {"cli"},
    {"__main__"},
)
"""Layers from the bottom up; those that stand on one level do not import each other."""

ALLOWED = {
    part: set().union(*ORDER[:height]) for height, level in enumerate(ORDER) for part in level
}
"""What each part may import besides itself."""

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base_base"}
HEAVY = (
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "tensorboard",
    "spacy",
    "openai",
    "pandas",
)


def imports(source: str, module: str, is_package: bool = False) -> Iterator[str]:
    """Every module that `source` imports: at the top, inside functions, under TYPE_CHECKING,
    relative ones resolved.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                start = ".".join([*parts, *([start] if start else [])])
            yield start
            # `from turnwise import envs` names a layer too.
            yield from (f"{start}.{alias.name}" for alias in node.names)


def layer(module: str) -> str | None:
    """Return the layer of a module; None for other packages and for `turnwise` itself."""
    parts = module.split(".")
    return parts[1] if parts[0] == "turnwise" and len(parts) > 1 else None


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def faults(source: str, module: str, is_package: bool = False) -> list[str]:
    """The imports of a module that point upward or sideways."""
    here = layer(module)
    if here is None:
        return []
    found = []
    for name in imports(source, module, is_package):
        there = layer(name)
        if there in ALLOWED and there != here and there not in ALLOWED[here]:
            found.append(f"{module} imports {name}")
    return found


def test_the_checker_sees_every_form_of_import() -> None:
    source = """
import turnwise.envs.prompt
from turnwise import training
from ..agents import engine
def f():
    from turnwise.cli import main
if TYPE_CHECKING:
    from turnwise.evaluation.score import Score
from turnwise.records import Turn
"""
    found = faults(source, "turnwise.envs.shop")
    assert {fault.split()[-1].split(".")[1] for fault in found} == {
        "agents",
        "training",
        "cli",
        "evaluation",
    }
    assert (
        faults("from turnwise.algorithms.parts.strategy import Plan", "turnwise.agents.driver")
        == []
    )
    assert (
        faults("from turnwise.agents.driver import play", "turnwise.algorithms.papers.grpo") != []
    )
    assert faults("from ..envs import base", "turnwise.algorithms.grpo") != []
    assert faults("from .. import envs", "turnwise.algorithms", is_package=True) != []
    assert faults("from . import grpo, streams", "turnwise.algorithms", is_package=True) == []
    assert faults("from ...envs import base", "turnwise.algorithms.deep", is_package=True) != []


def test_every_part_has_a_place_in_the_order() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} - {
        "__init__"
    }
    assert parts <= set(ALLOWED), f"no layer is named for {sorted(parts - set(ALLOWED))}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_downward(path: Path) -> None:
    assert (
        faults(path.read_text(encoding="utf8"), module_of(path), path.name == "__init__.py") == []
    )


def test_names_say_what_is_inside() -> None:
    vague = [module_of(path) for path in FILES if {path.stem, *path.parent.parts[-1:]} & VAGUE]
    assert vague == []


def test_files_and_functions_are_small() -> None:
    long = []
    for path in FILES:
        source = path.read_text(encoding="utf8")
        if (lines := source.count("\n")) > 450:
            long.append(f"{module_of(path)} has {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > 70:
                    long.append(f"{module_of(path)}.{node.name} has {size} lines")
    assert long == []


@pytest.mark.parametrize(
    "module",
    [
        "turnwise",
        "turnwise.envs.webshop",
        "turnwise.envs.alfworld.env",
        "turnwise.algorithms",
        "turnwise.cli.app",
    ],
)
def test_import_is_light(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_house_rules() -> None:
    """No circles, no module named like an export, lines and files within their limits."""
    done = subprocess.run(
        [sys.executable, "scripts/house.py"], cwd=PACKAGE.parent, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    broken = []
    for line in done.stdout.splitlines():
        found = re.fullmatch(r"(\S.*\S) +(\d+) \(at most (\d+)\)", line)
        if found is not None and int(found[2]) > int(found[3]):
            broken.append(line)
    assert not broken, done.stdout


def test_circles_are_found() -> None:
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"}), "d": frozenset()}
    assert house.circles(graph) == [["a", "b", "c"]]
    assert house.circles({"a": frozenset({"b"}), "b": frozenset()}) == []
