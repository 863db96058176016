"""Declared dependencies of a repository and its tests.

They are read from its files without running any of them.

Python projects declare dependencies in many places. Runtime requirements are in the metadata. Those
of the tests may be an extra, a group, a requirements file or a setting of a test runner, mixed with
linters and documentation builders. Of the latter only what the tests import is taken, and plugins
of pytest.
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
    r"(all[-_.])?(unit[-_.]?)?(tests?|testing|dev|develop|development|ci)"
    r"([-_.](base|all|deps|requirements))?",
    re.I,
)
"""Names of extras, groups and environments that hold test requirements."""
FILE = re.compile(
    r"(^|/)(requirements?|reqs)?[-_./]?(tests?|testing|dev|ci)[-_./]?(requirements?|reqs)?"
    r"\.(txt|in)$",
    re.I,
)
TOOLS = re.compile(
    r"pytest|pluggy|iniconfig|packaging|pygments|pip|setuptools|wheel|build|tox|nox|twine|"
    r"virtualenv|coverage|codecov|coveralls|"
    r"black|isort|ruff|pylint|pyright|mypy|bandit|safety|towncrier|pre-commit|codespell|docutils|"
    r"furo|check-manifest|"
    r"pytest-(cov|xdist|randomly|random-order|sugar|flake8|black|mypy[-_.a-z]*|ruff|isort|pylint|"
    r"codspeed|timeout|rerunfailures|html|"
    r"clarity|pretty|pycodestyle|pydocstyle|pep8|flakes|codestyle|lint|instafail|travis-fold|"
    r"github-actions-annotate-failures|checkdocs|enabler|perf|repeat|memray|ordering)|"
    r"(tox|flake8|sphinx|mkdocs|types|bump2?version|hatch|poetry|readme|jupyter|ipython|mypy|zest|"
    r"jaraco-packaging|rst)([-_.].*)?",
    re.I,
)
"""Distributions that tests do not need, or that disturb them by reordering or measuring tests."""
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
    """Requirements as written, such as `attrs>=22; python_version < "3.12"`."""

    runtime: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    """From extras, groups and files meant for tests."""
    others: tuple[str, ...] = ()
    """From all other extras and groups."""


def entry_points(tree: Tree) -> bytes:
    """Return the entry points of `pyproject.toml` in the format of installed metadata, or b""."""
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
    """Return a distribution name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution_name(requirement: str) -> str:
    """Return the normalised name in a requirement, or "" if it does not start with one."""
    found = re.match(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", requirement)
    return normalised_name(found[1]) if found else ""


def read_declarations(tree: Tree) -> DependencyDeclarations:
    """Read the requirements declared by the files of a repository, including egg-info.

    Each distribution is listed once; the first file wins. Unreadable files are skipped.
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
    declared: DependencyDeclarations,
    own: Iterable[str],
    tests: Iterable[str],
    code: Iterable[str],
) -> tuple[str, ...]:
    """Return the declared requirements that the tests need.

    These are what they or the package import unconditionally, and pytest plugins.

    Args:
        own: names of the repository's own modules.
        tests: paths of the files that contain its tests.
        code: paths of the package's own files.
    """
    given = {name.lower() for name in (*own, *sys.stdlib_module_names, "pytest", "_pytest")}
    first = _imports(tree, tests, deep=False) - given
    needed = first | (_imports(tree, tests, deep=True) | _imports(tree, code, deep=False)) - given
    runtime = {distribution_name(requirement) for requirement in declared.runtime}
    useful = [
        req
        for req in declared.tests
        if distribution_name(req) not in runtime and not TOOLS.fullmatch(distribution_name(req))
    ]
    below = _imports(tree, tests, deep=True, parts=2) | _imports(tree, code, deep=False, parts=2)
    # Take all distributions of a shared namespace: some may be imported only on certain versions.
    modules = {req: _module(distribution_name(req)) for req in useful}
    spaces = {
        name
        for name in needed
        if any(module in below and module.startswith(f"{name}_") for module in modules.values())
    }
    inside = [
        req for req in useful if any(modules[req].startswith(f"{space}_") for space in spaces)
    ]
    chosen = [
        req
        for req in useful
        if req in inside or modules[req] in needed or distribution_name(req).startswith("pytest-")
    ]
    needed -= {_module(name) for name in (*map(distribution_name, chosen), *runtime)} | spaces
    more = [
        req
        for req in declared.others
        if distribution_name(req) not in runtime
        and any(_alike(distribution_name(req), name) for name in needed)
    ]
    if any(
        not any(_alike(distribution_name(req), name) for req in more) for name in needed & first
    ):
        chosen = useful  # an import matches no distribution by name: any of them may provide it
    return tuple({distribution_name(req): req for req in (*chosen, *more)}.values())


def _imports(tree: Tree, paths: Iterable[str], deep: bool, parts: int = 1) -> set[str]:
    return {
        name.lower()
        for path in paths
        if path.endswith(".py")
        for name in imported_modules(tree[path], deep, parts)
    }


def imported_modules(data: bytes, deep: bool = True, parts: int = 1) -> set[str]:
    """Return the modules a file imports unconditionally.

    Not those inside `try`, for type checkers or for some versions only.

    Args:
        deep: include imports inside functions.
        parts: components of a dotted name to keep, joined by underscores; 1 is the top level.
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
    """Return the likely module name of a distribution."""
    return MODULE_NAMES.get(name, re.sub(r"^python-|-python$", "", name).replace("-", "_")).lower()


def _alike(name: str, module: str) -> bool:
    return _module(name) == module or name.startswith(f"{module.replace('_', '-')}-")


def _once(requirements: list[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for requirement in requirements:
        if distribution_name(requirement) and "://" not in requirement and " @ " not in requirement:
            first.setdefault(distribution_name(requirement), requirement)
    return tuple(first.values())


# Each reader yields (extra, requirement); the extra is empty for runtime requirements.

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
    yield from (("", req) for req in project.get("dependencies", []))
    groups: dict[str, list[Any]] = {**project.get("optional-dependencies", {})}
    groups |= {f"{name}": several for name, several in data.get("dependency-groups", {}).items()}
    for name in groups:
        yield from ((name, req) for req in _group(groups, name, set()))
    poetry = tool.get("poetry", {})
    yield from (("", req) for req in _poetry(poetry.get("dependencies", {})))
    yield from (("dev", req) for req in _poetry(poetry.get("dev-dependencies", {})))
    for name, group in poetry.get("group", {}).items():
        yield from ((name, req) for req in _poetry(group.get("dependencies", {})))
    for name, environment in tool.get("hatch", {}).get("envs", {}).items():
        several = [*environment.get("dependencies", []), *environment.get("extra-dependencies", [])]
        yield from (("test" if name in ("default", "hatch-test") else name, req) for req in several)
    yield from (("dev", req) for req in tool.get("uv", {}).get("dev-dependencies", []))
    for name, several in tool.get("pdm", {}).get("dev-dependencies", {}).items():
        yield from ((name, req) for req in several)


def _group(groups: Mapping[str, list[Any]], name: str, seen: set[str]) -> Iterator[str]:
    """Yield the requirements of a group (PEP 735).

    Included groups and the project's own extras are followed.
    """
    seen.add(name)
    for req in groups.get(name, []):
        inner = [req.get("include-group", "")] if isinstance(req, dict) else []
        if isinstance(req, str):
            yield req
            inner = [
                extra.strip()
                for found in re.findall(r"^[\w.-]+\[([^\]]+)\]", req)
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

    yield from (("", req) for req in lines("options", "install_requires"))
    yield from (("test", req) for req in lines("options", "tests_require"))
    if parser.has_section("options.extras_require"):
        for name, several in parser.items("options.extras_require"):
            yield from ((name, req) for req in several.splitlines())


def _setup_py(text: str) -> Declarations:
    """Yield literal arguments of `setup`; names are looked up at module level."""
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
                        (name, req) for req in ([several] if isinstance(several, str) else several)
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
"""Readers by path pattern, in order of precedence."""
