"""Settings that many recipes offer, each 0 or None by default, and the parts they stand for.

kl, kl_estimator     a KL penalty to the reference policy                         KL
entropy_bonus        a bonus for entropy                                          EntropyBonus
invalid_penalty      reward lost by a turn that did nothing                       InvalidPenalty
invalid_rule         which turns that are: all invalid ones, or only malformed replies
success_reward       the return: this for a solved task and 0 for any other, in place of the environment's own reward
drop_equal_groups    leave out groups of equal returns                            DropEqualGroups
truncate_mismatch    cap on pi_old / pi_rollout, token by token                   Mismatch
mismatch             another correction of that ratio, by its name in MISMATCHES  Mismatch
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection
from typing import Any, Literal, TypeAlias

from turnwise.algorithms.credit_batch import CreditPart
from turnwise.algorithms.parts.filters import DropEqualGroups
from turnwise.algorithms.parts.mismatch import Mismatch
from turnwise.algorithms.parts.regularisers import KL, EntropyBonus
from turnwise.algorithms.parts.shapers import InvalidPenalty
from turnwise.algorithms.recipes import LossPart, Recipe
from turnwise.errors import ConfigError
from turnwise.records import SUCCESS

InvalidRule: TypeAlias = Literal["invalid", "malformed"]
MismatchRule: TypeAlias = Literal[
    "token_truncate",
    "turn_truncate",
    "trajectory_truncate",
    "token_mask",
    "turn_mask",
    "trajectory_mask",
    "geometric_veto",
]

MISMATCHES: dict[str, Mismatch] = {
    "token_truncate": Mismatch("truncate", 2.0),
    "turn_truncate": Mismatch("truncate", 2.0, level="turn"),
    "trajectory_truncate": Mismatch("truncate", 2.0, level="trajectory"),
    "token_mask": Mismatch("mask", 2.0, 0.5),
    "turn_mask": Mismatch("mask", 2.0, 0.5, level="turn"),
    "trajectory_mask": Mismatch("mask", 2.0, 0.5, level="trajectory"),
    "geometric_veto": Mismatch("reject", 1.001, 0.999, level="trajectory", veto=1e-4),
}
"""Corrections by name. The last is KernelGYM's (arXiv 2602.05885): a trajectory is learned from,
with weight 1, only where the geometric mean of its ratios is within 0.1 % of 1 and none of them is
below 1e-4."""


def penalties(
    kl: float, estimator: Literal["k1", "k2", "k3"], entropy_bonus: float
) -> tuple[LossPart, ...]:
    """Regularisers whose coefficient is not 0."""
    divergence: tuple[LossPart, ...] = (KL(kl, estimator),) if kl else ()
    return divergence + ((EntropyBonus(entropy_bonus),) if entropy_bonus else ())


def invalid(amount: float, rule: InvalidRule = "invalid") -> tuple[CreditPart, ...]:
    """The penalty on invalid turns, if there is one."""
    return (InvalidPenalty(amount, rule),) if amount else ()


def reward_weights(invalid_penalty: float, success_reward: float | None = None) -> dict[str, float]:
    """The environment's reward or that of a success, and the penalty's component where there is a
    penalty.
    """
    earned = {"env": 1.0} if success_reward is None else {SUCCESS: success_reward}
    return {**earned, "invalid": 1.0} if invalid_penalty else earned


def solved_or_env(success_reward: float | None) -> Literal["env", "success"]:
    """The component that carries the return, for samplers that compare returns before any credit is
    given.
    """
    return "env" if success_reward is None else "success"


def equal_groups(drop: bool) -> tuple[CreditPart, ...]:
    """The filter of groups with equal returns, if wanted."""
    return (DropEqualGroups(),) if drop else ()


def correction(cap: float | None, name: MismatchRule | None = None) -> Mismatch | None:
    """The correction between engine and learner, if one is wanted.

    Raises:
        ConfigError: when two are.
    """
    if name is None:
        return None if cap is None else Mismatch("truncate", high=cap)
    if cap is not None:
        raise ConfigError(
            f"truncate_mismatch = {cap} and mismatch = {name!r} are two corrections of one ratio: give one of them"
        )
    return MISMATCHES[name]


def extends(
    base: Callable[..., Recipe], without: Collection[str] = ()
) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """For a function `recipe(own settings, **shared)`: its further settings are those of `base`,
    with their types and defaults.

    Args:
        base: the function that `shared` is handed to.
        without: settings of `base` that the new recipe decides itself.
    """

    def wrap(make: Callable[..., Recipe]) -> Callable[..., Recipe]:
        @functools.wraps(make)
        def made(*own: Any, **settings: Any) -> Recipe:
            return make(*own, **settings)

        mine = [
            p
            for p in inspect.signature(make).parameters.values()
            if p.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        taken = {p.name for p in mine} | set(without)
        theirs = [p for name, p in inspect.signature(base).parameters.items() if name not in taken]
        theirs = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in theirs]
        made.__signature__ = inspect.Signature([*mine, *theirs], return_annotation=Recipe)  # type: ignore[attr-defined]
        hints = {**typing.get_type_hints(base), **typing.get_type_hints(make)}
        made.__annotations__ = {name: hints[name] for name in [p.name for p in (*mine, *theirs)]}
        return made

    return wrap
