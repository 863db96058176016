"""Caches that forget: the least recently used entry, entries that are too old, and a counter of calls."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class RecentCache(Generic[Key, Value]):
    """Keeps at most `size` entries; the one not used for longest goes first."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("the size must be positive")
        self.size = size
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, default: Value | None = None) -> Value | None:
        """The value of a key, which is now the most recently used; counts hits and misses."""
        if key not in self._entries:
            self.misses += 1
            return default
        self.hits += 1
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: Key, value: Value) -> None:
        """Keep a value; where there is no room, forget another."""
        if key in self._entries:
            self._entries.move_to_end(key)
        self._entries[key] = value
        while len(self._entries) > self.size:
            self._entries.popitem(last=False)

    def keys(self) -> list[Key]:
        """Keys, the least recently used first."""
        return list(self._entries)

    def rate(self) -> float:
        """The share of hits among all questions; 0.0 before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class AgingCache(Generic[Key, Value]):
    """Keeps entries for `seconds`, as told by `clock`."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._entries: dict[Key, tuple[float, Value]] = {}

    def put(self, key: Key, value: Value) -> None:
        """Keep a value from now on."""
        self._entries[key] = (self._clock(), value)

    def get(self, key: Key) -> Value | None:
        """The value of a key; None where there is none or it is too old, which also forgets it."""
        found = self._entries.get(key)
        if found is None:
            return None
        written, value = found
        if self._clock() - written >= self.seconds:
            del self._entries[key]
            return None
        return value

    def purge(self) -> int:
        """Forget what is too old, and say how many entries that were."""
        now = self._clock()
        old = [key for key, (written, _) in self._entries.items() if now - written >= self.seconds]
        for key in old:
            del self._entries[key]
        return len(old)


def memoised(function: Callable[[Key], Value]) -> Callable[[Key], Value]:
    """A function that computes each answer once."""
    known: dict[Key, Value] = {}

    def ask(key: Key) -> Value:
        if key not in known:
            known[key] = function(key)
        return known[key]

    return ask
