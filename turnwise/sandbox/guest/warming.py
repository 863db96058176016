"""Modules imported and used once before interpreters are forked: what they share, none of them has
to do again.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

_warmed: set[str] = set()


def warm(modules: list[str]) -> None:
    """Import, and do once what is slow the first time; then keep the garbage collector from
    touching the pages.

    A module that is absent raises `ImportError`.
    """
    # no collection before the freeze either: the holes it leaves are filled, page by page, in every
    # copy
    gc.disable()
    new = [name for name in modules if name not in _warmed]
    for name in new:
        __import__(name)
        _warmed.add(name)
    if "sympy" in new:
        _sympy()
    numpy = sys.modules.get("numpy")
    if numpy is not None and new:
        numpy.random.seed(0)  # the same numbers in every session, and the module is there
    gc.freeze()


def _sympy() -> None:
    """Solve, integrate, factor, simplify, print: their first use imports and caches most of what a
    session needs.
    """
    sympy: Any = sys.modules["sympy"]
    x = sympy.Symbol("x")
    sympy.solve(x**2 - 5 * x + 6, x)
    sympy.integrate(x * sympy.sin(x), x)
    sympy.factor(x**4 - 1)
    sympy.simplify((x**2 - 1) / (x - 1))
    sympy.expand((x + 1) ** 3)
    sympy.latex(sympy.sqrt(x) / 3)
    str(sympy.nsimplify(0.5) + sympy.Rational(1, 3))
