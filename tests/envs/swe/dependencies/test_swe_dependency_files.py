"""Declared dependencies in every kind of file, and which of them the tests need."""

from __future__ import annotations

import pytest

from turnwise.envs.swe.dependencies.dependency_files import (
    DependencyDeclarations,
    distribution_name,
    imported_modules,
    needed_by_tests,
    normalised_name,
    read_declarations,
)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "PKG-INFO",
            "Metadata-Version: 2.4\nName: m\nRequires-Dist: attrs>=22\n"
            "Requires-Dist: hypothesis; extra == 'tests'\n"
            'Requires-Dist: sphinx; extra == "docs"\n'
            "Requires-Dist: tomli>=2; (python_version < '3.11') and extra == 'test'\n"
            "\nRequires-Dist: no\n",
            DependencyDeclarations(
                ("attrs>=22",), ("hypothesis", "tomli>=2; (python_version < '3.11')"), ("sphinx",)
            ),
        ),
        (
            "m.egg-info/requires.txt",
            'six\n\n[:python_version < "3"]\nenum34\n\n[testing]\nmock>=1\n\n[docs]\nsphinx\n',
            DependencyDeclarations(
                ("six", 'enum34; python_version < "3"'), ("mock>=1",), ("sphinx",)
            ),
        ),
        (
            "pyproject.toml",
            '[project]\nname = "m"\ndependencies = ["attrs"]\n[project.optional-dependencies]\n'
            'test = ["hypothesis", "m[fast]"]\n'
            'fast = ["ujson"]\n'
            '[dependency-groups]\ndev = [{include-group = "lint"}, "pyyaml"]\nlint = ["ruff"]\n',
            DependencyDeclarations(
                ("attrs",), ("hypothesis", "m[fast]", "ujson", "ruff", "pyyaml"), ("ujson", "ruff")
            ),
        ),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\npython = "^3.9"\nattrs = "^22.1"\n'
            'rich = {version = "*", optional = true}\n'
            '[tool.poetry.group.dev.dependencies]\nfreezegun = "1.2"\nmock = "*"\nsix = ">=1,<2"\n'
            '[tool.hatch.envs.default]\ndependencies = ["pyyaml"]\n[tool.uv]\n'
            'dev-dependencies = ["ujson"]\n'
            '[tool.pdm.dev-dependencies]\ntest = ["yarl"]\n',
            DependencyDeclarations(
                ("attrs>=22.1",), ("freezegun==1.2", "mock", "six>=1,<2", "pyyaml", "ujson", "yarl")
            ),
        ),
        (
            "setup.cfg",
            "[options]\ninstall_requires =\n    attrs\ntests_require = mock\n"
            "[options.extras_require]\n"
            "test =\n    hypothesis\nall =\n    rich\n",
            DependencyDeclarations(("attrs",), ("mock", "hypothesis"), ("rich",)),
        ),
        (
            "setup.py",
            "from setuptools import setup\nneeds = ['attrs', 'six']\n"
            "setup(name='m', install_requires=needs,\n"
            "      tests_require=['mock'],\n"
            "      extras_require={'test': ['hypothesis'], 'docs': 'sphinx'}, "
            "version=open('v').read())\n",
            DependencyDeclarations(("attrs", "six"), ("mock", "hypothesis"), ("sphinx",)),
        ),
        (
            "requirements-dev.txt",
            "# all\n-r other.txt\nmock==1.0  # old\ngit+https://x/y\n",
            DependencyDeclarations((), ("mock==1.0",)),
        ),
        ("tests/requirements.txt", "mock\n", DependencyDeclarations((), ("mock",))),
        ("requirements/test.in", "mock\n", DependencyDeclarations((), ("mock",))),
        ("requirements.txt", "flask\n", DependencyDeclarations()),
        (
            "tox.ini",
            "[testenv]\ndeps =\n    mock\n    py38: six\ncommands = pytest\n",
            DependencyDeclarations((), ("mock", "six")),
        ),
        ("tox.ini", "not an ini", DependencyDeclarations()),
        ("pyproject.toml", "not = [toml", DependencyDeclarations()),
        ("pyproject.toml", "[project]\ndependencies = 3\n", DependencyDeclarations()),
        ("setup.py", "def f(:\n", DependencyDeclarations()),
    ],
)
def test_every_place_is_read(path: str, text: str, expected: DependencyDeclarations) -> None:
    assert read_declarations({path: text.encode()}) == expected


