"""Defaults of the process that are only taken before torch is loaded.

A small model on shared cores is slowed down by its runtime more than by its arithmetic: OpenMP
threads that spin at barriers while another process wants the core, and allocator arenas and oneDNN
primitives kept for every length of sequence that ever came by. A variable the user has set is left
as it is. libgomp and oneDNN read theirs when torch loads them, so setting them here is early
enough; glibc reads MALLOC_ARENA_MAX when the process starts, so its arenas are limited by a call
instead, and nothing needs to be executed anew. The variable is set all the same for child
processes.
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
    # Forked tokenizer threads deadlock; the library warns about it on every run unless told.
    "TOKENIZERS_PARALLELISM": "false",
}
_M_ARENA_MAX = -8
"""`mallopt` parameter of glibc, malloc.h."""


def prepare() -> dict[str, str]:
    """Set what the user has not set; returns what was set. Does nothing when torch is loaded
    already.
    """
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
