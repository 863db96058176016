"""How ALFWorld's games are divided: by the rooms they are in, and on request by the type of task
too.

`official` is the original's division (Shridhar et al. 2021): `valid_seen` is played in rooms known
from training, with other tasks and other things lying about; `valid_unseen` in rooms never seen in
training. `types` holds two types of task out of training besides, as RLVMR does (Zhang et al. 2025,
arXiv 2507.22844): its L0 is `valid_seen`, its L1 `valid_unseen`, and its L2, unseen types in unseen
rooms, is `unseen_types`.
"""

from __future__ import annotations

from turnwise.envs.alfworld.goals import TREATMENTS, TWO
from turnwise.errors import unknown

TRAIN, SEEN, UNSEEN = "train", "valid_seen", "valid_unseen"
SPLITS = (TRAIN, SEEN, UNSEEN)
"""The original's names of its three splits, which are also those of its directories."""
UNSEEN_TYPES = "unseen_types"
HELD_OUT = frozenset((TREATMENTS["iscool"], TWO))
"""Types of task that `types` keeps out of training: Cool & Place, and Pick Two & Place."""
RULES = {"official": SPLITS, "types": (*SPLITS, UNSEEN_TYPES)}
"""The splits each rule has."""


def splits_of(rule: str) -> tuple[str, ...]:
    """The splits of a rule. Raises `ConfigError` for an unknown one."""
    if rule not in RULES:
        raise unknown("split rule", rule, RULES, "ALFWorld")
    return RULES[rule]


def place(rule: str, split: str, task_type: str) -> str | None:
    """The split of a game that the data has in `split`; None where the rule leaves it out."""
    if rule == "official" or task_type not in HELD_OUT:
        return split
    return UNSEEN_TYPES if split == UNSEEN else None
