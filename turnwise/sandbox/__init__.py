"""Sandboxes for untrusted code: one small contract, several backends.

from turnwise.sandbox import Spec, open_sandbox

with open_sandbox(Spec(preload=("sympy",))) as sandbox:
    session = sandbox.session()
    print(session.run("import sympy; print(sympy.factorint(2026))").stdout)
"""

from __future__ import annotations

from turnwise.errors import unknown
from turnwise.sandbox.contract import (
    Limits,
    Result,
    Sandbox,
    SandboxCapabilities,
    SandboxError,
    SandboxSnapshot,
    Session,
    Shell,
    Spec,
)
from turnwise.sandbox.probe import BACKENDS, UNSAFE, choose, opener


def open_sandbox(
    spec: Spec | None = None, backend: str = "auto", allow_unsafe: bool = False
) -> Sandbox:
    """Open a new sandbox.

    Args:
        spec: limits, files and variables of the sandbox; None for the defaults.
        backend: one of `BACKENDS`, `unsafe`, or `auto`: the first that works here, logged once with
            what it does not protect.
        allow_unsafe: let `auto` fall back on `unsafe`, which confines nothing.

    Raises:
        SandboxError: where the backend cannot be used here; the message says why and what to do.
        ConfigError: for an unknown backend.
    """
    spec = spec or Spec()
    if backend == "auto":
        backend = choose(spec, allow_unsafe)
    if backend not in (*BACKENDS, UNSAFE):
        raise unknown("sandbox backend", backend, ("auto", *BACKENDS))
    return opener(backend)(spec)


__all__ = [
    "BACKENDS",
    "Limits",
    "Result",
    "Sandbox",
    "SandboxCapabilities",
    "SandboxError",
    "SandboxSnapshot",
    "Session",
    "Shell",
    "Spec",
    "open_sandbox",
]
