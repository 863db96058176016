"""Measure the house rules: modules, circles, names, line lengths, and the road to the gradient.

    python scripts/house.py            # print every figure and every offender
    python scripts/house.py --road     # also train one step, and list the files on the way to it
    python scripts/house.py --check    # both; exit status 1 when a limit is broken

`tests/test_layers.py` reads the same functions, so that a figure printed here is a figure tested.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import statistics
import sys
import threading
import unittest.mock
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

TRAJECTORY_PARTS = {
    "Outcome", "Step", "Act", "Completion", "Turn", "Trajectory", "Group", "Row", "CreditBatch",
    "Batch", "Pack",
}  # fmt: skip
"""Names of the classes that carry a trajectory or a part of one."""
ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "turnwise"
NOT_OURS = ("pocketkit-1.0",)
"""Folders inside the package that are data: the toy repository that SWE tasks repair."""
MAX_LINE_CHARS = 100
MAX_FILE_LINES = 450
MAX_MEDIAN_LINES = 130
"""Of code: without blank lines, comments and docstrings, which are never too many."""
MAX_ROAD_FILES = 20
MAX_SHARED_CLASS_NAMES = 5
SHARED_CLASS_NAMES = {
    "SandboxPool": "idle sandboxes an environment keeps: interpreters there, repositories here",
    "_Attempt": "private to each module: an HTTP request, a branch of a search",
}
"""Class names that occur in more than one module, each with the reason."""


Graph = Mapping[str, frozenset[str]]


def sources(folder: Path = PACKAGE) -> dict[str, Path]:
    """Return module name -> file, for every module under `folder`."""
    files = (p for p in sorted(folder.rglob("*.py")) if not set(NOT_OURS) & set(p.parts))
    return {module_of(path, folder.parent): path for path in files}


def module_of(path: Path, root: Path = ROOT) -> str:
    """Return the dotted name of a file; a package's name for its `__init__.py`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[str, str | None]]:
    """Yield every (module, name) imported anywhere, deferred and type-only imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                start = ".".join([*parts, *([start] if start else [])])
            yield from ((start, alias.name) for alias in node.names)


def graph_of(files: Mapping[str, Path]) -> Graph:
    """Return module -> the modules of the package that it imports."""
    graph: dict[str, frozenset[str]] = {}
    for module, path in files.items():
        found = set()
        tree = ast.parse(path.read_text(encoding="utf8"))
        for start, name in imports(tree, module, path.name == "__init__.py"):
            target = f"{start}.{name}" if f"{start}.{name}" in files else start
            if target in files and target != module:
                found.add(target)
        graph[module] = frozenset(found)
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """Return the sets of modules that import each other (strongly connected components)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = lowest[module] = len(index)
        stack.append(module)
        for target in graph[module]:
            if target not in index:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], index[target])
        if lowest[module] == index[module]:
            part = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(part) > 1:
                found.append(sorted(part))

    for module in graph:
        if module not in index:
            visit(module)
    return found


