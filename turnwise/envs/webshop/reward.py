"""The reward of a purchase (Yao et al. 2022, WebShop).

    R = r_type * (attributes + options + [price <= limit]) / (|attributes| + |options| + 1)

`official` equals the original to the last bit, including a defect. For a synthetic goal, the value
bought is reduced to a colour word that it contains, but the value asked for only if it *is* one, so
6.6 % of the official goals cannot earn 1.0 even with exactly the product and options they name. It
also lets a value chosen in one option group count for another. `fixed` treats both values alike,
normalises them (NFKC), accepts equal values always, and compares within the group.

Attributes and options are compared with thefuzz's `token_set_ratio`, reimplemented here. Words
common to both phrases are set aside, and the rest is compared by the normalised indel distance
(insertions and deletions of characters); a phrase whose words all occur in the other scores 100.
Values equal those of thefuzz 0.20+ on rapidfuzz with default processing, except for strings with
letters that the Unicode tables of only one side contain.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.nouns import Tagger
from turnwise.envs.webshop.products import Product
from turnwise.errors import unknown

MAX_DIFFERENT_RATIO = 85
"""Two phrases match if their `token_set_ratio` exceeds this."""
MAX_CACHED_RATIOS = 1 << 16
_COLOUR_WORDS = """
    alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown
    burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee
    cognac copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold
    granite grape graphite grass gray green grey heather indigo ivory ivy khaki lavender lemon
    leopard light lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom
    mustard natural navy nude olive orange peach pewter pink plum purple rainbow red rose royal rust
    sand sapphire seashell silver skull slate steel stone stonewash sunflower tan taupe teal tiger
    turquoise violet walnut wheat white wine yellow
"""
COLOURS = tuple(_COLOUR_WORDS.split())
"""The original's colour words, in its order. Source: WebShop, `engine/normalize.py`."""
_COLOUR_SET = frozenset(COLOURS)
_LATIN1 = dict.fromkeys(range(128, 256))
_NOT_A_WORD = re.compile(r"[\W_]")

OptionsMatched: TypeAlias = Callable[[Goal, Mapping[str, str]], int]
"""Function from a goal and the chosen values (group -> value) to the number of matching options."""


@dataclass(frozen=True, slots=True)
class PurchaseScore:
    """The reward and its components, named as in the original."""

    total: float
    components: dict[str, float]
    """`r_option` and `w_option` are absent for a goal without options."""


def score(
    product: Product,
    goal: Goal,
    chosen: Mapping[str, str],
    nouns: Tagger,
    options_matched: OptionsMatched,
) -> PurchaseScore:
    """Return the reward for buying `product` with the options `chosen` (group -> value).

    Args:
        nouns: the tagger of titles.
        options_matched: a value of `REWARDS`.
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
        components["r_option"] = options / len(goal.options)
        components["w_option"] = len(goal.options) / wanted
    return PurchaseScore((attributes + options + price) / wanted * kind["r_type"], components)


def type_reward(product: Product, goal: Goal, nouns: Tagger) -> dict[str, float]:
    """Return how far the product is of the goal's type, by query, categories and title nouns."""
    same_query = product.query == goal.query
    chains = (
        {part.strip() for part in chain.split("›")}
        for chain in (product.product_category, goal.product_category)
    )
    # Sibling types share the department and one more category.
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
    """Return how many of the goal's attributes the product has.

    An attribute counts if it resembles a listed one, or occurs in title, bullets or description.
    """
    texts = (product.title.lower(), " ".join(product.bullets).lower(), product.description.lower())
    return sum(
        any(_alike(has, wanted) for has in product.attributes)
        or any(wanted in text for text in texts)
        for wanted in goal.attributes
    )


def official_options(goal: Goal, chosen: Mapping[str, str]) -> int:
    """Return the original's number of matching options."""
    bought = [colour_of(value) for value in chosen.values()]
    return sum(
        any(_alike(has, wanted) for has in bought) for wanted in map(_official_wanted, goal.options)
    )


