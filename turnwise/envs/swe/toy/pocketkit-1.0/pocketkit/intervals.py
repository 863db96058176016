"""Half-open intervals `(start, end)` of numbers: joined, cut, measured."""

from collections.abc import Iterable

Interval = tuple[int, int]


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """The same points as few intervals as possible, in order; those that only touch become one, empty ones vanish."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def length(intervals: Iterable[Interval]) -> int:
    """How much the intervals cover together; what several cover counts once."""
    return sum(end - start for start, end in merge(intervals))


def contains(intervals: Iterable[Interval], point: int) -> bool:
    """Whether a point lies in one of the intervals; the start belongs to one, the end does not."""
    return any(start <= point < end for start, end in intervals)


def intersect(left: Iterable[Interval], right: Iterable[Interval]) -> list[Interval]:
    """The points that lie in both, as merged intervals."""
    first, second = merge(left), merge(right)
    common: list[Interval] = []
    i = j = 0
    while i < len(first) and j < len(second):
        start = max(first[i][0], second[j][0])
        end = min(first[i][1], second[j][1])
        if start < end:
            common.append((start, end))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return common


def gaps(intervals: Iterable[Interval], start: int, end: int) -> list[Interval]:
    """What of `start` to `end` no interval covers, in order."""
    free: list[Interval] = []
    at = start
    for begin, stop in merge(intervals):
        if stop <= start or begin >= end:
            continue
        if begin > at:
            free.append((at, begin))
        at = max(at, stop)
    if at < end:
        free.append((at, end))
    return free


def shift(intervals: Iterable[Interval], by: int) -> list[Interval]:
    """Every interval moved by so much, in the order given."""
    return [(start + by, end + by) for start, end in intervals]


def split(interval: Interval, size: int) -> list[Interval]:
    """An interval in pieces of `size`, the last one shorter where it does not come out even."""
    if size < 1:
        raise ValueError("the size must be positive")
    start, end = interval
    return [(at, min(at + size, end)) for at in range(start, end, size)]
