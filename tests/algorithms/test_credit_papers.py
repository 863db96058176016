"""Further papers of the credit plane, against hand-worked numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.algorithms.made_batches import group, turn
from tests.algorithms.walks import by_turn, flat
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.papers.rlvmr import kind, meta_rewards
from turnwise.algorithms.papers.spo import UncertaintySampler
from turnwise.errors import ConfigError, DataError
from turnwise.records import write_jsonl


def won(*acts, reward=1.0):
    return [*acts[:-1], replace(acts[-1], rewards={"env": reward})]


def advantages(made, groups):
    streams = made.credit(groups)
    return {uid: flat([v.tolist() for v in own["advantage"]]) for uid, own in streams.items()}


def test_stratified_compares_within_a_stratum():
    """Returns 1 | 1, 0, 0 with one and with two turns; who is alone takes the group's term."""
    groups = [
        group([turn(1, 1.0)], [turn(1), turn(1, 1.0)], [turn(1), turn(1)], [turn(1), turn(1)])
    ]
    pure, blend = (by_turn(recipe("stratified", alpha=a, scale="none"), groups) for a in (1.0, 0.5))
    assert [own[0] for own in pure] == pytest.approx([0.5, 2 / 3, -1 / 3, -1 / 3])
    assert [own[0] for own in blend] == pytest.approx(
        [0.5, 0.5 * 2 / 3 + 0.25, -1 / 6 - 0.25, -1 / 6 - 0.25]
    )
    offset = [g[0] - s[0] for g, s in zip(by_turn(recipe("dr_grpo"), groups), pure, strict=True)]
    assert offset[1:] == pytest.approx(
        [1 / 3 - 0.5] * 3
    )  # the stratum's mean less the group's, for all alike


def test_strata_by_what_is_counted():
    acts = [
        ("search a", "open"),
        ("search b", "search c"),
        ("open", "search d"),
        ("search", "search"),
    ]
    groups = [
        group(
            *[
                won(*[turn(1, action=a) for a in pair], reward=float(k % 2))
                for k, pair in enumerate(acts)
            ]
        )
    ]
    found = by_turn(recipe("stratified", counted="^search", scale="none"), groups)
    assert [own[0] for own in found] == pytest.approx(
        [0.0, 0.0, 0.0, 0.0]
    )  # 0 and 2 have one search and 0, 1 and 3 two and 1
    with pytest.raises(ConfigError, match="regular expression"):
        recipe("stratified", counted="(")


def test_gdpo_separates_rewards_of_equal_sums():
    rewards = [
        {"env": 1.0, "format": 1.0},
        {"env": 1.0, "format": 0.0},
        {"env": 0.0, "format": 2.0},
        {"env": 0.0, "format": 1.0},
    ]
    groups = [group(*[[turn(1, r)] for r in rewards])]
    made = recipe("gdpo", components={"env": 1.0, "format": 1.0})
    columns = np.array([[r["env"], r["format"]] for r in rewards])
    scaled = ((columns - columns.mean(0)) / (columns.std(0, ddof=1) + 1e-6)).sum(1)
    wanted = (scaled - scaled.mean()) / np.sqrt(scaled.var(ddof=1) + 1e-8)
    assert flat(advantages(made, groups).values()) == pytest.approx(wanted.tolist())
    assert made.rewards == {"env": 1.0, "format": 1.0}
    both = recipe("gdpo", components={"env": 2.0}, invalid_penalty=0.1)
    assert both.rewards == {"env": 2.0, "invalid": 1.0}


def test_only_the_most_uncertain_fifth_is_trained():
    entropies = [(0.1, 0.9, 0.2), (0.3, 0.4), (0.5, 0.8, 0.0, 0.1, 0.2)]
    groups = [group(*[[turn(len(e), float(i == 0), entropies=e)] for i, e in enumerate(entropies)])]
    streams = recipe("high_entropy").credit(groups)
    weights = {uid: flat([v.tolist() for v in own["weight"]]) for uid, own in streams.items()}
    assert weights == {"g0": [0, 0.5, 0], "g2": [0, 0.5, 0, 0, 0]}
    whole = recipe("high_entropy", share=1.0).credit(groups)
    assert whole.keys() == {"g0", "g1", "g2"}
    with pytest.raises(ConfigError, match="share = 0"):
        recipe("high_entropy", share=0.0)


def shaped():
    """Solved: entropies (1, 2) and (3,). Failed: (1,) and (3,)."""
    entropies = [(1.0, 2.0), (3.0,), (1.0,), (3.0,)]
    return [group(*[[turn(len(e), float(i < 2), entropies=e)] for i, e in enumerate(entropies)])]


