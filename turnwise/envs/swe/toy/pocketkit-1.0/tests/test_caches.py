import pytest

from pocketkit.caches import AgingCache, RecentCache, memoised


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_recent_cache_forgets_the_oldest():
    cache = RecentCache(2)
    for key in "abc":
        cache.put(key, key.upper())
    assert cache.keys() == ["b", "c"]
    assert cache.get("a") is None
    assert cache.get("a", "?") == "?"


def test_recent_cache_use_keeps_an_entry():
    cache = RecentCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert cache.keys() == ["a", "c"]


def test_recent_cache_writing_again_is_use():
    cache = RecentCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    cache.put("c", 4)
    assert cache.keys() == ["a", "c"]
    assert cache.get("a") == 3
    assert len(cache) == 2


def test_recent_cache_counts():
    cache = RecentCache(1)
    assert cache.rate() == 0.0
    cache.put("a", 1)
    cache.get("a")
    cache.get("b")
    assert (cache.hits, cache.misses, cache.rate()) == (1, 1, 0.5)


def test_recent_cache_needs_a_size():
    with pytest.raises(ValueError):
        RecentCache(0)


def test_aging_cache_forgets_in_time():
    clock = Clock()
    cache = AgingCache(10, clock)
    cache.put("a", 1)
    clock.now = 9.9
    assert cache.get("a") == 1
    clock.now = 10
    assert cache.get("a") is None
    clock.now = 0
    assert cache.get("a") is None


def test_aging_cache_writing_again_starts_anew():
    clock = Clock()
    cache = AgingCache(10, clock)
    cache.put("a", 1)
    clock.now = 8
    cache.put("a", 2)
    clock.now = 17
    assert cache.get("a") == 2


def test_aging_cache_purge():
    clock = Clock()
    cache = AgingCache(5, clock)
    cache.put("a", 1)
    clock.now = 3
    cache.put("b", 2)
    clock.now = 6
    assert cache.purge() == 1
    assert cache.get("b") == 2
    assert cache.purge() == 0


def test_memoised_asks_once():
    asked = []

    def square(number):
        asked.append(number)
        return number * number

    quick = memoised(square)
    assert [quick(2), quick(2), quick(3)] == [4, 4, 9]
    assert asked == [2, 3]
