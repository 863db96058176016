"""How ALFRED spells the types that PDDL reads without regard to case: `SoapBottle`, `TVStand`,
`CD`.

A list of facts (types in the problems of the official games), of use where a person or a directory
name wants them.
"""

from __future__ import annotations

from functools import cache

TYPES = """
AlarmClock Apple ArmChair BaseballBat BasketBall Bathtub BathtubBasin Bed Blinds Book Boots Bowl Box Bread ButterKnife CD
Cabinet Candle Cart CellPhone Chair Cloth CoffeeMachine CoffeeTable CounterTop CreditCard Cup Curtains Desk DeskLamp
DiningTable DishSponge Drawer Dresser Egg FloorLamp Footstool Fork Fridge GarbageCan Glassbottle HandTowel HandTowelHolder
HousePlant Kettle KeyChain Knife Ladle Laptop LaundryHamper LaundryHamperLid Lettuce LightSwitch Microwave Mirror Mug
Newspaper Ottoman Painting PaintingHanger Pan PaperTowel PaperTowelRoll Pen Pencil PepperShaker Pillow Plate Plunger Poster
Pot Potato RemoteControl Safe SaltShaker ScrubBrush Shelf ShowerDoor ShowerGlass SideTable Sink SinkBasin SoapBar SoapBottle
Sofa Spatula Spoon SprayBottle Statue StoveBurner StoveKnob TVStand TeddyBear Television TennisRacket TissueBox Toaster
Toilet ToiletPaper ToiletPaperHanger ToiletPaperRoll Tomato Towel TowelHolder Vase Watch WateringCan Window WineBottle
"""


@cache
def _by_lower() -> dict[str, str]:
    return {kind.lower(): kind for kind in TYPES.split()}


def spelled(kind: str) -> str:
    """`soapbottle` as `SoapBottle`, `soapbottletype` as `SoapBottleType`; a type that is not
    ALFRED's stays as it is.
    """
    bare = kind.removesuffix("type")
    known = _by_lower().get(bare)
    return kind if known is None else known + ("" if bare == kind else "Type")
