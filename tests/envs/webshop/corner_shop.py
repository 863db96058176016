"""A shop of invented products: blank bullets, shared values, special characters."""

from __future__ import annotations

from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.products import Instruction, Instructions, Product

LAMP = Product(
    asin="B0LAMP0001",
    title="Brella Desk Lamp with Wooden Base",
    description="A warm lamp for long evenings.",
    bullets=("Dimmable light", "", "Energy efficient & quiet"),
    price=24.0,
    price_tag="$20.0 to $30.0",
    options={"color": ("black", "oak brown"), "size": ('12" tall', "black", "é-large")},
    attributes=("energy efficient", "dimmable"),
    category="garden",
    query="desk lamps",
    product_category="Home › Lighting › Lamps › Desk Lamps",
)
MUG = Product(
    asin="B0MUG00002",
    title="Kiln Mug",
    description="",
    bullets=("\n",),
    price=8.5,
    price_tag="$8.5",
    options={},
    attributes=("dishwasher safe",),
    category="garden",
    query="mugs",
    product_category="Home › Kitchen › Mugs",
)
DESK = Product(
    asin="B0DESK0003",
    title="Brella Desk",
    description="Sturdy.",
    bullets=("Solid wood <b>oak</b>",),
    price=995.0,
    price_tag="$995.0",
    options={"finish": ("description", "it's <raw>")},
    attributes=("solid wood",),
    category="garden",
    query="desks",
    product_category="Home › Furniture › Desks",
)
BIRDS = tuple(
    Product(
        asin=f"B0BIRD{k:04d}", title=f"Paper Bird No {k}", description="A bird.",
        bullets=("Folded",), price=1.0 + k,
        price_tag=f"${1.0 + k}", options={}, attributes=("hand made",), category="garden",
        query="birds",
        product_category="Home › Decor › Birds",
    )
    for k in range(23)
)  # fmt: skip
WISHES = Instructions(
    synthetic={
        "B0LAMP0001": ("Find me energy efficient desk lamps", ("energy efficient",)),
        "B0DESK0003": ("Find me solid wood desks", ("solid wood",)),
    },
    human=(
        Instruction("B0MUG00002", "i want a mug for the dishwasher.", ("dishwasher safe",), ()),
        Instruction("B0LAMP0001", "nothing in particular", (), ()),
        Instruction("B0LAMP0001", "a black dimmable lamp", ("dimmable",), ("black",)),
    ),
)
LAMP_GOAL = Goal(
    asin="B0LAMP0001", instruction="Find me a black lamp, 12 inches", title=LAMP.title,
    category="garden", query="desk lamps",
    product_category=LAMP.product_category, attributes=("energy efficient", "dimmable"),
    options=(("color", "black"), ("size", '12" tall')), price_upper=30.0,
)  # fmt: skip


def catalogue() -> Catalogue:
    """Return the corner shop as if loaded from official files."""
    return Catalogue([LAMP, MUG, DESK, *BIRDS], instructions=WISHES)
