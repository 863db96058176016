"""Every backend that runs here passes the conformance checks, and the checks notice faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from turnwise.sandbox import open_sandbox
from turnwise.sandbox.contract import Sandbox, Spec
from turnwise.sandbox.testing import CHECKS, LIMITS, Open, check_sandbox


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_backend_keeps_the_contract(backend: str, check: Callable[[Open], None]) -> None:
    check(lambda spec: open_sandbox(spec, backend=backend))


class Wrong:
    """A sandbox with one method replaced."""

    def __init__(self, box: Sandbox, name: str, act: Callable[[Any], Callable[..., Any]]) -> None:
        self._box, self._name, self._act = box, name, act

    def __getattr__(self, name: str) -> Any:
        return self._act(self._box) if name == self._name else getattr(self._box, name)

    def __enter__(self) -> Wrong:
        return self

    def __exit__(self, *_: object) -> None:
        self._box.close()


FAULTS: dict[str, tuple[str, Callable[[Any], Callable[..., Any]]]] = {
    "hides exit codes": ("run", lambda box: lambda *a, **k: replace(box.run(*a, **k), exit_code=0)),
    "merges streams": (
        "run",
        lambda box: lambda *a, **k: replace(r := box.run(*a, **k), stdout=r.stdout + r.stderr),
    ),
    "forgets state": ("session", lambda box: lambda: _Forgetful(box)),
    "reads anything": ("read", lambda box: lambda *a, **k: b""),
    "writes nothing": ("write", lambda box: lambda *a, **k: None),
}


class _Forgetful:
    """A new interpreter for every cell."""

    alive = True

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    def run(self, code: str, timeout: float | None = None) -> Any:
        with self._box.session() as session:
            return session.run(code, timeout)

    def close(self) -> None:
        self.alive = False


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checks_notice_a_fault(backend: str, fault: str) -> None:
    if backend != "jail":
        pytest.skip("the kit is the same for all")
    name, act = FAULTS[fault]
    with pytest.raises(AssertionError):
        check_sandbox(
            lambda spec: Wrong(open_sandbox(spec, backend=backend), name, act)  # type: ignore
        )


def test_the_limits_of_the_checks_are_modest() -> None:
    assert Spec(limits=LIMITS).limits.memory_mb <= 512
