"""Z-machine interpreter as a function from (state, command) to (state, answer).

Jericho's interpreter keeps a game's whole state in its memory and stack, about 36 KB, which can be
read and written in microseconds. So an environment holds an immutable state, and the process owns
the interpreters, one a game and few at a time. A fork shares the state: nothing is replayed and no
second interpreter is started.
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

INTERPRETER_SEED = 1234
"""TextWorld's games reseed with the same number, and draw no random numbers."""
MAX_LIVE_INTERPRETERS = 128
"""Interpreters kept, of 1.8 MB each; the least recently used are dropped."""
MAX_COMMAND_BYTES = 198
"""Size of the interpreter's buffer; longer commands are cut."""
_IGNORED_ATTRIBUTES = (11, 21, 31)
"""Inform's `moved`, `visited` and `mentioned`. They change no text, because TextWorld always
describes rooms in full."""
_MASK = bytes(
    0xFF & ~sum(0x80 >> a % 8 for a in _IGNORED_ATTRIBUTES if a // 8 == byte) for byte in range(6)
)


@dataclass(frozen=True, slots=True, eq=False)
class ZState:
    """The whole state of an interpreter. Immutable and picklable."""

    memory: bytes
    stack: bytes
    registers: tuple[Any, ...]
    """Program counter, stack and frame pointer, frame count, opcode, random numbers, narrative."""


class ZMachine:
    """Interpreter of one game. Safe to use from several threads."""

    def __init__(self, story: Path) -> None:
        # Importing this silences a warning about games that are not classics.
        textworld("textworld.envs.zmachine.jericho")
        self._frotz = textworld("jericho").FrotzEnv(str(story), seed=INTERPRETER_SEED)
        self._lock = threading.Lock()
        self._at: ZState | None = None
        head = story.read_bytes()[:64]
        self._objects = struct.unpack(">H", head[0x0A:0x0C])[0] + 126

    def start(self) -> tuple[ZState, str]:
        """Return the state and text with which the game opens."""
        with self._lock:
            text, _ = self._frotz.reset()
            self._at = self._state()
            return self._at, text

    def send(self, state: ZState, command: str) -> tuple[ZState, str]:
        """Play a command (ASCII, one line) in a state; return the new state and the answer."""
        with self._lock:
            if self._at is not state:
                memory = np.frombuffer(state.memory, dtype=np.uint8).copy()
                stack = np.frombuffer(state.stack, dtype=np.uint8).copy()
                self._frotz.set_state((memory, stack, *state.registers))
            self._at = None  # unknown, should the interpreter fail in the next line
            text, _, _, _ = self._frotz.step(command[:MAX_COMMAND_BYTES])
            self._at = self._state()
            return self._at, text

    def _state(self) -> ZState:
        memory, stack, *registers = self._frotz.get_state()
        return ZState(memory.tobytes(), stack.tobytes(), tuple(registers))

    def world(self, state: ZState) -> bytes:
        """Return the part of a state that matters for play, as bytes.

        That is every object with its position in the tree and its attributes, and the input that is
        awaited. Left out are the turn counter, the text of the last command, and attributes without
        effect.
        """
        memory, at, entries = state.memory, self._objects, []
        end = len(memory)
        while at + 14 <= end:
            entry = memory[at : at + 14]
            # The first property table follows the last object.
            end = min(end, struct.unpack(">H", entry[12:])[0])
            entries.append(bytes(a & b for a, b in zip(entry, _MASK, strict=False)) + entry[6:12])
            at += 14
        return b"".join(entries) + repr(state.registers[:2]).encode()


_live: OrderedDict[Path, ZMachine] = OrderedDict()
_live_lock = threading.Lock()


def interpreter_of(story: Path) -> ZMachine:
    """Return the interpreter of a game in this process, starting it if necessary."""
    with _live_lock:
        found = _live.pop(story, None)
        if found is None:
            found = ZMachine(story)
            while len(_live) >= MAX_LIVE_INTERPRETERS:
                _live.popitem(last=False)
        _live[story] = found
        return found


def release_interpreters() -> None:
    """End every interpreter of this process; they start again when needed."""
    with _live_lock:
        _live.clear()
    gc.collect()
    # glibc keeps freed memory until asked to return it; other systems have no such call.
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def digest(*parts: bytes) -> str:
    """Return a state hash of sixteen hexadecimal digits."""
    found = hashlib.blake2b(digest_size=8)
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()
