"""Tables for generated houses: furniture of each room, what fits in it, properties of objects.

The words are the official games' types of receptacle and object (ALFRED, Shridhar et al. 2020), so
that a generated game reads like an official one. Numbers and combinations are this package's own
choice.
"""

from __future__ import annotations

_TABLEWARE = "Bowl Cup Mug Plate"
_FOOD = "Apple Bread Egg Lettuce Potato Tomato"
_CUTLERY = "ButterKnife Fork Knife Ladle Spatula Spoon"
_COOKING = "Kettle Pan Pot"
_BOTTLES = "Glassbottle PepperShaker SaltShaker WineBottle"
_SMALL = "CD CellPhone CreditCard KeyChain Pen Pencil RemoteControl Watch"
_DESKTOP = f"AlarmClock Book Laptop Mug Statue Vase {_SMALL}"
_WASHING = "Candle Cloth DishSponge HandTowel SoapBar SoapBottle SprayBottle TissueBox ToiletPaper"
_SEAT = "Book Box CellPhone KeyChain Laptop Newspaper Pillow RemoteControl"

ROOMS: dict[str, dict[str, tuple[int, int]]] = {
    "kitchen": {
        "Cabinet": (2, 9), "CoffeeMachine": (1, 1), "CounterTop": (1, 3), "DiningTable": (1, 2),
        "Drawer": (1, 6), "Fridge": (1, 1), "GarbageCan": (1, 1), "Microwave": (1, 1),
        "Shelf": (0, 3), "SideTable": (0, 1), "SinkBasin": (1, 1), "StoveBurner": (2, 4),
    },
    "bathroom": {
        "BathtubBasin": (0, 1), "Cabinet": (1, 5), "Cart": (0, 1), "CounterTop": (1, 2),
        "Drawer": (1, 5), "GarbageCan": (1, 1), "HandTowelHolder": (1, 2), "Shelf": (1, 3),
        "SinkBasin": (1, 2), "Toilet": (1, 1), "ToiletPaperHanger": (1, 1), "TowelHolder": (1, 1),
    },
    "bedroom": {
        "ArmChair": (0, 1), "Bed": (1, 2), "Desk": (1, 2), "Drawer": (2, 8), "Dresser": (1, 1),
        "GarbageCan": (1, 1), "Safe": (0, 1), "Shelf": (1, 6), "SideTable": (1, 2),
    },
    "living room": {
        "ArmChair": (1, 2), "Cabinet": (1, 3), "CoffeeTable": (1, 2), "DiningTable": (0, 1),
        "Drawer": (1, 5), "Dresser": (0, 1), "GarbageCan": (1, 1), "Ottoman": (0, 1),
        "Safe": (0, 1), "Shelf": (1, 4), "SideTable": (1, 2), "Sofa": (1, 2),
    },
}  # fmt: skip
"""Least and greatest number of receptacles of each type, by room."""

FITS: dict[str, tuple[str, ...]] = {
    place: tuple(sorted(set(things.split())))
    for place, things in {
        "ArmChair": _SEAT,
        "BathtubBasin": "Cloth DishSponge HandTowel SoapBar",
        "Bed": "Book CellPhone Laptop Pillow",
        "Cabinet": f"{_TABLEWARE} {_COOKING} {_BOTTLES} {_WASHING} Book Vase",
        "Cart": _WASHING,
        "CoffeeMachine": "Mug",
        "CoffeeTable": f"{_DESKTOP} {_TABLEWARE} Box Candle Newspaper",
        "CounterTop": f"{_TABLEWARE} {_FOOD} {_CUTLERY} {_COOKING} {_BOTTLES} {_WASHING}",
        "Desk": f"{_DESKTOP} Bowl Box",
        "DiningTable": (
            f"{_TABLEWARE} {_FOOD} {_CUTLERY} {_DESKTOP} {_COOKING} {_BOTTLES} Candle Newspaper"
        ),
        "Drawer": f"{_CUTLERY} {_SMALL} Book Candle Cloth DishSponge HandTowel SoapBar",
        "Dresser": f"{_DESKTOP} Bowl Box Candle Newspaper",
        "Fridge": f"{_FOOD} {_TABLEWARE} Glassbottle Pan Pot WineBottle",
        "GarbageCan": f"{_FOOD} {_WASHING} CD Newspaper Pen Pencil",
        "HandTowelHolder": "HandTowel",
        "Microwave": "Apple Bread Egg Potato Tomato Bowl Cup Mug Plate",
        "Ottoman": _SEAT,
        "Safe": "CD CellPhone CreditCard KeyChain Statue Vase Watch",
        "Shelf": f"{_DESKTOP} {_TABLEWARE} {_WASHING} Box Newspaper",
        "SideTable": f"{_DESKTOP} {_TABLEWARE} {_WASHING} Box Newspaper",
        "SinkBasin": (
            f"{_TABLEWARE} {_FOOD} {_CUTLERY} {_COOKING} Cloth DishSponge HandTowel SoapBar"
        ),
        "Sofa": _SEAT,
        "StoveBurner": _COOKING,
        "Toilet": _WASHING,
        "ToiletPaperHanger": "ToiletPaper",
        "TowelHolder": "Towel",
    }.items()
}
"""Types of object that fit in each type of receptacle."""

ABLE: dict[str, frozenset[str]] = {
    able: frozenset(things.split())
    for able, things in {
        "cleanable": (
            f"{_TABLEWARE} {_CUTLERY} {_COOKING} Apple Cloth DishSponge Egg Lettuce Potato "
            "SoapBar Tomato"
        ),
        "heatable": "Apple Bread Cup Egg Mug Plate Potato Tomato",
        "coolable": f"{_FOOD} {_TABLEWARE} Pan Pot WineBottle",
        "sliceable": _FOOD,
        "isReceptacleObject": "Bowl Box Cup Mug Pan Plate Pot",
    }.items()
}
"""Types of object that have a property, by property."""
OPENABLE = frozenset(("Cabinet", "Drawer", "Fridge", "Microwave", "Safe"))
CLUSTERED = frozenset(("Cabinet", "Drawer", "Shelf", "StoveBurner"))
"""Receptacles that often share a location with another of their type."""
LAMP = "DeskLamp"
LAMP_STANDS = ("CoffeeTable", "Desk", "DiningTable", "Dresser", "Shelf", "SideTable")
