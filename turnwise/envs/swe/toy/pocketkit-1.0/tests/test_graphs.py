import pytest

from pocketkit import graphs

GRAPH = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["e"], "x": ["a"]}


def test_nodes_are_all_that_are_named():
    assert graphs.nodes(GRAPH) == ["a", "b", "c", "d", "e", "x"]


def test_reachable():
    assert graphs.reachable(GRAPH, "b") == {"b", "d", "e"}
    assert graphs.reachable(GRAPH, "e") == {"e"}


def test_reachable_in_a_cycle():
    assert graphs.reachable({"a": ["b"], "b": ["a"]}, "a") == {"a", "b"}


def test_distance():
    assert graphs.distance(GRAPH, "a", "a") == 0
    assert graphs.distance(GRAPH, "a", "e") == 3
    assert graphs.distance(GRAPH, "e", "a") == -1


def test_distance_takes_the_shorter_way():
    assert graphs.distance({"a": ["b", "d"], "b": ["c"], "c": ["d"]}, "a", "d") == 1
    assert graphs.distance({"a": ["b"], "b": ["a", "c"]}, "a", "c") == 2


def test_sorted_nodes():
    assert graphs.sorted_nodes(GRAPH) == ["x", "a", "b", "c", "d", "e"]
    assert graphs.sorted_nodes({"b": [], "a": []}) == ["a", "b"]


def test_sorted_nodes_refuses_a_cycle():
    with pytest.raises(ValueError):
        graphs.sorted_nodes({"a": ["b"], "b": ["a"], "c": []})


def test_reverse():
    assert graphs.reverse({"a": ["b", "c"], "b": ["c"]}) == {"a": [], "b": ["a"], "c": ["a", "b"]}


COSTS = {"a": {"b": 1.0, "c": 5.0}, "b": {"c": 1.0, "d": 10.0}, "c": {"d": 1.0}}


def test_cheapest_is_not_the_shortest():
    assert graphs.cheapest(COSTS, "a", "d") == (3.0, ["a", "b", "c", "d"])
    assert graphs.cheapest(COSTS, "a", "a") == (0.0, ["a"])


def test_cheapest_without_a_way():
    with pytest.raises(ValueError):
        graphs.cheapest(COSTS, "d", "a")
