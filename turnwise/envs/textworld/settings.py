"""Settings of TextWorld games, by kind, and presets.

The five kinds are the generators of the `textworld` package (Côté et al. 2018, arXiv 1806.11532). A
preset names one of them with its settings. `wW-oO-qQ`, the rooms, objects and quest length of the
Practitioner's Guide to multi-turn agentic RL (arXiv 2510.01132, section 3), works for any three
numbers.
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
        "rooms": 2, "objects": 3, "quest_length": 4, "theme": "house", "only_last_action": False,
        "blend_instructions": False, "ambiguous_instructions": False,
    },
    "cooking": {
        "recipe": 1, "take": 1, "go": 1, "open": True, "cook": True, "cut": True, "drop": False,
        "recipe_seed": 0,
    },
    "treasure_hunter": {"level": 5},
    "coin_collector": {"level": 5},
    "simple": {"rewards": "dense", "goal": "brief"},
}  # fmt: skip
"""Default settings by kind. `custom` is `tw-make custom`, the others are TextWorld's challenges."""

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
    "w2-o3-q4": ("custom", {"rooms": 2, "objects": 3, "quest_length": 4}),
    "w8-o3-q4": ("custom", {"rooms": 8, "objects": 3, "quest_length": 4}),
    "w2-o12-q4": ("custom", {"rooms": 2, "objects": 12, "quest_length": 4}),
    "w8-o12-q4": ("custom", {"rooms": 8, "objects": 12, "quest_length": 4}),
    "w4-o6-q8": ("custom", {"rooms": 4, "objects": 6, "quest_length": 8}),
    "cooking": ("cooking", {}),
    "cooking-hard": ("cooking", {"recipe": 3, "take": 3, "go": 6}),
    "treasure": ("treasure_hunter", {"level": 5}),
    "coin": ("coin_collector", {"level": 5}),
    "coin-distractors": ("coin_collector", {"level": 105}),
    "simple": ("simple", {}),
}
"""Kind and settings by name. The first five are the Practitioner's Guide's. The settings of its
`cooking` are not published; ours has one room."""

_SIZE = re.compile(r"w([1-9]\d*)-o([1-9]\d*)-q([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class GameSettings:
    """A kind of game and all its settings. Made by `game_settings`."""

    kind: str
    options: tuple[tuple[str, Value], ...]
    """Sorted by name."""
    preset: str
    """The preset's name, or `custom settings`."""

    def values(self) -> dict[str, Value]:
        """Return the settings by name."""
        return dict(self.options)

    def key(self) -> str:
        """Return a text that identifies the settings, such as `coin_collector level=5`."""
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.options)])


def game_settings(
    preset: str | None = None, kind: str | None = None, settings: Mapping[str, Any] | None = None
) -> GameSettings:
    """Return the settings of a preset, or of a kind; `settings` override single ones.

    Raises:
        ConfigError: for an unknown preset, kind or setting, an invalid value, or a preset together
            with another kind.
    """
    if preset is None and kind is None:
        preset = "w2-o3-q4"
    base: dict[str, Value] = {}
    named = kind
    if preset is not None:
        named, base = _preset(preset)
        if kind is not None and kind != named:
            raise ConfigError(
                f"preset {preset!r} is a game of kind {named!r}, and kind={kind!r} was asked for: "
                "give one of the two"
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
            f"take={chosen['take']} is more than the recipe's {chosen['recipe']} ingredients: "
            f"give recipe={chosen['take']}"
        )
    _check_rooms(named, chosen)
    name = preset if preset and not settings else "custom settings"
    return GameSettings(named, tuple(sorted(chosen.items())), name)


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


def _check_rooms(kind: str, chosen: Mapping[str, Value]) -> None:
    """Raise `ConfigError` if a level has more than the 100 rooms that a Z-machine game can hold.

    Levels of coin_collector from 101 and from 201 have two and three rooms for each step.
    """
    if kind != "coin_collector":
        return
    level = int(chosen["level"])
    rooms = ((level - 1) // 100 + 1) * ((level - 1) % 100 + 1)
    if rooms > 100:
        raise ConfigError(
            f"coin_collector level {level} has {rooms} rooms, and a game has at most 100: "
            "choose 1-100, 101-150 or 201-233"
        )
