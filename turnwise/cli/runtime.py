"""Settings of the process that take effect only before torch is loaded.

They keep a small model on shared cores fast: OpenMP threads that spin at barriers take the core
from other processes, and allocator arenas and oneDNN primitives are kept for every length of
sequence. A variable that the user has set stays as it is. libgomp and oneDNN read theirs when torch
is loaded. glibc reads MALLOC_ARENA_MAX when the process starts, so arenas are limited by a call;
the variable is set for child processes.
"""

from __future__ import annotations

import ctypes
import os
import sys

DEFAULTS = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "KMP_BLOCKTIME": "0",
    "MALLOC_ARENA_MAX": "2",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "LRU_CACHE_CAPACITY": "64",
    # Forked tokenizer threads deadlock; without this the library warns on every run.
    "TOKENIZERS_PARALLELISM": "false",
}
_M_ARENA_MAX = -8
"""`mallopt` parameter of glibc, malloc.h."""


def prepare() -> dict[str, str]:
    """Set what the user has not set, and return it; nothing where torch is loaded already."""
    if "torch" in sys.modules:
        return {}
    chosen = {name: value for name, value in DEFAULTS.items() if name not in os.environ}
    os.environ.update(chosen)
    if "MALLOC_ARENA_MAX" in chosen and sys.platform.startswith("linux"):
        # musl has no mallopt, and no arenas to limit either.
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, int(chosen["MALLOC_ARENA_MAX"]))
    return chosen
