"""Directed graphs, as a mapping from each node to the nodes it leads to."""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping

Graph = Mapping[str, Iterable[str]]


def nodes(graph: Graph) -> list[str]:
    """Every node that is named, in order of the alphabet: those that lead nowhere too."""
    named = set(graph)
    for targets in graph.values():
        named.update(targets)
    return sorted(named)


def reachable(graph: Graph, start: str) -> set[str]:
    """The nodes one can come to, the start included."""
    seen = {start}
    waiting = deque([start])
    while waiting:
        for target in graph.get(waiting.popleft(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def distance(graph: Graph, start: str, goal: str) -> int:
    """The fewest steps from `start` to `goal`; -1 where there is no way."""
    steps = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        if node == goal:
            return steps[node]
        for target in graph.get(node, ()):
            if target not in steps:
                steps[target] = steps[node] + 1
                waiting.append(target)
    return -1


def sorted_nodes(graph: Graph) -> list[str]:
    """Nodes such that every one comes before those it leads to; of several, the first of the alphabet. ValueError for a cycle."""
    incoming = dict.fromkeys(nodes(graph), 0)
    for targets in graph.values():
        for target in targets:
            incoming[target] += 1
    ready = [node for node, count in incoming.items() if count == 0]
    made = []
    while ready:
        node = heapq.heappop(ready)
        made.append(node)
        for target in graph.get(node, ()):
            incoming[target] -= 1
            if incoming[target] == 0:
                heapq.heappush(ready, target)
    if len(made) < len(incoming):
        raise ValueError("the graph has a cycle")
    return made


def reverse(graph: Graph) -> dict[str, list[str]]:
    """Every edge turned round; all nodes stay."""
    turned: dict[str, list[str]] = {node: [] for node in nodes(graph)}
    for node in sorted(graph):
        for target in graph[node]:
            turned[target].append(node)
    return turned


def cheapest(costs: Mapping[str, Mapping[str, float]], start: str, goal: str) -> tuple[float, list[str]]:
    """The cheapest way and its cost, where every step has one. Raises ValueError where there is no way."""
    waiting = [(0.0, [start])]
    done: set[str] = set()
    while waiting:
        cost, path = heapq.heappop(waiting)
        node = path[-1]
        if node == goal:
            return cost, path
        if node in done:
            continue
        done.add(node)
        for target, price in costs.get(node, {}).items():
            if target not in done:
                heapq.heappush(waiting, (cost + price, [*path, target]))
    raise ValueError(f"there is no way from {start} to {goal}")
