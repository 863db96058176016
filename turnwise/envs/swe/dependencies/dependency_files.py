"""What a repository says it needs to run, and what its tests need, read from its files: nothing of
it is run for that.

There are many places where a Python project says so. What runs is in its metadata; what the tests
need may be an extra, a group, a file of requirements or a setting of a test runner, and stands
among linters, document builders and the like. So of the latter only what the tests import is taken,
and plugins of pytest.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import Any

from turnwise.envs.swe.syntax import parse
from turnwise.envs.swe.tasks.task import Tree

EXTRA = re.compile(
    r"(all[-_.])?(unit[-_.]?)?(tests?|testing|dev|develop|development|ci)([-_.](base|all|deps|requirements))?",
    re.I,
)
"""Names of extras, groups and environments that hold what tests need."""
FILE = re.compile(
    r"(^|/)(requirements?|reqs)?[-_./]?(tests?|testing|dev|ci)[-_./]?(requirements?|reqs)?\.(txt|in)$",
    re.I,
)
TOOLS = re.compile(
    r"pytest|pluggy|iniconfig|packaging|pygments|pip|setuptools|wheel|build|tox|nox|twine|virtualenv|coverage|codecov|coveralls|"
    r"black|isort|ruff|pylint|pyright|mypy|bandit|safety|towncrier|pre-commit|codespell|docutils|furo|check-manifest|"
    r"pytest-(cov|xdist|randomly|random-order|sugar|flake8|black|mypy[-_.a-z]*|ruff|isort|pylint|codspeed|timeout|rerunfailures|html|"
    r"clarity|pretty|pycodestyle|pydocstyle|pep8|flakes|codestyle|lint|instafail|travis-fold|github-actions-annotate-failures|checkdocs|enabler|perf|repeat|memray|ordering)|"
    r"(tox|flake8|sphinx|mkdocs|types|bump2?version|hatch|poetry|readme|jupyter|ipython|mypy|zest|jaraco-packaging|rst)([-_.].*)?",
    re.I,
)
"""Of no use to the tests, or in their way: they change the order of tests, or measure them."""
MODULE_NAMES = {
    "pyyaml": "yaml", "beautifulsoup4": "bs4", "pillow": "PIL", "scikit-learn": "sklearn",
    "python-dateutil": "dateutil", "msgpack-python": "msgpack", "pycryptodome": "Crypto",
    "opencv-python": "cv2", "pyjwt": "jwt", "attrs": "attr", "protobuf": "google",
    "pyzmq": "zmq", "gitpython": "git", "ruamel-yaml": "ruamel", "pyopenssl": "OpenSSL",
    "backports-zoneinfo": "backports", "importlib-resources": "importlib_resources",
    "python-slugify": "slugify",
}  # fmt: skip
"""Distributions whose module has another name."""
CONDITIONAL = re.compile(r"TYPE_CHECKING|version_info|implementation|platform")


@dataclass(frozen=True, slots=True)
class DependencyDeclarations:
    """Requirements as they are written, such as `attrs>=22; python_version < "3.12"`."""

    runtime: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    """Of extras, groups and files that are there for tests."""
    others: tuple[str, ...] = ()
    """Of all other extras and groups."""


def entry_points(tree: Tree) -> bytes:
    """What `pyproject.toml` says of entry points, in the words of an installed package; empty where
    it says nothing.
    """
    try:
        project = tomllib.loads(tree.get("pyproject.toml", b"").decode("utf8", "replace")).get(
            "project", {}
        )
        groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
        parts = [
            f"[{name}]\n" + "".join(f"{key} = {at}\n" for key, at in group.items())
            for name, group in groups.items()
            if group
        ]
    except (ValueError, TypeError, AttributeError):
        return b""
    return "\n".join(parts).encode()


def normalised_name(name: str) -> str:
    """A distribution's name as an index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution_name(requirement: str) -> str:
    """The plain name of what a requirement asks for; empty where it begins with none."""
    found = re.match(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", requirement)
    return normalised_name(found[1]) if found else ""


def read_declarations(tree: Tree) -> DependencyDeclarations:
    """What the files of a source distribution or a repository say, egg-info included where it is
    there.

    Every requirement is told once, as the first place says it. Files that cannot be read say
    nothing.
    """
    runtime: list[str] = []
    tests: list[str] = []
    others: list[str] = []
    for pattern, reader in READERS.items():
        for path in sorted(path for path in tree if pattern.search(path)):
            with contextlib.suppress(
                ValueError, TypeError, KeyError, AttributeError, SyntaxError, configparser.Error
            ):
                for kind, requirement in reader(tree[path].decode("utf8", "replace")):
                    (runtime if kind == "" else tests if EXTRA.fullmatch(kind) else others).append(
                        requirement.strip()
                    )
    return DependencyDeclarations(_once(runtime), _once(tests), _once(others))


def needed_by_tests(
    tree: Tree,
    told: DependencyDeclarations,
    own: Iterable[str],
    tests: Iterable[str],
    code: Iterable[str],
) -> tuple[str, ...]:
    """Of what the tests may need, what they do: what they or the package import in any case, and
    plugins of pytest.

    Args:
        own: names of the repository's own modules.
        tests: paths of the files that hold its tests.
        code: paths of the package's own files.
    """
    given = {name.lower() for name in (*own, *sys.stdlib_module_names, "pytest", "_pytest")}
    first = _imports(tree, tests, deep=False) - given
    needed = first | (_imports(tree, tests, deep=True) | _imports(tree, code, deep=False)) - given
    runtime = {distribution_name(requirement) for requirement in told.runtime}
    useful = [
        one
        for one in told.tests
        if distribution_name(one) not in runtime and not TOOLS.fullmatch(distribution_name(one))
    ]
    below = _imports(tree, tests, deep=True, parts=2) | _imports(tree, code, deep=False, parts=2)
    # Of distributions that share a namespace all are taken: one may be imported only on this
    # version of Python.
    modules = {one: _module(distribution_name(one)) for one in useful}
    spaces = {
        name
        for name in needed
        if any(module in below and module.startswith(f"{name}_") for module in modules.values())
    }
    inside = [
        one for one in useful if any(modules[one].startswith(f"{space}_") for space in spaces)
    ]
    chosen = [
        one
        for one in useful
        if one in inside or modules[one] in needed or distribution_name(one).startswith("pytest-")
    ]
    needed -= {_module(name) for name in (*map(distribution_name, chosen), *runtime)} | spaces
    more = [
        one
        for one in told.others
        if distribution_name(one) not in runtime
        and any(_alike(distribution_name(one), name) for name in needed)
    ]
    if any(
        not any(_alike(distribution_name(one), name) for one in more) for name in needed & first
    ):
        chosen = useful  # some import has a name of its own: one of these may bring it
    return tuple({distribution_name(one): one for one in (*chosen, *more)}.values())


def _imports(tree: Tree, paths: Iterable[str], deep: bool, parts: int = 1) -> set[str]:
    return {
        name.lower()
        for path in paths
        if path.endswith(".py")
        for name in imported_modules(tree[path], deep, parts)
    }


def imported_modules(data: bytes, deep: bool = True, parts: int = 1) -> set[str]:
    """Top-level modules that a file imports in any case: not where it goes on without them, nor for
    a type checker alone.

    Args:
        deep: inside functions too.
        parts: of a dotted name, joined by underscores; 1 is the top level.
    """
    try:
        tree = parse(data)
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Try) or (
            isinstance(node, ast.If) and CONDITIONAL.search(ast.unparse(node.test))
        ):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not deep:
            continue
        if isinstance(node, ast.Import):
            found.update("_".join(alias.name.split(".")[:parts]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.update(
                "_".join(f"{node.module}.{alias.name}".split(".")[:parts]) for alias in node.names
            )
        stack.extend(ast.iter_child_nodes(node))
    return found


def _module(name: str) -> str:
    """What the module of a distribution is probably called."""
    return MODULE_NAMES.get(name, re.sub(r"^python-|-python$", "", name).replace("-", "_")).lower()


def _alike(name: str, module: str) -> bool:
    return _module(name) == module or name.startswith(f"{module.replace('_', '-')}-")


def _once(requirements: list[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for requirement in requirements:
        if distribution_name(requirement) and "://" not in requirement and " @ " not in requirement:
            first.setdefault(distribution_name(requirement), requirement)
    return tuple(first.values())


# Each reader tells (extra, requirement), the extra empty for what is needed to run
# ------------------------------------------------

Declarations = Iterator[tuple[str, str]]


def _metadata(text: str) -> Declarations:
    for line in HeaderParser().parsestr(text).get_all("Requires-Dist", []):
        body, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        rest = re.sub(
            r"\s*(and\s+)?\(?\s*extra\s*==\s*['\"][^'\"]+['\"]\s*\)?(\s+and\b)?", "", marker
        ).strip()
        yield (extra[1] if extra else ""), f"{body.strip()}; {rest}" if rest else body.strip()


def _egg_info(text: str) -> Declarations:
    extra, marker = "", ""
    for line in text.splitlines():
        if head := re.fullmatch(r"\[([^:\]]*)(?::(.*))?\]\s*", line):
            extra, marker = head[1], head[2] or ""
        elif line.strip():
            yield extra, f"{line.strip()}; {marker}" if marker else line.strip()


def _pyproject(text: str) -> Declarations:
    data = tomllib.loads(text)
    project, tool = data.get("project", {}), data.get("tool", {})
    yield from (("", one) for one in project.get("dependencies", []))
    groups: dict[str, list[Any]] = {**project.get("optional-dependencies", {})}
    groups |= {f"{name}": several for name, several in data.get("dependency-groups", {}).items()}
    for name in groups:
        yield from ((name, one) for one in _group(groups, name, set()))
    poetry = tool.get("poetry", {})
    yield from (("", one) for one in _poetry(poetry.get("dependencies", {})))
    yield from (("dev", one) for one in _poetry(poetry.get("dev-dependencies", {})))
    for name, group in poetry.get("group", {}).items():
        yield from ((name, one) for one in _poetry(group.get("dependencies", {})))
    for name, environment in tool.get("hatch", {}).get("envs", {}).items():
        several = [*environment.get("dependencies", []), *environment.get("extra-dependencies", [])]
        yield from (("test" if name in ("default", "hatch-test") else name, one) for one in several)
    yield from (("dev", one) for one in tool.get("uv", {}).get("dev-dependencies", []))
    for name, several in tool.get("pdm", {}).get("dev-dependencies", {}).items():
        yield from ((name, one) for one in several)


def _group(groups: Mapping[str, list[Any]], name: str, seen: set[str]) -> Iterator[str]:
    """The requirements of a group (PEP 735), with those of groups it includes and of the project's
    own extras it names.
    """
    seen.add(name)
    for one in groups.get(name, []):
        inner = [one.get("include-group", "")] if isinstance(one, dict) else []
        if isinstance(one, str):
            yield one
            inner = [
                extra.strip()
                for found in re.findall(r"^[\w.-]+\[([^\]]+)\]", one)
                for extra in found.split(",")
            ]
        for other in inner:
            if other in groups and other not in seen:
                yield from _group(groups, other, seen)


def _poetry(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        asked = value.get("version", "*") if isinstance(value, dict) else value
        if (
            name.lower() == "python"
            or not isinstance(asked, str)
            or (isinstance(value, dict) and value.get("optional"))
        ):
            continue
        asked = asked.strip()
        caret = re.fullmatch(r"[\^~]\s*(\d[\w.]*)", asked)
        exact = re.fullmatch(r"\d[\w.]*", asked)
        yield name + (
            "" if asked == "*" else f">={caret[1]}" if caret else f"=={asked}" if exact else asked
        )


def _setup_cfg(text: str) -> Declarations:
    parser = configparser.RawConfigParser()
    parser.read_string(text)

    def lines(part: str, key: str) -> list[str]:
        return parser.get(part, key, fallback="").splitlines()

    yield from (("", one) for one in lines("options", "install_requires"))
    yield from (("test", one) for one in lines("options", "tests_require"))
    if parser.has_section("options.extras_require"):
        for name, several in parser.items("options.extras_require"):
            yield from ((name, one) for one in several.splitlines())


def _setup_py(text: str) -> Declarations:
    """What is written out in the call of `setup`; lists under a name are looked up at the module's
    top.
    """
    tree = parse(text)
    names = {
        t.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for t in node.targets
        if isinstance(t, ast.Name)
    }
    for node in ast.walk(tree):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            kind = {
                "install_requires": "",
                "tests_require": "test",
                "extras_require": "extras",
            }.get(keyword.arg or "")
            if kind is None:
                continue
            value = (
                names.get(keyword.value.id, keyword.value)
                if isinstance(keyword.value, ast.Name)
                else keyword.value
            )
            with contextlib.suppress(ValueError):
                found = ast.literal_eval(value)
                for name, several in found.items() if isinstance(found, dict) else [(kind, found)]:
                    yield from (
                        (name, one) for one in ([several] if isinstance(several, str) else several)
                    )


def _tox(text: str) -> Declarations:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    for section in ("testenv", "tox:tox", "testenv:py"):
        for line in parser.get(section, "deps", fallback="").splitlines():
            yield "test", line.rpartition(": ")[2]


def _lines(text: str) -> Declarations:
    for line in text.splitlines():
        if line.strip() and not line.strip().startswith(("#", "-")):
            yield "test", line.partition(" #")[0]


READERS: dict[re.Pattern[str], Callable[[str], Declarations]] = {
    re.compile(r"^PKG-INFO$"): _metadata,
    re.compile(r"^([^/]+/)?[^/]+\.egg-info/requires\.txt$"): _egg_info,
    re.compile(r"^pyproject\.toml$"): _pyproject,
    re.compile(r"^setup\.cfg$"): _setup_cfg,
    re.compile(r"^setup\.py$"): _setup_py,
    FILE: _lines,
    re.compile(r"^tox\.ini$"): _tox,
}
"""By what the path of a file looks like, in the order in which they are believed."""
