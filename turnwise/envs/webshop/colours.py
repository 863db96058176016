"""The original's colour words: an option value is reduced to the first of them, in this order, that
it contains.

Source: WebShop, `engine/normalize.py`. It is a substring test, so `tan` is found in `tank top` and
`red` in `tapered`.
"""

from __future__ import annotations

from functools import lru_cache

_WORDS = """
    alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown burgundy camel camo
    caramel champagne charcoal cheetah chestnut chocolate christmas coffee cognac copper coral cranberry cream crystal
    dark denim eggplant elephant espresso fuchsia gold granite grape graphite grass gray green grey heather indigo ivory
    ivy khaki lavender lemon leopard light lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom
    mustard natural navy nude olive orange peach pewter pink plum purple rainbow red rose royal rust sand sapphire
    seashell silver skull slate steel stone stonewash sunflower tan taupe teal tiger turquoise violet walnut wheat white
    wine yellow
"""
COLOURS = tuple(_WORDS.split())


@lru_cache(maxsize=65536)
def colour_of(value: str) -> str:
    """The first colour word that `value` contains, or `value` itself."""
    return next((colour for colour in COLOURS if colour in value), value)
