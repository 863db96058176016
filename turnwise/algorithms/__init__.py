"""How credit is given: slots, one file per paper, and recipes by name.

`recipe("grpo", clip=0.2)` is the way in. Importing this package does not import torch.
"""

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.registry import recipe, recipe_names, register_recipe, settings
from turnwise.algorithms.streams import Batch, Streams

__all__ = [
    "Batch",
    "CommonOptions",
    "Recipe",
    "Streams",
    "recipe",
    "recipe_names",
    "register_recipe",
    "settings",
]
