"""What a TextWorld game is made from: its kind, and that kind's settings.

The five kinds are the generators of the `textworld` package (Côté et al. 2018, arXiv 1806.11532). A
preset is a name for one of them with its settings; `wW-oO-qQ`, rooms, objects and quest length of
the Practitioner's Guide to multi-turn agentic RL (arXiv 2510.01132, section 3), is understood for
any three numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from turnwise.errors import ConfigError, unknown

Value: TypeAlias = bool | int | str

KINDS: dict[str, dict[str, Value]] = {
    "custom": {
        "rooms": 2, "objects": 3, "quest_length": 4, "theme": "house", "only_last_action": False, "blend_instructions": False,
        "ambiguous_instructions": False,
    },
    "cooking": {
        "recipe": 1, "take": 1, "go": 1, "open": True, "cook": True, "cut": True, "drop": False, "recipe_seed": 0,
    },
    "treasure_hunter": {"level": 5},
    "coin_collector": {"level": 5},
    "simple": {"rewards": "dense", "goal": "brief"},
}  # fmt: skip
"""Every kind, with its settings and their defaults. `custom` is `tw-make custom`, the others are
TextWorld's challenges.
"""

_BOUNDS: dict[tuple[str, str], tuple[int, int]] = {
    ("custom", "rooms"): (1, 100),
    ("custom", "objects"): (1, 200),
    ("custom", "quest_length"): (1, 100),
    ("cooking", "recipe"): (1, 5),
    ("cooking", "take"): (0, 5),
    ("cooking", "recipe_seed"): (0, 2**31 - 1),
    ("treasure_hunter", "level"): (1, 30),
    ("coin_collector", "level"): (1, 300),
}
_CHOICES: dict[tuple[str, str], tuple[Value, ...]] = {
    ("custom", "theme"): ("house", "basic"),
    ("cooking", "go"): (1, 6, 9, 12),
    ("simple", "rewards"): ("dense", "balanced", "sparse"),
    ("simple", "goal"): ("detailed", "brief", "none"),
}

PRESETS: dict[str, tuple[str, dict[str, Value]]] = {
    **{
        f"w{rooms}-o{objects}-q{length}": (
            "custom",
            {"rooms": rooms, "objects": objects, "quest_length": length},
        )
        for rooms, objects, length in ((2, 3, 4), (8, 3, 4), (2, 12, 4), (8, 12, 4), (4, 6, 8))
    },
    "cooking": ("cooking", {}),
    "cooking-hard": ("cooking", {"recipe": 3, "take": 3, "go": 6}),
    "treasure": ("treasure_hunter", {"level": 5}),
    "coin": ("coin_collector", {"level": 5}),
    "coin-distractors": ("coin_collector", {"level": 105}),
    "simple": ("simple", {}),
}
"""Named settings. The first five are the Practitioner's Guide's; what its `cooking` was is not
published, ours is one room.
"""

_SIZE = re.compile(r"w([1-9]\d*)-o([1-9]\d*)-q([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class GameSettings:
    """A kind of game with every setting filled in. Make one with `game_settings`."""

    kind: str
    options: tuple[tuple[str, Value], ...]
    """Sorted by name."""
    preset: str
    """The preset's name, or `custom settings`."""

    def values(self) -> dict[str, Value]:
        """The settings by name."""
        return dict(self.options)

    def key(self) -> str:
        """What tells these settings from others, whatever they are called: `coin_collector
        level=5`.
        """
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.options)])


def game_settings(
    preset: str | None = None, kind: str | None = None, settings: Mapping[str, Any] | None = None
) -> GameSettings:
    """The settings that a preset, or a kind with settings, stands for; `settings` override the
    preset's.

    Raises:
        ConfigError: for an unknown preset, kind or setting, a value it cannot have, or both a
            preset and another kind.
    """
    if preset is None and kind is None:
        preset = "w2-o3-q4"
    base: dict[str, Value] = {}
    named = kind
    if preset is not None:
        named, base = _preset(preset)
        if kind is not None and kind != named:
            raise ConfigError(
                f"preset {preset!r} is a game of kind {named!r}, and kind={kind!r} was asked for: give one of the two"
            )
    if named not in KINDS:
        raise unknown("kind", str(named), KINDS, "environment 'textworld'")
    known = KINDS[named]
    given = {**base, **(settings or {})}
    for name, value in given.items():
        _check(named, name, value)
    chosen = {**known, **given}
    if named == "cooking" and int(chosen["take"]) > int(chosen["recipe"]):
        raise ConfigError(
            f"take={chosen['take']} is more than the recipe's {chosen['recipe']} ingredients: give recipe={chosen['take']}"
        )
    _rooms(named, chosen)
    return GameSettings(
        named,
        tuple(sorted(chosen.items())),
        preset if preset and not settings else "custom settings",
    )


def _preset(name: str) -> tuple[str, dict[str, Value]]:
    if name in PRESETS:
        return PRESETS[name]
    size = _SIZE.fullmatch(name)
    if size is None:
        raise unknown("preset", name, PRESETS, "environment 'textworld'")
    rooms, objects, length = (int(number) for number in size.groups())
    return "custom", {"rooms": rooms, "objects": objects, "quest_length": length}


def _check(kind: str, name: str, value: Any) -> None:
    if name not in KINDS[kind]:
        raise unknown("setting", str(name), KINDS[kind], f"games of kind {kind!r}")
    wanted = type(KINDS[kind][name])
    if type(value) is not wanted:
        raise ConfigError(
            f"setting {name!r} of {kind!r} is {value!r}: give a value of type {wanted.__name__}"
        )
    bounds = _BOUNDS.get((kind, name))
    if bounds is not None and not bounds[0] <= int(value) <= bounds[1]:
        low, high = bounds
        raise ConfigError(
            f"setting {name!r} of {kind!r} is {value}: give a number from {low} to {high}"
        )
    choices = _CHOICES.get((kind, name))
    if choices is not None and value not in choices:
        raise ConfigError(
            f"setting {name!r} of {kind!r} is {value!r}: give one of {', '.join(map(str, choices))}"
        )


def _rooms(kind: str, chosen: Mapping[str, Value]) -> None:
    """A Z-machine game has room for 100 rooms; coin_collector's levels from 101 and 201 have two
    and three for each step.
    """
    if kind != "coin_collector":
        return
    level = int(chosen["level"])
    rooms = ((level - 1) // 100 + 1) * ((level - 1) % 100 + 1)
    if rooms > 100:
        raise ConfigError(
            f"coin_collector level {level} has {rooms} rooms, and a game has at most 100: choose 1-100, 101-150 or 201-233"
        )
