"""Which backend runs here: tried once, in the order of what they protect, and said aloud with what
the chosen one does not.

A trial is a real sandbox, opened and closed: no list of kernel settings is as true. Nothing is ever
chosen silently in place of
something better: where no backend runs, the answer is an error with every reason, unless the caller
has said that no protection will do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib import import_module

from turnwise.sandbox.contract import Capabilities, Sandbox, SandboxError, Spec

BACKENDS = ("jail", "bubblewrap", "landlock", "docker")
"""In the order of preference: those without a daemon first, and of them those that give processes a
world of their own.
"""
UNSAFE = "unsafe"
"""The backend that protects next to nothing; never chosen unless the caller says so."""

MISSING = {
    "filesystem": "files of this machine can be read",
    "network": "the network can be reached",
    "processes": "processes of this machine share its numbers, and may be seen",
    "total_memory": "memory is limited for each process alone, not for all together",
    "disk_quota": "the size or the number of files on disk has no limit",
    "fork": "a running sandbox cannot be copied",
}
"""What it means that a capability is absent."""

_log = logging.getLogger("turnwise.sandbox")
_lock = threading.RLock()
_tried: dict[str, Capabilities | str] = {}
_said: set[str] = set()


def opener(name: str) -> Callable[[Spec], Sandbox]:
    """What opens sandboxes of a backend, loaded at use.

    Raises:
        SandboxError: for an unknown name.
    """
    if name not in (*BACKENDS, UNSAFE):
        raise SandboxError(
            f"unknown sandbox backend {name!r}: known are {', '.join(BACKENDS)} and {UNSAFE}"
        )
    module = import_module(f"turnwise.sandbox.{name}")
    found: Callable[[Spec], Sandbox] = module.open_jail if name == "jail" else module.open_sandbox
    return found


def trial(name: str) -> Capabilities | str:
    """What a backend really enforces here, or why it cannot run, in one sentence. Tried once per
    process.
    """
    with _lock:
        if name not in _tried:
            try:
                with opener(name)(Spec()) as sandbox:
                    _tried[name] = sandbox.capabilities
            except SandboxError as problem:
                _tried[name] = str(problem)
        return _tried[name]


def reason(name: str) -> str:
    """Why a backend cannot run here; empty where it can."""
    found = trial(name)
    return found if isinstance(found, str) else ""


def missing(name: str) -> list[str]:
    """What a backend that runs here does not protect, each in words."""
    have = trial(name)
    return [words for field, words in MISSING.items() if not getattr(have, field)]


def announce(name: str) -> None:
    """Say once per process which backend is used and what it leaves open: a warning, so that it is
    seen without any setting.
    """
    with _lock:
        if name in _said:
            return
        _said.add(name)
    gaps = "; ".join(missing(name))
    _log.warning(
        "sandbox: %s; %s",
        name,
        f"what it does not hold: {gaps}" if gaps else "it holds all that is asked of a sandbox",
    )


def choose(spec: Spec, allow_unsafe: bool = False) -> str:
    """The first backend that runs here and can make what is asked; said once.

    Args:
        spec: with an image, docker alone will do.
        allow_unsafe: whether no protection is better than none to be had.

    Raises:
        SandboxError: where there is none, with the reason of each.
    """
    able = ("docker",) if spec.image else BACKENDS
    for name in able:
        if not reason(name):
            announce(name)
            return name
    if allow_unsafe and not spec.image and not reason(UNSAFE):
        announce(UNSAFE)
        return UNSAFE
    reasons = " | ".join(f"{name}: {reason(name)}" for name in able)
    raise SandboxError(
        f"no sandbox runs here ({reasons}); make one of them run, or say allow_unsafe=True to go without protection"
    )
