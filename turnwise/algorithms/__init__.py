"""Algorithms: recipes by name, the parts they are made of, and one file a paper.

Start with `recipe("grpo", clip=0.2)`. Importing this package does not import torch.
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
