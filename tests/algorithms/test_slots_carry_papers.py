"""The slots are right when a paper is a few lines: eight of them, written as a third party would, against published numbers.

These are drafts in a test and no recipes of the package. Each shows that its novelty fits one slot, holds the numbers worked in
its paper's description, and passes the kit, with no change to a recipe, a batch or a trainer.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from made_batches import batch, group, turn

from turnwise.algorithms import Recipe
from turnwise.algorithms.advantage import PeerAdvantage
from turnwise.algorithms.aggregate import Mean
from turnwise.algorithms.filters import MaskTurns
from turnwise.algorithms.ledger import ledger_of
from turnwise.algorithms.ratio import Ratio
from turnwise.algorithms.surrogate import Clip, Term
from turnwise.algorithms.testing import check_recipe
from turnwise.algorithms.totals import Totals

NOTHING = frozenset[str]()
MEAN_ONLY = PeerAdvantage(scale="none")


def build(**slots):
    return Recipe(**{"name": "draft", "advantage": PeerAdvantage(), "ratio": Ratio(), "surrogate": Clip(), **slots})


def numbered(keys):
    """Equal keys, equal numbers."""
    known = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


@dataclass(frozen=True)
class SharedEdges:
    """SALT (arXiv 2510.20022): turns that make the same transition in a group share the mean of their advantages."""

    requires = NOTHING

    def __call__(self, ledger, totals):
        own, acts = ledger.group[ledger.owner], ledger.turns
        edge = numbered((g, t.state, t.action, t.next_state) for g, t in zip(own, acts, strict=True))
        inherited = ledger.turn_mean(ledger.tokens["advantage"])
        weight = (ledger.length > 0).astype(float)
        mean = np.bincount(edge, inherited * weight) / np.maximum(np.bincount(edge, weight), 1)
        return ledger.write(advantage=ledger.spread(mean[edge]))


@dataclass(frozen=True)
class StepGroups:
    """GiGPO (arXiv 2505.10978): the group's advantage, and that of the discounted return among visits of the same state."""

    gamma: float = 0.95
    requires = NOTHING

    def __call__(self, ledger, totals):
        def states(table):
            return numbered((g, t.state) for g, t in zip(table.group[table.owner], table.turns, strict=True))

        step = PeerAdvantage(scale="none", unit="turn", value=lambda table: table.to_go(self.gamma), peers=states)
        among_states = step(ledger, totals).tokens["advantage"]
        return ledger.write(advantage=MEAN_ONLY(ledger, totals).tokens["advantage"] + among_states)


@dataclass(frozen=True)
class EntropyModulation:
    """EMPG (arXiv 2509.09265): scale by the step's certainty, add a bonus for a clear next step, centre over steps."""

    k: float = 1.0
    zeta: float = 0.1
    requires = frozenset({"rollout:entropy"})

    def __call__(self, ledger, totals):
        step = ledger.length > 0
        entropy = ledger.turn_mean(ledger.recorded("entropy"))
        low, high = totals.minimum(entropy[step]), totals.maximum(entropy[step])
        certain = np.exp(-self.k * (entropy - low) / (high - low + 1e-8)) if step.any() else entropy
        scaled = ledger.turn_mean(ledger.tokens["advantage"]) * certain / (totals.mean(certain[step]) or 1.0)
        steps = np.flatnonzero(step)
        here, there = steps[:-1], steps[1:]
        same = ledger.owner[here] == ledger.owner[there]
        scaled[here[same]] += self.zeta * certain[there[same]]
        return ledger.write(advantage=ledger.spread(scaled - totals.mean(scaled[step])))


@dataclass(frozen=True)
class KeepsGradient:
    """AEPO (arXiv 2510.14545): PPO's value, but above the upper bound the gradient stays at 1 + high."""

    high: float = 0.2
    requires = frozenset({"ratio"})

    def __call__(self, made, log_ratio):
        ratio, advantage = log_ratio.exp(), made.streams["advantage"]
        upper = (1 + self.high) / ratio.detach() * ratio
        bounded = torch.minimum(ratio, upper).clamp(min=1 - 0.2)
        return Term(-torch.minimum(ratio * advantage, bounded * advantage))


@dataclass(frozen=True)
class ClippedWeight:
    """CISPO (arXiv 2506.13585): the clipped ratio as a constant weight on the log-likelihood."""

    cap: float = 1.2
    requires = frozenset({"ratio"})

    def __call__(self, made, log_ratio):
        return Term(-log_ratio.exp().detach().clamp(max=self.cap) * made.streams["advantage"] * made.logp)


@dataclass(frozen=True)
class WorstPrefix:
    """MinPRO (arXiv 2601.22718): the token's ratio times the smallest ratio before it in its trajectory."""

    requires = frozenset({"span:trajectory"})

    def __call__(self, made):
        own = made.logp - made.old_logp
        worst = torch.zeros_like(own)
        for uid in made.trajectory.unique():
            place = (made.trajectory == uid).nonzero()[:, 0]
            before = torch.cummin(own.detach()[place], 0).values[:-1]
            worst[place[1:]] = before
        return own + worst


