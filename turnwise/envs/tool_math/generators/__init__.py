"""Families of problems with exact answers, by name. Each module is a topic; each function makes one
problem of a level.
"""

from __future__ import annotations

from turnwise.envs.tool_math.generators import (
    algebra,
    arithmetic,
    counting,
    dates,
    everyday,
    geometry,
    number_theory,
    probability,
    sequences,
)
from turnwise.envs.tool_math.generators.family import Family, Made

__all__ = ["FAMILIES", "Family", "Made"]

FAMILIES: dict[str, Family] = {
    "arithmetic/integers": arithmetic.integers,
    "arithmetic/fractions": arithmetic.fractions,
    "arithmetic/digits": arithmetic.digits,
    "number_theory/divisors": number_theory.divisors,
    "number_theory/modular_power": number_theory.modular_power,
    "number_theory/congruences": number_theory.congruences,
    "number_theory/common": number_theory.common,
    "counting/words": counting.words,
    "counting/committees": counting.committees,
    "counting/paths": counting.paths,
    "algebra/linear_system": algebra.linear_system,
    "algebra/roots": algebra.roots,
    "algebra/coefficient": algebra.coefficient,
    "sequences/recurrence": sequences.recurrence,
    "sequences/series": sequences.series,
    "probability/dice": probability.dice,
    "probability/urn": probability.urn,
    "probability/collector": probability.collector,
    "geometry/polygon": geometry.polygon,
    "geometry/lattice": geometry.lattice,
    "geometry/circle": geometry.circle,
    "dates/weekday": dates.weekday,
    "dates/distance": dates.distance,
    "dates/thirteenths": dates.thirteenths,
    "everyday/shopping": everyday.shopping,
    "everyday/work": everyday.work,
    "everyday/mixture": everyday.mixture,
}
