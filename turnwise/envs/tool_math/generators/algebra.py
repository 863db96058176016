"""Equations built around their solutions: linear systems, polynomials, sums over roots."""

from __future__ import annotations

from fractions import Fraction

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made, exact, polynomial, signed, term

_UNKNOWNS = "xyzw"


def linear_system(draw: Draw, level: int) -> Made:
    """One unknown, or the sum of the unknowns, of a linear system with a hidden solution; the
    program eliminates.
    """
    count = (2, 2, 3, 3, 4)[level - 1]
    size = (5, 9, 9, 20, 20)[level - 1]
    bottom = (1, 1, 1, 4, 6)[level - 1]
    while True:
        matrix = [[signed(draw, size) for _ in range(count)] for _ in range(count)]
        if _determinant(matrix) != 0:
            break
    solution = [Fraction(signed(draw, 3 * size), draw.between(1, bottom)) for _ in range(count)]
    # Each equation is multiplied up, so that it is written in integers.
    rows = []
    for row in matrix:
        right = sum((a * value for a, value in zip(row, solution, strict=True)), Fraction(0))
        rows.append([a * right.denominator for a in row] + [right.numerator])
    names = _UNKNOWNS[:count]
    shown = []
    for row in rows:
        left = ""
        for a, name in zip(row, names, strict=False):
            left += term(a, name, first=not left)
        shown.append(f"${left} = {row[-1]}$")
    wanted = draw.between(0, count)
    target, answer = (
        ("+".join(names), sum(solution, Fraction(0)))
        if wanted == count
        else (names[wanted], solution[wanted])
    )
    asked = draw.pick(
        (
            "Solve {s}. What is ${t}$?",
            "If {s}, find ${t}$.",
            "Given {s}, what is the value of ${t}$?",
            draw.pick(NAMES) + " knows that {s}. Find ${t}$.",
        )
    )
    listed = ", ".join(shown[:-1]) + f" and {shown[-1]}"
    code = (
        f"from fractions import Fraction\nrows = [[Fraction(v) for v in row] for row in {rows}]\nn = len(rows)\n"
        f"for i in range(n):\n"
        "    pivot = next(k for k in range(i, n) if rows[k][i])\n    rows[i], rows[pivot] = rows[pivot], rows[i]\n"
        "    rows[i] = [v / rows[i][i] for v in rows[i]]\n    for k in range(n):\n        if k != i:\n"
        "            rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i])]\n"
        f"print({'sum(row[-1] for row in rows)' if wanted == count else f'rows[{wanted}][-1]'})"
    )
    return Made(asked.replace("{s}", listed).replace("{t}", target), exact(answer), code)


def _determinant(matrix: list[list[int]]) -> int:
    if len(matrix) == 1:
        return matrix[0][0]
    minors = ([row[:k] + row[k + 1 :] for row in matrix[1:]] for k in range(len(matrix)))
    return sum((-1) ** k * matrix[0][k] * _determinant(minor) for k, minor in enumerate(minors))


def roots(draw: Draw, level: int) -> Made:
    """The largest, the smallest, or a sum over the integer roots of an expanded polynomial; the
    program tries integers.
    """
    degree = (2, 2, 3, 4, 5)[level - 1]
    size = (6, 15, 12, 15, 30)[level - 1]
    found = sorted(draw.sample([value for value in range(-size, size + 1) if value], degree))
    coefficients = [1]
    for root in found:
        coefficients = [
            a - root * b for a, b in zip([*coefficients, 0], [0, *coefficients], strict=True)
        ]
    factor = draw.between(1, (1, 3, 4, 6, 9)[level - 1])
    coefficients = [factor * value for value in coefficients]
    what, answer, expression = draw.pick(
        (
            ("largest root", found[-1], "max(roots)"),
            ("smallest root", found[0], "min(roots)"),
            (
                "sum of the squares of the roots",
                sum(root**2 for root in found),
                "sum(r * r for r in roots)",
            ),
            (
                "sum of the absolute values of the roots",
                sum(map(abs, found)),
                "sum(map(abs, roots))",
            ),
        )
    )
    asked = draw.pick(
        (
            "All roots of ${p}$ are integers. What is the {w}?",
            "Find the {w} of ${p}$, all of whose roots are integers.",
            "The equation ${p} = 0$ has only integer solutions. Find the {w}.",
        )
    )
    code = (
        f"coefficients = {coefficients}\n\ndef value(x):\n    total = 0\n    for c in coefficients:\n"
        f"        total = total * x + c\n    return total\n\n"
        f"bound = max(map(abs, coefficients)) // abs(coefficients[0]) + 1\nroots = []\nx = 0\n"
        f"while len(roots) < {degree} and x <= bound:\n"
        f"    roots += [r for r in {{x, -x}} if value(r) == 0]\n    x += 1\nprint({expression})"
    )
    return Made(
        asked.replace("{p}", polynomial(coefficients)).replace("{w}", what), str(answer), code
    )


def coefficient(draw: Draw, level: int) -> Made:
    """A coefficient of a product of powers of binomials; the answer by the binomial theorem, the
    program multiplies out.
    """
    powers = [draw.between(2, (3, 5, 7, 12, 25)[level - 1]) for _ in range(1 if level < 3 else 2)]
    size = (3, 5, 5, 7, 9)[level - 1]
    binomials = [(draw.between(1, size), signed(draw, size)) for _ in powers]
    wanted = draw.between(1, sum(powers) - 1)
    answer = _by_binomial_theorem(binomials, powers, wanted)
    shown = "".join(
        f"({term(a, 'x', first=True)}{term(b, '')})^{{{n}}}"
        for (a, b), n in zip(binomials, powers, strict=True)
    )
    asked = draw.pick(
        (
            "What is the coefficient of $x^{{k}}$ in the expansion of ${p}$?",
            "Expand ${p}$. Which number stands before $x^{{k}}$?",
            "Find the coefficient of $x^{{k}}$ in ${p}$.",
        )
    )
    factors = [pair for pair, n in zip(binomials, powers, strict=True) for _ in range(n)]
    code = (
        f"product = [1]  # lowest power first\nfor a, b in {factors}:\n"
        f"    product = [b * x + a * y for x, y in zip(product + [0], [0] + product)]\nprint(product[{wanted}])"
    )
    return Made(
        asked.replace("{k}", f"{{{wanted}}}")
        .replace("{{", "{")
        .replace("}}", "}")
        .replace("{p}", shown),
        str(answer),
        code,
    )


def _by_binomial_theorem(binomials: list[tuple[int, int]], powers: list[int], wanted: int) -> int:
    from math import comb

    (a, b), n = binomials[0], powers[0]
    if len(powers) == 1:
        return comb(n, wanted) * a**wanted * b ** (n - wanted) if 0 <= wanted <= n else 0
    rest = (_by_binomial_theorem(binomials[1:], powers[1:], wanted - k) for k in range(n + 1))
    return sum(comb(n, k) * a**k * b ** (n - k) * inner for k, inner in enumerate(rest))
