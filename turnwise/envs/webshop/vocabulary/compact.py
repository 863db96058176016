"""Closed vocabulary of the compact style.

Within a category the qualities, the uses and the type nouns are disjoint, no word is contained in
another one (the reward looks for attributes as substrings), and no option value resembles another
value of its group (the reward matches values approximately). A test checks all of this.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompactCategory:
    """A department of a compact shop."""

    name: str
    types: tuple[str, ...]
    qualities: tuple[str, ...]
    """Attributes before the noun: `waterproof boots`."""
    uses: tuple[str, ...]
    """Attributes after `for`: `boots for hiking`."""
    options: tuple[tuple[str, tuple[str, ...]], ...]
    """Option groups, the most frequent first, with all values in page order."""


COLORS = ("red", "blue", "green", "black", "white", "pink")
SIZES = ("small", "medium", "large")

CATEGORIES = (
    CompactCategory(
        "fashion",
        ("boots", "sandals", "jacket", "shirt", "socks", "gloves", "scarf", "backpack"),
        ("waterproof", "breathable", "insulated", "stretchy", "padded", "windproof", "non slip",
         "machine washable"),
        ("hiking", "winter", "running", "travel"),
        (("color", COLORS), ("size", SIZES)),
    ),
    CompactCategory(
        "garden",
        ("lamp", "rug", "chair", "table", "pillow", "curtain", "shelf", "mirror"),
        ("foldable", "rustic", "sturdy", "handmade", "collapsible", "vintage", "oval",
         "easy clean"),
        ("bedroom", "kitchen", "office", "patio"),
        (("color", COLORS), ("size", SIZES)),
    ),
    CompactCategory(
        "electronics",
        ("headphones", "charger", "speaker", "keyboard", "camera", "tablet", "projector",
         "microphone"),
        ("wireless", "portable", "rechargeable", "durable", "bluetooth", "shockproof",
         "noise cancelling", "quick start"),
        ("gaming", "camping", "school", "podcasts"),
        (("color", COLORS), ("style", ("classic", "sport", "slim"))),
    ),
    CompactCategory(
        "beauty",
        ("shampoo", "lotion", "lipstick", "serum", "soap", "toner", "sunscreen", "mascara"),
        ("organic", "vegan", "gentle", "moisturizing", "herbal", "hydrating", "fragrance free",
         "long lasting"),
        ("athletes", "babies", "swimmers", "teenagers"),
        (("scent", ("rose", "cedar", "citrus", "ocean")), ("size", ("mini", "regular", "jumbo"))),
    ),
    CompactCategory(
        "grocery",
        ("tea", "coffee", "cookies", "granola", "sauce", "crackers", "candy", "honey"),
        ("roasted", "kosher", "crunchy", "spicy", "salted", "smoky", "gluten free", "low sodium"),
        ("breakfast", "picnics", "baking", "lunch"),
        (("flavor", ("vanilla", "mint", "lemon", "cocoa")),
         ("pack", ("single", "double", "family"))),
    ),
)  # fmt: skip

BRANDS = (
    "Kest", "Moro", "Velda", "Tirin", "Oxbo", "Lumek", "Pravi", "Sorvi", "Nadir", "Hulme", "Zanti",
    "Brivo",
)  # fmt: skip

LETTERS = (
    "KT", "BR", "LM", "VX", "QD", "ZN", "HP", "GW", "FJ", "CY", "SB", "TD", "RK", "NP", "MV", "DL",
    "WG", "XF", "JC", "PH", "YZ", "KB", "LD", "VR", "QM", "ZT", "HG", "GS", "FN", "CP", "SJ", "TX",
    "PR", "WB", "WM", "RF", "RH", "QK", "GN", "TB", "FZ", "NQ", "PF", "NJ", "PN", "TR", "FK", "KG",
    "NL", "VZ", "RC", "TJ", "HJ", "FV", "ZW", "WC", "VC", "RJ", "VD", "RN", "XW", "QP", "NB", "HX",
)  # fmt: skip
"""First parts of ASINs; in a shop of at most 64 products nothing follows them."""
