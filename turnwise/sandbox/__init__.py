"""Where untrusted code runs: one small contract, several backends.

from turnwise.sandbox import Spec, open_sandbox

with open_sandbox(Spec(preload=("sympy",))) as sandbox:
    session = sandbox.session()
    print(session.run("import sympy; x = sympy.Symbol('x'); print(sympy.solve(x**2 - 4))").stdout)
"""

from __future__ import annotations

from turnwise.errors import unknown
from turnwise.sandbox.contract import (
    Capabilities,
    Limits,
    Result,
    Sandbox,
    SandboxError,
    Session,
    Shell,
    Snapshot,
    Spec,
)

BACKENDS = ("jail", "bubblewrap", "landlock", "docker")
"""In the order in which `auto` tries them."""


def open_sandbox(
    spec: Spec | None = None, backend: str = "auto", allow_unsafe: bool = False
) -> Sandbox:
    """A new sandbox.

    Args:
        spec: what it is made of; None for the defaults.
        backend: one of `BACKENDS`, or `auto`: the first that works here, said once with what it
        does not protect.
        allow_unsafe: whether `auto` may fall back on no confinement at all.

    Raises:
        SandboxError: where the backend cannot be used here; the sentence says why and what to do.
        ConfigError: for a name that is no backend.
    """
    spec = spec or Spec()
    if backend == "auto":
        from turnwise.sandbox.probe import choose

        backend = choose(spec, allow_unsafe)
    if backend == "jail":
        from turnwise.sandbox.jail import open_jail

        return open_jail(spec)
    if backend in BACKENDS or backend == "unsafe":
        import importlib

        opened = importlib.import_module(f"turnwise.sandbox.{backend}").open_sandbox(spec)
        assert isinstance(opened, Sandbox)
        return opened
    raise unknown("sandbox backend", backend, ("auto", *BACKENDS))


__all__ = [
    "BACKENDS",
    "Capabilities",
    "Limits",
    "Result",
    "Sandbox",
    "SandboxError",
    "Session",
    "Shell",
    "Snapshot",
    "Spec",
    "open_sandbox",
]
