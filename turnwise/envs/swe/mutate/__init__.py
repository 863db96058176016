"""Bugs made on purpose: single edits that keep the rest of the text as it is, and combinations of
them.
"""

from turnwise.envs.swe.mutate.edits import Edit, edits, rebuild, record, sound
from turnwise.envs.swe.mutate.site import Function, Site, Source, functions

__all__ = ["Edit", "Function", "Site", "Source", "edits", "functions", "rebuild", "record", "sound"]