def test_gtpo_normalises_solved_and_failed_separately():
    """Shares of the place's entropy: 2/4 and 6/4 at place 0, 1 at place 1 for the won; 3/2 and 1/2
    for the lost.
    """
    found = advantages(recipe("gtpo"), shaped())
    assert found["g0"] + found["g1"] == pytest.approx([-1, 0, 1], abs=1e-3)
    assert found["g2"] + found["g3"] == pytest.approx([-(0.5**0.5), 0.5**0.5], abs=1e-3)


def test_gtpo_keeps_the_outcome_when_normalised_together():
    found = advantages(recipe("gtpo", normalise="group"), shaped())
    assert min(found["g0"] + found["g1"]) > 0.5 and max(found["g2"] + found["g3"]) < -0.5
    plain = advantages(recipe("gtpo", normalise="group", entropy=0.0), shaped())
    assert plain["g0"][0] == pytest.approx(plain["g1"][0]) and plain["g2"] == pytest.approx(
        plain["g3"]
    )
    assert advantages(recipe("gtpo", entropy=0.0), shaped()) == {
        "g0": [0, 0],
        "g1": [0],
        "g2": [0],
        "g3": [0],
    }


def test_grpo_s_shapes_whole_trajectories():
    """Mean entropies 1.5 and 3: shares 2/3 and 4/3."""
    found = advantages(recipe("grpo_s"), shaped())
    assert found["g0"] == pytest.approx([-(0.5**0.5)] * 2, abs=1e-3) and found[
        "g1"
    ] == pytest.approx([0.5**0.5], abs=1e-3)


@pytest.mark.parametrize(
    ("over", "factors"), [("batch", [0.5, 1.5, 0.5, 1.5]), ("group", [0.5, 1.5, 0.5, 1.5])]
)
def test_a_turn_is_weighted_by_its_duration(over, factors):
    groups = [
        group(
            [turn(1, wall_seconds=1.0), turn(1, 1.0, wall_seconds=3.0)],
            [turn(1, wall_seconds=1.0), turn(1, wall_seconds=3.0)],
        )
    ]
    plain = flat(advantages(recipe("grpo"), groups).values())
    assert flat(advantages(recipe("duration", over=over), groups).values()) == pytest.approx(
        [a * f for a, f in zip(plain, factors, strict=True)]
    )


def test_durations_are_compared_over_the_batch_or_the_task():
    slow, fast = ([turn(1, r, wall_seconds=s) for r in (1.0,)] for s in (6.0, 2.0))
    groups = [
        group(slow, [turn(1, wall_seconds=6.0)], uid="a"),
        group(fast, [turn(1, wall_seconds=2.0)], uid="b"),
    ]
    batch_wide, by_task = (
        advantages(recipe("duration", over=over), groups) for over in ("batch", "group")
    )
    assert batch_wide["a0"][0] == pytest.approx(3 * batch_wide["b0"][0]) and by_task[
        "a0"
    ] == pytest.approx(by_task["b0"])


class Recording:
    """A random generator that records the calls it gets."""

    def choice(self, number, size, replace, p):
        self.p, self.replace = p, replace
        return np.arange(size) % number


def test_spo_tracks_a_task_with_discounted_counts():
    sampler, alpha, beta, known = UncertaintySampler(rho=0.9), 4.0, 4.0, None
    for reward in (1.0, 1.0, 0.0):
        alpha, beta, known = (
            0.9 * alpha + reward,
            0.9 * beta + 1 - reward,
            sampler.track(known, reward),
        )
        assert known == pytest.approx((alpha + beta, alpha / (alpha + beta)))


def test_spo_draws_uncertain_tasks_more_often():
    rng = Recording()
    chosen = UncertaintySampler().choose(
        ["new", "hard", "even"], 2, rng, {"hard": (8.0, 0.0), "even": (8.0, 0.8)}
    )
    weight = np.array([0.55, 0.05, 0.45])
    assert (
        rng.p == pytest.approx(weight / weight.sum())
        and chosen == ["new", "hard"]
        and not rng.replace
    )
    with pytest.raises(ConfigError, match="rho"):
        recipe("spo", rho=0.0)


def test_spo_uses_the_estimate_from_before_the_step():
    groups = [group([turn(2, 1.0)], uid="a"), group([turn(1, 0.0)], uid="b")]
    given = {"a0": {"task_mean": [[0.25, 0.25]]}, "b0": {"task_mean": [[float("nan")]]}}
    made = replace(recipe("spo"), reweighters=())
    streams = made.credit(groups, None, given)
    assert streams["a0"]["advantage"][0].tolist() == [0.75, 0.75] and streams["b0"]["advantage"][
        0
    ].tolist() == [-0.5]


