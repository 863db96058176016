"""turnwise: environments for language agents that act over many turns, and algorithms that train
them.

Importing it registers the environments with Gymnasium and loads nothing heavy.
"""

from turnwise.envs.registry import register_built_in

register_built_in()
