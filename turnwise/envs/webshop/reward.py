"""What a purchase earns: type times the share of attributes, options and price that fit (Yao et al.
2022, WebShop).

    R = r_type * (attributes + options + [price <= limit]) / (|attributes| + |options| + 1)

`official` is the original to the last bit, including a defect: for a synthetic goal it reduces the
value bought to a colour word it contains, but the value wanted only when it *is* one, so 6.6 % of
the official goals cannot earn 1.0 even with exactly the product and options they name. It also lets
a value bought in one option group count for another. `fixed` treats both values alike, normalises
them (NFKC), accepts equal values always, and compares within the group.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from turnwise.envs.webshop.colours import COLOURS, colour_of
from turnwise.envs.webshop.fuzzy import token_set_ratio
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.nouns import Tagger
from turnwise.envs.webshop.product import Product
from turnwise.errors import unknown

ALIKE = 85
"""Two phrases match when their `token_set_ratio` is above this."""
_COLOURS = frozenset(COLOURS)


@dataclass(frozen=True, slots=True)
class Score:
    """The reward and its components, named as in the original (`r_option` is absent for a goal
    without options).
    """

    total: float
    components: dict[str, float]


OptionsMatched: TypeAlias = Callable[[Goal, Mapping[str, str]], int]


def score(
    product: Product,
    goal: Goal,
    chosen: Mapping[str, str],
    nouns: Tagger,
    options_matched: OptionsMatched,
) -> Score:
    """The reward for buying `product` with the option values `chosen` (group to value).

    Args:
        nouns: the nouns of a title, in order and with repetitions.
        options_matched: how many of the goal's options the chosen ones fulfil: one of `REWARDS`.
    """
    kind = type_reward(product, goal, nouns)
    attributes, options = attributes_matched(product, goal), options_matched(goal, chosen)
    price = product.price <= goal.price_upper
    wanted = len(goal.attributes) + len(goal.options) + 1
    components = {
        **kind,
        "r_att": attributes / len(goal.attributes) if goal.attributes else 1.0,
        "w_att": len(goal.attributes) / wanted,
        "r_price": float(price),
        "w_price": 1 / wanted,
    }
    if goal.options:
        components |= {
            "r_option": options / len(goal.options),
            "w_option": len(goal.options) / wanted,
        }
    return Score((attributes + options + price) / wanted * kind["r_type"], components)


def type_reward(product: Product, goal: Goal, nouns: Tagger) -> dict[str, float]:
    """Is it the same kind of thing? By the type it is listed under, by its categories, and by the
    nouns of its title.
    """
    same_query = product.query == goal.query
    chains = (
        {part.strip() for part in chain.split("›")}
        for chain in (product.product_category, goal.product_category)
    )
    same_category = len(set.intersection(*chains)) >= 2
    wanted = nouns(goal.title)
    title = len(set(nouns(product.title)) & set(wanted)) / len(wanted) if wanted else 0.2
    kind = 1.0 if same_query or same_category or title > 0.2 else 0.5
    if title < 0.1:
        kind = 0.1 if title > 0.0 else 0.0
    return {
        "r_type": kind,
        "query_match": float(same_query),
        "category_match": float(same_category),
        "title_score": title,
    }


def attributes_matched(product: Product, goal: Goal) -> int:
    """How many of the goal's attributes the product has, in its list or word for word in title,
    bullets or description.
    """
    texts = (product.title.lower(), " ".join(product.bullets).lower(), product.description.lower())
    return sum(
        any(token_set_ratio(has, wanted) > ALIKE for has in product.attributes)
        or any(wanted in text for text in texts)
        for wanted in goal.attributes
    )


def official_options(goal: Goal, chosen: Mapping[str, str]) -> int:
    """The original's count. A synthetic goal's option is a (name, value) pair there, and takes part
    as its `str`.
    """
    bought = [colour_of(value) for value in chosen.values()]
    return sum(
        any(token_set_ratio(has, wanted) > ALIKE for has in bought)
        for wanted in map(_official_wanted, goal.options)
    )


def _official_wanted(option: tuple[str | None, str]) -> str:
    name, value = option
    if name is None:
        return colour_of(value)
    # The pair is searched for colour words as a tuple: only an element that is a colour word is
    # found.
    found = min(
        (word for word in (name, value) if word in _COLOURS), key=COLOURS.index, default=None
    )
    return found if found is not None else str((name, value))


def fixed_options(goal: Goal, chosen: Mapping[str, str]) -> int:
    """The count with both sides treated alike, and only within the group where the goal names one."""
    return sum(
        any(_same_value(value, has) for group, has in chosen.items() if name in (None, group))
        for name, value in goal.options
    )


def _same_value(wanted: str, has: str) -> bool:
    wanted, has = (
        unicodedata.normalize("NFKC", wanted).strip(),
        unicodedata.normalize("NFKC", has).strip(),
    )
    return wanted == has or token_set_ratio(colour_of(has), colour_of(wanted)) > ALIKE


REWARDS: dict[str, OptionsMatched] = {"official": official_options, "fixed": fixed_options}


def options_rule(name: str) -> OptionsMatched:
    """The way of counting options called `official` or `fixed`. Raises `ConfigError` for another
    name.
    """
    if name not in REWARDS:
        raise unknown("reward", name, REWARDS, "WebShop")
    return REWARDS[name]
