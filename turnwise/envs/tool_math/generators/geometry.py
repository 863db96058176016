"""Areas and lattice points, from coordinates."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, GeneratedProblem, exact

Point = tuple[int, int]


def _triangle(draw: Draw, size: int) -> tuple[list[Point], int]:
    """Draw three points not on a line; return them and twice their signed area."""
    while True:
        points = [(draw.between(-size, size), draw.between(-size, size)) for _ in range(3)]
        (ax, ay), (bx, by), (cx, cy) = points
        double = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if double:
            return points, double


def _listed(points: list[Point]) -> str:
    return ", ".join(f"$({x},{y})$" for x, y in points[:-1]) + " and $({},{})$".format(*points[-1])


def polygon(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the area of a polygon around the origin.

    The answer is a sum of triangles; the program uses the shoelace formula.
    """
    count = (3, 4, 5, 7, 10)[level - 1]
    size = (6, 10, 20, 50, 200)[level - 1]
    # In the order of their directions from the origin, corners make a simple polygon.
    while True:
        corners = {(draw.between(-size, size), draw.between(-size, size)) for _ in range(count)}
        points = _around([point for point in sorted(corners) if point != (0, 0)])
        if len(points) == count:
            break
    double = sum(
        abs(ax * by - bx * ay)
        for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True)
    )
    asked = draw.pick(
        (
            "Find the area of the polygon with vertices {}, in this order.",
            "What is the area of the polygon whose corners are, in order, {}?",
            "A field has the corners {}, joined in this order by straight fences and then "
            "closed. What is its area?",
        )
    )
    code = (
        f"from fractions import Fraction\np = {points}\n"
        "print(Fraction(abs(sum(p[i - 1][0] * p[i][1] - p[i][0] * p[i - 1][1] for i in "
        "range(len(p)))), 2))"
    )
    return GeneratedProblem(asked.replace("{}", _listed(points)), exact(Fraction(double, 2)), code)


def _around(points: list[Point]) -> list[Point]:
    """Sort points by direction from the origin, exactly; [] if the origin is not inside them."""
    from functools import cmp_to_key

    def half(point: Point) -> int:
        return 0 if point[1] > 0 or (point[1] == 0 and point[0] > 0) else 1

    def before(a: Point, b: Point) -> int:
        return half(a) - half(b) or -_sign(a[0] * b[1] - a[1] * b[0])

    ordered = sorted(points, key=cmp_to_key(before))
    turns = [
        a[0] * b[1] - a[1] * b[0] for a, b in zip(ordered, ordered[1:] + ordered[:1], strict=True)
    ]
    return ordered if len(ordered) > 2 and all(turn > 0 for turn in turns) else []


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def lattice(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the number of lattice points strictly inside a triangle.

    The answer is by Pick's theorem; the program counts.
    """
    points, double = _triangle(draw, (4, 8, 15, 40, 120)[level - 1])
    edge = sum(
        gcd(bx - ax, by - ay)
        for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True)
    )
    answer = (abs(double) - edge + 2) // 2
    asked = draw.pick(
        (
            "How many points with integer coordinates lie strictly inside the triangle with "
            "vertices {}?",
            "Count the lattice points in the interior of the triangle {}. Points on the boundary "
            "do not count.",
            draw.pick(NAMES)
            + " draws the triangle with corners {} on squared paper. How many grid points are "
            "inside it, not on its sides?",
        )
    )
    code = (
        f"(ax, ay), (bx, by), (cx, cy) = {points}\n\ndef side(px, py, qx, qy, x, y):\n"
        "    return (qx - px) * (y - py) - (x - px) * (qy - py)\n\ncount = 0\nfor x in "
        "range(min(ax, bx, cx), max(ax, bx, cx) + 1):\n    for y in range(min(ay, by, cy), "
        "max(ay, by, cy) + 1):\n        s = [side(ax, ay, bx, by, x, y), side(bx, by, cx, cy, x, "
        "y), side(cx, cy, ax, ay, x, y)]\n        count += all(v > 0 for v in s) or all(v < 0 for "
        "v in s)\nprint(count)"
    )
    return GeneratedProblem(asked.replace("{}", _listed(points)), str(answer), code)


def circle(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the squared radius of the circle through three points.

    The answer is the product of the squared sides over sixteen squared areas; the program solves
    for the centre.
    """
    points, double = _triangle(draw, (4, 7, 12, 30, 90)[level - 1])
    sides = [
        (bx - ax) ** 2 + (by - ay) ** 2
        for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True)
    ]
    answer = Fraction(sides[0] * sides[1] * sides[2], 4 * double * double)
    asked = draw.pick(
        (
            "A circle passes through {}. What is the square of its radius?",
            "Find $R^2$, where $R$ is the circumradius of the triangle {}.",
            "The points {} lie on one circle of radius $r$. What is $r^2$, exactly?",
        )
    )
    code = (
        f"from fractions import Fraction\n(ax, ay), (bx, by), (cx, cy) = {points}\n"
        "d = 2 * (ax * (by - cy) + bx * (cy - ay) + cx * (ay - by))\na, b, c = ax * ax + ay * ay, "
        "bx * bx + by * by, cx * cx + cy * cy\nx = Fraction(a * (by - cy) + b * (cy - ay) + c * "
        "(ay - by), d)\ny = Fraction(a * (cx - bx) + b * (ax - cx) + c * (bx - ax), d)\nprint((ax "
        "- x) ** 2 + (ay - y) ** 2)"
    )
    return GeneratedProblem(asked.replace("{}", _listed(points)), exact(answer), code)