@dataclass(frozen=True)
class BalancedClip:
    """BAPO (arXiv 2510.18927), cut down: the upper bound widens while positive advantages are outweighed in the mini-batch."""

    requires = frozenset({"ratio", "measure"})

    def measure(self, made):
        value = made.streams["weight"] * (made.logp - made.old_logp).exp().detach() * made.streams["advantage"]
        return {"positive": value.clamp(min=0).sum(), "negative": -value.clamp(max=0).sum()}

    def __call__(self, made, log_ratio):
        outweighed = made.scalars["positive"] < made.scalars["negative"]
        return Clip(0.2, 0.6 if outweighed else 0.2)(made, log_ratio)


PATHS = [
    [("s0", "search", "s1"), ("s1", "clickA", "s2"), ("s2", "buy", "end")],
    [("s0", "search", "s1"), ("s1", "clickA", "s2"), ("s2", "opt", "s4"), ("s4", "buy", "end")],
    [("s0", "search", "s1"), ("s1", "clickB", "s6"), ("s6", "buy", "end")],
    [("s0", "search", "s1"), ("s1", "clickA", "s2"), ("s2", "back", "s1"), ("s1", "clickB", "s6"), ("s6", "buy", "end")],
]


def shop():
    """Four walks through a shop of which the first two earn 1."""
    made = []
    for path, won in zip(PATHS, [1, 1, 0, 0], strict=True):
        acts = [turn(1, state=s, action=a, next_state=after) for s, a, after in path]
        made.append([*acts[:-1], replace(acts[-1], rewards={"env": float(won)}, next_state=f"end{won}{len(made)}")])
    return [group(*made)]


def by_turn(recipe, groups):
    return [[float(v[0]) for v in recipe.credit(groups)[f"g{i}"]["advantage"]] for i in range(len(groups[0].trajectories))]


def test_salt_by_hand():
    expected = [[0, 0.166667, 0.5], [0, 0.166667, 0.5, 0.5], [0, -0.5, -0.5], [0, 0.166667, -0.5, -0.5, -0.5]]
    found = by_turn(build(advantage=MEAN_ONLY, reweighters=(SharedEdges(),)), shop())
    assert [v for t in found for v in t] == pytest.approx([v for t in expected for v in t], abs=1e-6)
    assert by_turn(build(reweighters=(SharedEdges(),)), shop())[0] == pytest.approx([0, 0.288675, 0.866024], abs=1e-6)


def test_gigpo_by_hand():
    among = [[0.462531, 0.5795, 0.35], [0.417406, 0.532, 0.3, 0], [-0.439969, -0.3705, 0], [-0.439969, -0.3705, -0.65, -0.3705, 0]]
    found = by_turn(build(advantage=StepGroups()), shop())
    for own, step, episode in zip(found, among, [0.5, 0.5, -0.5, -0.5], strict=True):
        assert own == pytest.approx([episode + s for s in step], abs=1e-4)


def test_empg_by_hand():
    def acts(entropies, reward):
        own = [turn(1, entropies=(h,)) for h in entropies]
        return [*own[:-1], replace(own[-1], rewards={"env": reward})]

    ledger = ledger_of([group(acts([0.2, 0.6, 1.0], 1.0), acts([0.4, 0.8], -1.0))], {"env": 1.0})
    ledger = ledger.write(advantage=ledger.spread(ledger.returns[ledger.owner]))
    found = EntropyModulation()(ledger, Totals()).tokens["advantage"]
    assert found == pytest.approx([1.357606, 0.723820, 0.317097, -1.413147, -0.985377], abs=1e-5)


@pytest.mark.parametrize(
    ("ratio", "value", "gradient"), [(0.5, 0.5, 0.5), (1.19, 1.19, 1.19), (1.21, 1.2, 1.2), (5.0, 1.2, 1.2)]
)  # fmt: skip
def test_aepo_by_hand(ratio, value, gradient):
    made = batch([float(np.log(ratio))], [1.0])
    term = -KeepsGradient()(made, made.logp).value.sum()
    assert float(term.detach()) == pytest.approx(value)
    assert float(torch.autograd.grad(term, made.logp)[0]) == pytest.approx(gradient)


def test_minpro_by_hand():
    made = batch([0.1, -0.3, 0.2, 0.4], [1.0] * 4, [0, 1, 2, 3], [0, 0, 0, 1])
    assert WorstPrefix()(made).tolist() == pytest.approx([0.1, -0.2, -0.1, 0.4])


@pytest.mark.parametrize(
    "slots",
    [
        {"reweighters": (SharedEdges(),)},
        {"advantage": StepGroups()},
        {"reweighters": (EntropyModulation(),)},
        {"filters": (MaskTurns("void"),)},
        {"surrogate": KeepsGradient()},
        {"surrogate": ClippedWeight()},
        {"surrogate": BalancedClip()},
        {"ratio": WorstPrefix()},
        {"ratio": Ratio("trajectory", gradient="own"), "surrogate": Clip(3e-4, 4e-4), "aggregate": Mean("trajectory")},
    ],
    ids=["salt", "gigpo", "empg", "simpletir", "aepo", "cispo", "bapo", "minpro", "gspo"],
)
def test_drafts_hold_what_every_recipe_holds(slots):
    check_recipe(build(**slots))