def defined(tree: ast.Module) -> set[str]:
    """Return the top-level names that a module defines."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def name_clashes(files: Mapping[str, Path]) -> list[str]:
    """Return the modules that share their name with something they, or their package, export."""
    clashes = []
    for module, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf8"))
        names = defined(tree)
        if module.rpartition(".")[2] in names:
            clashes.append(f"{module} defines a name like its own")
        if path.name == "__init__.py":
            for node in tree.body:
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        if f"{node.module}.{alias.name}" not in files:
                            names.add(alias.asname or alias.name)
            clashes += [
                f"{module}.{n} is a module and a name"
                for n in sorted(names)
                if f"{module}.{n}" in files
            ]
    return clashes


def shared_class_names(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return the class names that occur in more than one module."""
    places: dict[str, list[str]] = defaultdict(list)
    for module, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def code_lines(path: Path) -> int:
    """Count the lines of a file that are neither blank nor comment nor docstring."""
    text = path.read_text(encoding="utf8")
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", [])
        for part in body if isinstance(body, list) else []:
            if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
                prose |= set(range(part.lineno, (part.end_lineno or part.lineno) + 1))
    lines = ((n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if n not in prose)
    return sum(bool(line) and not line.startswith("#") for _, line in lines)


def long_lines(folders: Sequence[Path]) -> list[str]:
    """Return `file:line` of every line of Python over the limit."""
    found = []
    for path in sorted(p for folder in folders for p in folder.rglob("*.py")):
        if set(NOT_OURS) & set(path.parts):
            continue
        for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
            if len(line) > MAX_LINE_CHARS:
                found.append(f"{path.relative_to(ROOT)}:{number}")
    return found


def figures(files: Mapping[str, Path]) -> list[tuple[str, int, int, list[str]]]:
    """Return (rule, figure, limit, offenders) for every rule; a figure may not exceed its limit."""
    lines = {m: path.read_text(encoding="utf8").count("\n") for m, path in files.items()}
    code = [code_lines(path) for path in files.values()]
    shared = shared_class_names(files)
    rings, clashes = circles(graph_of(files)), name_clashes(files)
    wide = long_lines(
        [ROOT / f for f in ("turnwise", "tests", "benchmarks", "scripts", "examples")]
    )
    reasons = [
        f"{name} ({', '.join(w)}): {SHARED_CLASS_NAMES.get(name)}" for name, w in shared.items()
    ]
    long_files = [f"{m} {n}" for m, n in lines.items() if n > MAX_FILE_LINES]
    return [
        ("median lines of code of a module", int(statistics.median(code)), MAX_MEDIAN_LINES, []),
        (f"modules over {MAX_FILE_LINES} lines", len(long_files), 0, long_files),
        ("circles of modules", len(rings), 0, [" ".join(ring) for ring in rings]),
        ("modules named like an export", len(clashes), 0, clashes),
        ("class names in several modules", len(shared), MAX_SHARED_CLASS_NAMES, reasons),
        (f"lines over {MAX_LINE_CHARS} characters", len(wide), 0, wide),
    ]


def road() -> list[str]:
    """Train one step on a tiny model, and return the files that a trajectory crosses from
    `env.step` to the gradient.

    A file is crossed when one of its functions, run between the first reset and the end of the
    update, has a part of a trajectory among its arguments or variables: an outcome, a step or act,
    a completion, a turn, trajectory or group, a training row, the credit plane's or the loss
    plane's batch, a pack. Left out: the environment's own folder and prompt, and what runs inside
    an engine behind its contract, which sees token ids only. Needs the extra `[train]`.
    """
    import tempfile

    from turnwise.training import learner, loop
    from turnwise.training.config import load_config

    crossed: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        path = frame.f_code.co_filename
        if event == "return" and path.startswith(str(PACKAGE)):
            name = path[len(str(PACKAGE)) + 1 :]
            if name not in crossed and any(map(carries, frame.f_locals.values())):
                crossed.add(name)

    def watch(on: bool) -> None:
        threading.setprofile(note if on else None)
        sys.setprofile(note if on else None)

    collect, update = loop.collect, learner.Learner.update

    def watched_collect(*given: Any, **named: Any) -> Any:
        watch(True)
        return collect(*given, **named)

    def watched_update(*given: Any, **named: Any) -> Any:
        try:
            return update(*given, **named)
        finally:
            watch(False)

    settings = [
        "run.seed=1", "warm_start.episodes=200", "train.steps=1", "env.options.shops=30",
        "model.tiny.texts=40", "model.tiny.layers=1", "rollout.tasks=4", "eval.tasks=2",
        "algorithm.options.invalid_penalty=0.5",
    ]  # fmt: skip
    quiet = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
        unittest.mock.patch.object(loop, "collect", watched_collect),
        unittest.mock.patch.object(learner.Learner, "update", watched_update),
    ):
        config = ROOT / "configs" / "quickstart.toml"
        loop.train(load_config(config, [f'run.directory="{folder}"', *settings]))
    aside = ("envs/webshop/", "envs/dialogue_prompts", "agents/engines/transformers/")
    return sorted(path for path in crossed if not path.startswith(aside))


def carries(value: object) -> bool:
    """Return whether a value is, or holds, a part of a trajectory."""
    if isinstance(value, list | tuple | deque) and value:
        value = value[0]
    elif isinstance(value, dict) and value:
        value = next(iter(value.values()))
    kind = type(value)
    return kind.__module__.startswith("turnwise.") and kind.__name__ in TRAJECTORY_PARTS


def main() -> int:
    """Print the figures; return 1 where `--check` is asked for and a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 when a limit is broken")
    parser.add_argument("--road", action="store_true", help="train one step and list its files")
    parser.add_argument("--under", default="", help="only modules whose name starts so")
    given = parser.parse_args()
    files = {m: p for m, p in sources().items() if m.startswith(given.under)}
    lengths = [path.read_text(encoding="utf8").count("\n") for path in files.values()]
    print(f"{'modules':40s} {len(files)}")
    median = int(statistics.median(lengths))
    met = "met" if median <= MAX_MEDIAN_LINES else "NOT met"
    print(f"{'median lines of a module':40s} {median} (aim: {MAX_MEDIAN_LINES}, {met})")
    broken = 0
    for what, figure, limit, offenders in figures(files):
        print(f"{what:40s} {figure} (at most {limit})")
        for offender in offenders:
            print(f"    {offender}")
        broken += figure > limit
    if given.road or given.check:
        files_crossed = road()
        what = "files from env.step to the gradient"
        print(f"{what:40s} {len(files_crossed)} (at most {MAX_ROAD_FILES})")
        for path in files_crossed:
            print(f"    {path}")
        broken += len(files_crossed) > MAX_ROAD_FILES
    return int(given.check and broken > 0)


if __name__ == "__main__":
    sys.exit(main())