def _official_wanted(option: tuple[str | None, str]) -> str:
    name, value = option
    if name is None:
        return colour_of(value)
    # A synthetic option is a (name, value) tuple in the original. Searching it for colour words
    # finds only elements that are one; otherwise the tuple is compared as its `str`.
    colours = [word for word in (name, value) if word in _COLOUR_SET]
    return min(colours, key=COLOURS.index) if colours else str((name, value))


def fixed_options(goal: Goal, chosen: Mapping[str, str]) -> int:
    """Return the number of matching options without the original's defects."""
    return sum(
        any(_same_value(value, has) for group, has in chosen.items() if name in (None, group))
        for name, value in goal.options
    )


def _same_value(wanted: str, has: str) -> bool:
    wanted = unicodedata.normalize("NFKC", wanted).strip()
    has = unicodedata.normalize("NFKC", has).strip()
    return wanted == has or _alike(colour_of(has), colour_of(wanted))


REWARDS: dict[str, OptionsMatched] = {"official": official_options, "fixed": fixed_options}


def options_rule(name: str) -> OptionsMatched:
    """Return a value of `REWARDS` by its name. Raises `ConfigError` for an unknown one."""
    if name not in REWARDS:
        raise unknown("reward", name, REWARDS, "WebShop")
    return REWARDS[name]


@lru_cache(maxsize=MAX_CACHED_RATIOS)
def colour_of(value: str) -> str:
    """Return the first colour word that `value` contains, or `value` itself.

    As in the original this is a substring test: `tan` is found in `tank top`, `red` in `tapered`.
    """
    return next((colour for colour in COLOURS if colour in value), value)


def _alike(a: object, b: object) -> bool:
    return token_set_ratio(a, b) > MAX_DIFFERENT_RATIO


def processed(value: object) -> str:
    """Return `value` in lower case with spaces for what is not a letter or digit.

    U+0080 to U+00FF are dropped.
    """
    kept = str(value).translate(_LATIN1)
    kept = kept.replace("\u0130", "i")  # the only letter whose lower case has two characters
    return _NOT_A_WORD.sub(" ", kept).lower().strip()


def token_set_ratio(a: object, b: object) -> int:
    """Return the similarity of two values as text, 0 to 100; 0 if either has no words."""
    return _ratio(a if isinstance(a, str) else str(a), b if isinstance(b, str) else str(b))


@lru_cache(maxsize=MAX_CACHED_RATIOS)
def _ratio(a: str, b: str) -> int:
    words_a, words_b = set(processed(a).split()), set(processed(b).split())
    if not words_a or not words_b:
        return 0
    common, only_a, only_b = words_a & words_b, words_a - words_b, words_b - words_a
    if common and (not only_a or not only_b):
        return 100  # the words of one phrase are a subset of the other's
    rest_a, rest_b = " ".join(sorted(only_a)), " ".join(sorted(only_b))
    # thefuzz compares three strings: the common words, and these followed by either rest. A common
    # prefix adds to the length and not to the distance, so the strings need not be built.
    shared = len(" ".join(common))
    joint = 1 if shared else 0  # the space between the common words and the rest
    whole_a, whole_b = shared + joint + len(rest_a), shared + joint + len(rest_b)
    best = _similarity(indel_distance(rest_a, rest_b), whole_a + whole_b)
    if shared:
        best = max(
            best,
            _similarity(joint + len(rest_a), shared + whole_a),
            _similarity(joint + len(rest_b), shared + whole_b),
        )
    return round(best)


def _similarity(distance: int, total: int) -> float:
    return 100.0 - 100.0 * distance / total if total else 100.0


def indel_distance(a: str, b: str) -> int:
    """Return the least number of insertions and deletions that turn `a` into `b`.

    This is |a| + |b| - 2 LCS(a, b), with the longest common subsequence computed bit-parallel, one
    bit per character of `a` (Hyyrö 2004).
    """
    if not a or not b:
        return len(a) + len(b)
    positions: dict[str, int] = {}
    for i, char in enumerate(a):
        positions[char] = positions.get(char, 0) | (1 << i)
    full = (1 << len(a)) - 1
    row = full
    for char in b:
        hits = row & positions.get(char, 0)
        row = ((row + hits) | (row - hits)) & full
    return len(a) + len(b) - 2 * (len(a) - row.bit_count())
