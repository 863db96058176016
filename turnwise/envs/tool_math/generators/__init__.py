"""Families of problems with exact answers, by name.

Each module is a topic, and each function generates one problem of a level.
"""

from __future__ import annotations

from turnwise.envs.tool_math.generators import algebra, counting, everyday, geometry, number_theory
from turnwise.envs.tool_math.generators.family import Family, GeneratedProblem

__all__ = ["FAMILIES", "Family", "GeneratedProblem"]

FAMILIES: dict[str, Family] = {
    "arithmetic/integers": number_theory.integers,
    "arithmetic/fractions": number_theory.fractions,
    "arithmetic/digits": number_theory.digits,
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
    "sequences/recurrence": algebra.recurrence,
    "sequences/series": algebra.series,
    "probability/dice": counting.dice,
    "probability/urn": counting.urn,
    "probability/collector": counting.collector,
    "geometry/polygon": geometry.polygon,
    "geometry/lattice": geometry.lattice,
    "geometry/circle": geometry.circle,
    "dates/weekday": everyday.weekday,
    "dates/distance": everyday.distance,
    "dates/thirteenths": everyday.thirteenths,
    "everyday/shopping": everyday.shopping,
    "everyday/work": everyday.work,
    "everyday/mixture": everyday.mixture,
}
