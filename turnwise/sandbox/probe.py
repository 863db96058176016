"""Choice of a backend: the first one that runs here, logged with what it does not protect.

A backend is tried by opening a real sandbox, once per process; kernel settings alone would not
tell. Nothing weaker is ever chosen silently: where no backend runs, the error lists every reason,
unless the caller allows no protection.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib import import_module

from turnwise.sandbox.contract import Sandbox, SandboxCapabilities, SandboxError, Spec

BACKENDS = ("jail", "bubblewrap", "landlock", "docker")
"""In order of preference: without a daemon first, and of those the ones with namespaces."""
UNSAFE = "unsafe"
"""The backend without confinement; never chosen unless the caller allows it."""

MISSING = {
    "filesystem": "files of this machine can be read",
    "network": "the network can be reached",
    "processes": "processes of this machine can be seen",
    "total_memory": "memory is limited per process only, not in total",
    "disk_quota": "the size or number of files is not limited",
    "fork": "a running sandbox cannot be copied",
}
"""Field of `SandboxCapabilities` -> the consequence of its absence."""

_log = logging.getLogger("turnwise.sandbox")
_lock = threading.RLock()
_tried: dict[str, SandboxCapabilities | str] = {}
_announced: set[str] = set()


def opener(name: str) -> Callable[[Spec], Sandbox]:
    """Import a backend and return its `open_sandbox`.

    Raises:
        SandboxError: for an unknown name.
    """
    if name not in (*BACKENDS, UNSAFE):
        raise SandboxError(
            f"unknown sandbox backend {name!r}: known are {', '.join(BACKENDS)} and {UNSAFE}"
        )
    found: Callable[[Spec], Sandbox] = import_module(f"turnwise.sandbox.{name}").open_sandbox
    return found


def trial(name: str) -> SandboxCapabilities | str:
    """Return what a backend enforces here, or why it cannot run; tried once per process."""
    with _lock:
        if name not in _tried:
            try:
                with opener(name)(Spec()) as sandbox:
                    _tried[name] = sandbox.capabilities
            except SandboxError as problem:
                _tried[name] = str(problem)
        return _tried[name]


def reason(name: str) -> str:
    """Return why a backend cannot run here; empty where it can."""
    found = trial(name)
    return found if isinstance(found, str) else ""


def missing(name: str) -> list[str]:
    """Return what a backend that runs here does not protect, in words."""
    have = trial(name)
    return [words for field, words in MISSING.items() if not getattr(have, field)]


def announce(name: str) -> None:
    """Log once per process which backend is used and what it does not protect.

    A warning, so that it is seen without configuring logging.
    """
    with _lock:
        if name in _announced:
            return
        _announced.add(name)
    gaps = "; ".join(missing(name))
    _log.warning(
        "sandbox: %s; %s", name, f"not protected: {gaps}" if gaps else "everything is protected"
    )


def choose(spec: Spec, allow_unsafe: bool = False) -> str:
    """Return the first backend that runs here and can make what is asked, and log it once.

    Args:
        spec: a spec with an image needs docker.
        allow_unsafe: fall back on no protection.

    Raises:
        SandboxError: where there is none, with the reason of each.
    """
    candidates = ("docker",) if spec.image else BACKENDS
    for name in candidates:
        if not reason(name):
            announce(name)
            return name
    if allow_unsafe and not spec.image and not reason(UNSAFE):
        announce(UNSAFE)
        return UNSAFE
    reasons = " | ".join(f"{name}: {reason(name)}" for name in candidates)
    raise SandboxError(
        f"no sandbox runs here ({reasons}): enable one of them, or pass allow_unsafe=True to run "
        "code without protection"
    )
