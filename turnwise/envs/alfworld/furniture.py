"""What generated houses are made of: rooms, the furniture in each, what may stand where, and what can be done with it.

The words are the official games' types of receptacle and object (ALFRED, Shridhar et al. 2020), so that a generated game
reads like an official one; how many there are of each, and what is put where, is this package's own choice.
"""

from __future__ import annotations

_TABLEWARE = "Bowl Cup Mug Plate"
_FOOD = "Apple Bread Egg Lettuce Potato Tomato"
_CUTLERY = "ButterKnife Fork Knife Ladle Spatula Spoon"
_COOKING = "Kettle Pan Pot"
_DESKTOP = "AlarmClock Book CD CellPhone CreditCard KeyChain Laptop Mug Pen Pencil RemoteControl Statue Vase Watch"
_SMALL = "CD CellPhone CreditCard KeyChain Pen Pencil RemoteControl Watch"
_WASHING = "Cloth SoapBar SoapBottle SprayBottle TissueBox ToiletPaper"

ROOMS: dict[str, dict[str, tuple[int, int]]] = {
    "kitchen": {
        "Cabinet": (2, 6), "CoffeeMachine": (1, 1), "CounterTop": (1, 3), "DiningTable": (1, 2), "Drawer": (1, 4),
        "Fridge": (1, 1), "GarbageCan": (1, 1), "Microwave": (1, 1), "Shelf": (1, 2), "SinkBasin": (1, 1), "StoveBurner": (1, 4),
    },
    "bathroom": {
        "BathtubBasin": (1, 1), "Cabinet": (2, 4), "CounterTop": (1, 2), "Drawer": (1, 3), "GarbageCan": (1, 1), "Shelf": (1, 2),
        "SinkBasin": (1, 2), "Toilet": (1, 1),
    },
    "bedroom": {
        "ArmChair": (1, 1), "Bed": (1, 1), "Desk": (1, 2), "Drawer": (2, 5), "Dresser": (1, 1), "GarbageCan": (1, 1),
        "Safe": (1, 1), "Shelf": (1, 4), "SideTable": (1, 2),
    },
    "living room": {
        "ArmChair": (1, 2), "CoffeeTable": (1, 1), "DiningTable": (1, 1), "Drawer": (1, 4), "Dresser": (1, 1), "GarbageCan": (1, 1),
        "Safe": (1, 1), "Shelf": (1, 3), "SideTable": (1, 2), "Sofa": (1, 1),
    },
}  # fmt: skip
"""For each room the least and the greatest number of receptacles of each type."""

FITS: dict[str, tuple[str, ...]] = {
    place: tuple(sorted(set(things.split())))
    for place, things in {
        "ArmChair": "Book CellPhone KeyChain Laptop Newspaper Pillow RemoteControl",
        "BathtubBasin": "Cloth SoapBar",
        "Bed": "Book CellPhone Laptop Pillow",
        "Cabinet": f"{_TABLEWARE} {_COOKING} {_WASHING} Book Vase",
        "CoffeeMachine": "Mug",
        "CoffeeTable": f"{_DESKTOP} {_TABLEWARE} Newspaper",
        "CounterTop": f"{_TABLEWARE} {_FOOD} {_CUTLERY} {_COOKING} {_WASHING}",
        "Desk": f"{_DESKTOP} Bowl",
        "DiningTable": f"{_TABLEWARE} {_FOOD} {_CUTLERY} {_DESKTOP} {_COOKING}",
        "Drawer": f"{_CUTLERY} {_SMALL} Book Cloth SoapBar",
        "Dresser": f"{_DESKTOP} Bowl",
        "Fridge": f"{_FOOD} {_TABLEWARE} Pan Pot",
        "GarbageCan": f"{_FOOD} {_WASHING} CD Newspaper Pen Pencil",
        "Microwave": "Apple Bread Egg Potato Tomato Bowl Cup Mug Plate",
        "Safe": "CD CellPhone CreditCard KeyChain Statue Vase Watch",
        "Shelf": f"{_DESKTOP} {_TABLEWARE} {_WASHING}",
        "SideTable": f"{_DESKTOP} {_TABLEWARE} {_WASHING}",
        "SinkBasin": f"{_TABLEWARE} {_FOOD} {_CUTLERY} {_COOKING} Cloth SoapBar",
        "Sofa": "Book CellPhone KeyChain Laptop Newspaper Pillow RemoteControl",
        "StoveBurner": _COOKING,
        "Toilet": "Cloth SoapBar SoapBottle SprayBottle TissueBox ToiletPaper",
    }.items()
}
"""Types of object that a receptacle takes."""

ABLE: dict[str, frozenset[str]] = {
    able: frozenset(things.split())
    for able, things in {
        "cleanable": f"{_TABLEWARE} {_CUTLERY} {_COOKING} Apple Cloth Egg Lettuce Potato SoapBar Tomato",
        "heatable": "Apple Bread Cup Egg Mug Plate Potato Tomato",
        "coolable": f"{_FOOD} {_TABLEWARE} Pan Pot",
        "sliceable": _FOOD,
        "isReceptacleObject": "Bowl Cup Mug Pan Plate Pot",
    }.items()
}
"""For each property the types of object that have it."""
OPENABLE = frozenset(("Cabinet", "Drawer", "Fridge", "Microwave", "Safe"))
LAMP = "DeskLamp"
LAMP_STANDS = ("CoffeeTable", "Desk", "DiningTable", "Dresser", "Shelf", "SideTable")