def pair(uid):
    return group([turn(1, 1.0)], [turn(1, 0.0)], uid=uid)


def test_pvpo_reads_its_table(tmp_path):
    expected = {"q0": [0.75], "q1": [-0.25], "new0": [0.5], "new1": [-0.5]}
    (tmp_path / "table.json").write_text(json.dumps({"q": 0.25}))
    reference = group(
        [turn(1, 1.0)], [turn(1)], [turn(1)], [turn(1)], [turn(1, 1.0)], uid="q", errors=(4,)
    )
    write_jsonl(tmp_path / "played.jsonl", reference.trajectories)
    for table in ({"q": 0.25}, str(tmp_path / "table.json"), str(tmp_path / "played.jsonl")):
        assert advantages(recipe("pvpo", table=table), [pair("q"), pair("new")]) == expected
    assert advantages(recipe("pvpo", table={"q": 0.25}, absent="zero"), [pair("new")]) == {
        "new0": [1.0],
        "new1": [0.0],
    }
    assert set(
        recipe("pvpo", table={"q": 1.0}, skip_solved=1.0).credit([pair("q"), pair("new")])
    ) == {"new0", "new1"}


def test_pvpo_refuses_a_malformed_table(tmp_path):
    with pytest.raises(DataError, match="no task 'new'"):
        recipe("pvpo", table={"q": 0.25}, absent="error").credit([pair("new")])
    (tmp_path / "bad.json").write_text("[1]")
    for table in (str(tmp_path / "bad.json"), str(tmp_path / "absent.json"), {"q": "much"}):
        with pytest.raises(ConfigError, match="mean return"):
            recipe("pvpo", table=table)


def thinking():
    def act(tag, action, valid=True, tags=()):
        return turn(
            1,
            completion=f"<{tag}>so</{tag}><action>{action}</action>",
            action=action,
            valid=valid,
            tags=tags,
        )

    solved = won(
        act("planning", "look"),
        act("explore", "open"),
        act("explore", "open"),
        act("monitor", "wait", valid=False),
        act("reflection", "close"),
    )
    return [
        group(
            solved,
            [
                act("planning", "look"),
                act("reflection", "open"),
                act("?", "look"),
                act("none", "x", tags=("explore",)),
            ],
        )
    ]


def test_rlvmr_meta_rewards():
    solved, lost = thinking()[0].trajectories
    assert meta_rewards(solved, 1.0, 0.1) == [1.0, 1.0, 0.0, 0.0, 1.0]
    assert meta_rewards(lost, 1.0, 0.1) == [0.0, 0.0, -0.1, 1.0]
    assert [kind(t) for t in lost.turns] == ["planning", "reflection", "", "explore"]


def test_rlvmr_by_both_readings():
    """By kind: planning (1, 0), explore (1, 0, 1), reflection (1, 0), monitor and none alone."""
    code = by_turn(recipe("rlvmr"), thinking())
    assert code[0] == pytest.approx([0.5 + 0.5, 0.5 + 1 / 3, 0.5 - 2 / 3, 0.5, 0.5 + 0.5])
    assert code[1] == pytest.approx([-0.5 - 0.5, -0.5 - 0.5, -0.5, -0.5 + 1 / 3])
    paper = by_turn(recipe("rlvmr", reading="paper"), thinking())
    half = 0.5 * 0.5**0.5
    assert paper[0] == pytest.approx(
        [2 * half, half + 0.5 * (1 / 3) / 3**-0.5, half - 0.5 * (2 / 3) / 3**-0.5, half, 2 * half],
        abs=1e-5,
    )
    only = by_turn(recipe("rlvmr", weight=0.0), thinking())
    assert only[0] == pytest.approx([0.5] * 5)  # without the thoughts it is the outcome alone


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("stratified", {"alpha": 0.3}),
        ("gdpo", {"components": {"env": 1.0, "other": 2.0}, "invalid_penalty": 0.2}),
        ("high_entropy", {"share": 0.5}),
        ("gtpo", {"normalise": "group"}),
        ("duration", {"over": "group"}),
        ("pvpo", {"table": {"0": 0.2, "1": 0.5}}),
        ("rlvmr", {"reading": "paper"}),
        ("rlvmr", {"lone": "raw"}),
    ],
)
def test_variants_hold_what_every_recipe_holds(name, settings):
    check_recipe(recipe(name, **settings))