def test_the_first_place_is_believed() -> None:
    tree = {
        "PKG-INFO": b"Requires-Dist: A.B>=2\n",
        "setup.cfg": b"[options]\ninstall_requires =\n    a_b>=1\n    c\n",
    }
    assert read_declarations(tree).runtime == ("A.B>=2", "c")


def test_names_are_compared_as_an_index_does() -> None:
    assert (
        normalised_name("A_b.c") == "a-b-c"
        and distribution_name(" Foo_Bar[x] >= 2") == "foo-bar"
        and distribution_name("-e .") == ""
    )


TESTS = b"""
import os, sums, yaml
from hypothesis import given
try:
    import numpy
except ImportError:
    numpy = None
if sys.version_info > (3, 14):
    import annotationlib
from . import sibling
def test():
    import simplejson
"""


def test_what_a_file_imports_in_any_case() -> None:
    assert imported_modules(TESTS) == {"os", "sums", "yaml", "hypothesis", "simplejson"}
    assert imported_modules(TESTS, deep=False) == {"os", "sums", "yaml", "hypothesis"}
    assert imported_modules(b"def f(:") == set()


def want(
    tests: tuple[str, ...], runtime: tuple[str, ...] = (), others: tuple[str, ...] = ()
) -> tuple[str, ...]:
    tree = {"tests/test_a.py": TESTS, "sums/fast.py": b"import ujson\n"}
    return needed_by_tests(
        tree,
        DependencyDeclarations(runtime, tests, others),
        ["sums"],
        ["tests/test_a.py"],
        ["sums/fast.py"],
    )


def test_only_what_is_imported_and_plugins_are_wanted() -> None:
    given = (
        "pytest",
        "PyYAML>=6",
        "hypothesis",
        "numpy",
        "pytest-mock",
        "pytest-cov",
        "mypy",
        "sphinx-rtd-theme",
        "types-PyYAML",
    )
    assert want(given) == ("PyYAML>=6", "hypothesis", "pytest-mock")


def test_what_the_package_has_anyway_is_not_asked_for_twice() -> None:
    assert want(("hypothesis", "pyyaml"), runtime=("PyYAML",)) == ("hypothesis",)


def test_other_extras_are_taken_where_code_imports_them() -> None:
    assert want(("pyyaml", "hypothesis"), others=("ujson>=5", "rich", "simplejson")) == (
        "pyyaml",
        "hypothesis",
        "ujson>=5",
        "simplejson",
    )


def test_an_import_that_nothing_is_named_after_may_be_brought_by_any() -> None:
    assert want(("hypothesis", "strange-name", "black")) == ("hypothesis", "strange-name")


def test_distributions_of_one_namespace_are_taken_from_what_is_for_tests() -> None:
    tree = {"tests/test_a.py": b"import jaraco.itertools\nfrom jaraco import functools\n"}
    told = DependencyDeclarations(
        (),
        ("jaraco.itertools", "jaraco.functools>=4", "jaraco.test", "big-O"),
        ("jaraco.packaging",),
    )
    assert needed_by_tests(tree, told, ["sums"], ["tests/test_a.py"], []) == (
        "jaraco.itertools",
        "jaraco.functools>=4",
        "jaraco.test",
    )
    assert imported_modules(b"import a.b.c\nfrom a.d import e\nfrom f import g, h", parts=2) == {
        "a_b",
        "a_d",
        "f_g",
        "f_h",
    }
