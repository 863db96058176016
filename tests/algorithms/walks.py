"""Four walks through a shop, of which the first two earn 1: the worked example of SALT's and
GiGPO's descriptions.
"""

from dataclasses import replace

from tests.algorithms.made_batches import group, turn

PATHS = [
    [("s0", "search", "s1"), ("s1", "clickA", "s2"), ("s2", "buy", "end")],
    [("s0", "search", "s1"), ("s1", "clickA", "s2"), ("s2", "opt", "s4"), ("s4", "buy", "end")],
    [("s0", "search", "s1"), ("s1", "clickB", "s6"), ("s6", "buy", "end")],
    [
        ("s0", "search", "s1"),
        ("s1", "clickA", "s2"),
        ("s2", "back", "s1"),
        ("s1", "clickB", "s6"),
        ("s6", "buy", "end"),
    ],
]


def walk(path, reward=0.0, last=None):
    """A trajectory's turns along (state, action, next state); the last earns `reward` and may lead
    to a state of its own.
    """
    acts = [turn(1, state=s, action=a, next_state=after) for s, a, after in path]
    end = acts[-1].next_state if last is None else last
    return [*acts[:-1], replace(acts[-1], rewards={"env": reward}, next_state=end)]


def shop(uid="g"):
    return [
        group(
            *[
                walk(p, w, f"end{w}{k}")
                for k, (p, w) in enumerate(zip(PATHS, [1.0, 1.0, 0.0, 0.0], strict=True))
            ],
            uid=uid,
        )
    ]


def by_turn(recipe, groups):
    """Return the advantage of each turn's first token, by trajectory."""
    streams = recipe.credit(groups)
    return [
        [float(v[0]) for v in streams[t.uid]["advantage"]] for g in groups for t in g.trajectories
    ]


def flat(lists):
    return [value for one in lists for value in one]
