"""The Z-machine as a function: (state, command) to (state, answer).

Jericho's interpreter keeps a game's whole state in its memory and stack, about 36 KB, which can be
read out and put back in microseconds. So an environment holds a state, an immutable value, and the
interpreters, one a game and few at a time, belong to the process. A fork shares the value; nothing
is replayed and no second interpreter is started.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import struct
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from turnwise.envs.textworld.package import textworld

SEED = 1234
"""Of the interpreter's random numbers; TextWorld's games reseed with the same number and draw none.
"""
LIVE = 128
"""Interpreters kept, 1.8 MB each, the least recently used going first: as many games as are usually
played at once.
"""
COMMAND_BYTES = 198
"""Longer commands are cut, as the interpreter's buffer is."""
_IGNORED_ATTRIBUTES = (11, 21, 31)
"""`moved`, `visited` and `mentioned` of Inform: they change no text of TextWorld, whose rooms are
always described in full.
"""
_MASK = bytes(
    0xFF & ~sum(0x80 >> a % 8 for a in _IGNORED_ATTRIBUTES if a // 8 == byte) for byte in range(6)
)


@dataclass(frozen=True, slots=True, eq=False)
class ZState:
    """Everything an interpreter knows. Immutable and picklable."""

    memory: bytes
    stack: bytes
    registers: tuple[Any, ...]
    """Program counter, stack and frame pointer, frame count, opcode, random numbers, narrative."""


class Interpreter:
    """One game's interpreter. Safe to use from several threads."""

    def __init__(self, story: Path) -> None:
        textworld(
            "textworld.envs.zmachine.jericho"
        )  # silences a warning about games that are not classics
        self._frotz = textworld("jericho").FrotzEnv(str(story), seed=SEED)
        self._lock = threading.Lock()
        self._at: ZState | None = None
        head = story.read_bytes()[:64]
        self._objects = struct.unpack(">H", head[0x0A:0x0C])[0] + 126

    def start(self) -> tuple[ZState, str]:
        """The state and text with which the game opens."""
        with self._lock:
            text, _ = self._frotz.reset()
            self._at = self._state()
            return self._at, text

    def send(self, state: ZState, command: str) -> tuple[ZState, str]:
        """Give a command (ASCII, one line) in a state."""
        with self._lock:
            if self._at is not state:
                self._frotz.set_state(
                    (
                        np.frombuffer(state.memory, dtype=np.uint8).copy(),
                        np.frombuffer(state.stack, dtype=np.uint8).copy(),
                        *state.registers,
                    )
                )
            self._at = None  # should the interpreter fail, nobody is there
            text, _, _, _ = self._frotz.step(command[:COMMAND_BYTES])
            self._at = self._state()
            return self._at, text

    def _state(self) -> ZState:
        memory, stack, *registers = self._frotz.get_state()
        return ZState(memory.tobytes(), stack.tobytes(), tuple(registers))

    def world(self, state: ZState) -> bytes:
        """The objects: where each is, in the order in which they are listed, with its attributes;
        and what input is awaited.

        Left out are the turn counter, the text of the last command, and attributes without effect.
        """
        memory, at, entries = state.memory, self._objects, []
        end = len(memory)
        while at + 14 <= end:
            entry = memory[at : at + 14]
            end = min(
                end, struct.unpack(">H", entry[12:])[0]
            )  # the first property table follows the last object
            entries.append(bytes(a & b for a, b in zip(entry, _MASK, strict=False)) + entry[6:12])
            at += 14
        return b"".join(entries) + repr(state.registers[:2]).encode()


_live: OrderedDict[Path, Interpreter] = OrderedDict()
_live_lock = threading.Lock()


def interpreter(story: Path) -> Interpreter:
    """The interpreter of a game in this process, started unless it is live."""
    with _live_lock:
        found = _live.pop(story, None)
        if found is None:
            found = Interpreter(story)
            while len(_live) >= LIVE:
                _live.popitem(last=False)
        _live[story] = found
        return found


def release() -> None:
    """End every interpreter of this process; one that is needed again is started again."""
    with _live_lock:
        _live.clear()
    gc.collect()
    # What was freed stays with glibc's allocator until it is asked for; other systems have no such
    # call.
    trim = (
        getattr(ctypes.CDLL(None), "malloc_trim", None)
        if sys.platform.startswith("linux")
        else None
    )
    if trim is not None:
        trim(0)


def digest(*parts: bytes) -> str:
    """A state hash of sixteen hexadecimal digits."""
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()
