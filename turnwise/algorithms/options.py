"""The settings that every recipe shares, and the slots they fill."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeAlias

from turnwise.algorithms.credit_batch import CreditPart
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.filters import DropEqualGroups
from turnwise.algorithms.parts.mismatch import Mismatch
from turnwise.algorithms.parts.regularisers import KL, EntropyBonus, Estimator
from turnwise.algorithms.parts.shapers import InvalidPenalty, InvalidRule
from turnwise.algorithms.recipes import LossPart, RatioPart, Recipe, SurrogatePart
from turnwise.errors import ConfigError
from turnwise.plugins import parameters_of
from turnwise.records import SUCCESS

Settings = ParamSpec("Settings")
MismatchName: TypeAlias = Literal[
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
"""Corrections by name. `geometric_veto` is KernelGYM's (arXiv 2602.05885): a trajectory is trained
on, with weight 1, only if the geometric mean of its ratios is within 0.1 % of 1 and none of them is
below 1e-4."""


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """Settings that every recipe takes, except those it `refuses`.

    In a config and in `recipe(name, ...)` they are given beside the recipe's own settings.

    Raises:
        ConfigError: for two corrections of the same ratio.
    """

    kl: float = 0.0
    """Coefficient of the KL penalty to the reference policy; 0 needs no reference model."""
    kl_estimator: Estimator = "k3"
    entropy_bonus: float = 0.0
    aggregate: Literal["token", "turn", "trajectory"] = "trajectory"
    """Unit whose members have equal weights in the loss: token, turn or trajectory."""
    drop_equal_groups: bool = False
    """Leave out groups whose trajectories all have the same return."""
    invalid_penalty: float = 0.0
    """Reward subtracted on every invalid turn."""
    invalid_rule: InvalidRule = "invalid"
    """Turns that are penalised: all invalid ones, or only malformed replies."""
    success_reward: float | None = None
    """Return of a solved task (0 for any other), in place of the environment's own reward."""
    truncate_mismatch: float | None = None
    """Cap on pi_old / pi_rollout, token by token."""
    mismatch: MismatchName | None = None
    """Another correction of that ratio, by its name in `MISMATCHES`."""

    def __post_init__(self) -> None:
        if self.truncate_mismatch is not None and self.mismatch is not None:
            raise ConfigError(
                f"truncate_mismatch = {self.truncate_mismatch} and mismatch = {self.mismatch!r} "
                "correct the same ratio: set only one of them"
            )

    @property
    def filters(self) -> tuple[CreditPart, ...]:
        return (DropEqualGroups(),) if self.drop_equal_groups else ()

    @property
    def shapers(self) -> tuple[CreditPart, ...]:
        if not self.invalid_penalty:
            return ()
        return (InvalidPenalty(self.invalid_penalty, self.invalid_rule),)

    @property
    def rewards(self) -> dict[str, float]:
        """Weights of the reward components that count."""
        env = {"env": 1.0} if self.success_reward is None else {SUCCESS: self.success_reward}
        return {**env, "invalid": 1.0} if self.invalid_penalty else env

    @property
    def compared(self) -> Literal["env", "success"]:
        """The component that samplers compare, before any shaper has run."""
        return "env" if self.success_reward is None else "success"

    @property
    def regularisers(self) -> tuple[LossPart, ...]:
        kl: tuple[LossPart, ...] = (KL(self.kl, self.kl_estimator),) if self.kl else ()
        return (*kl, EntropyBonus(self.entropy_bonus)) if self.entropy_bonus else kl

    @property
    def correction(self) -> Mismatch | None:
        """The correction between engine and learner."""
        if self.truncate_mismatch is not None:
            return Mismatch("truncate", high=self.truncate_mismatch)
        return None if self.mismatch is None else MISMATCHES[self.mismatch]

    def build(
        self,
        name: str,
        *,
        advantage: CreditPart,
        surrogate: SurrogatePart,
        ratio: RatioPart | None = None,
        **slots: Any,
    ) -> Recipe:
        """Build a recipe whose remaining slots follow from these options; `slots` override them."""
        shared = {
            "filters": self.filters,
            "shapers": self.shapers,
            "rewards": self.rewards,
            "aggregate": Mean(self.aggregate),
            "regularisers": self.regularisers,
            "mismatch": self.correction,
        }
        return Recipe(name, advantage, surrogate, ratio, **{**shared, **slots})


def refuses(**reasons: str) -> Callable[[Callable[Settings, Recipe]], Callable[Settings, Recipe]]:
    """Decorate a recipe function that cannot use some of the common options.

    Args:
        reasons: the name of each option, and why it would have no effect.
    """

    def decorate(make: Callable[Settings, Recipe]) -> Callable[Settings, Recipe]:
        name = make.__module__.rpartition(".")[2] if make.__name__ == "recipe" else make.__name__

        @functools.wraps(make)
        def checked(*args: Settings.args, **kwargs: Settings.kwargs) -> Recipe:
            common = kwargs.get("common")
            for option, reason in reasons.items() if isinstance(common, CommonOptions) else ():
                if getattr(common, option) != getattr(CommonOptions(), option):
                    raise refusal(name, option, reason)
            return make(*args, **kwargs)

        checked.refused = reasons  # type: ignore[attr-defined]
        return checked

    return decorate


def refusal(recipe: str, option: str, reason: str) -> ConfigError:
    """Return the error for an option that a recipe refuses."""
    return ConfigError(f"recipe {recipe!r} does not take {option!r}: {reason}; leave it out")


def common_defaults(make: Callable[..., Recipe]) -> dict[str, Any]:
    """Return the common options that a recipe function accepts, with its defaults.

    {} when it has no parameter `common`.
    """
    parameter = parameters_of(make, "the recipe").get("common")
    if parameter is None or not isinstance(parameter.default, CommonOptions):
        return {}
    refused = getattr(make, "refused", {})
    names = [name for name in CommonOptions.__dataclass_fields__ if name not in refused]
    return {name: getattr(parameter.default, name) for name in names}
