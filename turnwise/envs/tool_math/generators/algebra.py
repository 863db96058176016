"""Linear systems, polynomials, recurrences and progressions, built around their solutions."""

from __future__ import annotations

from fractions import Fraction
from math import comb

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import (
    NAMES,
    GeneratedProblem,
    exact,
    polynomial,
    signed,
    term,
)

_UNKNOWNS = "xyzw"


def linear_system(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for an unknown, or the sum of all, of a linear system built around its solution.

    The program eliminates.
    """
    count = (2, 2, 3, 3, 4)[level - 1]
    size = (5, 9, 9, 20, 20)[level - 1]
    bottom = (1, 1, 1, 4, 6)[level - 1]
    while True:
        matrix = [[signed(draw, size) for _ in range(count)] for _ in range(count)]
        if _determinant(matrix) != 0:
            break
    solution = [Fraction(signed(draw, 3 * size), draw.between(1, bottom)) for _ in range(count)]
    # Each equation is multiplied by a denominator, so that it has integer coefficients.
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
        f"from fractions import Fraction\nrows = [[Fraction(v) for v in row] for row in {rows}]\nn "
        "= len(rows)\n"
        "for i in range(n):\n    pivot = next(k for k in range(i, n) if rows[k][i])\n    rows[i], "
        "rows[pivot] = rows[pivot], rows[i]\n    rows[i] = [v / rows[i][i] for v in rows[i]]\n"
        "    for k in range(n):\n        if k != i:\n            rows[k] = [a - rows[k][i] * b "
        "for a, b in zip(rows[k], rows[i])]\n"
        f"print({'sum(row[-1] for row in rows)' if wanted == count else f'rows[{wanted}][-1]'})"
    )
    question = asked.replace("{s}", listed).replace("{t}", target)
    return GeneratedProblem(question, exact(answer), code)


def _determinant(matrix: list[list[int]]) -> int:
    if len(matrix) == 1:
        return matrix[0][0]
    minors = ([row[:k] + row[k + 1 :] for row in matrix[1:]] for k in range(len(matrix)))
    return sum((-1) ** k * matrix[0][k] * _determinant(minor) for k, minor in enumerate(minors))


def roots(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the largest, the smallest or a sum over the integer roots of a polynomial.

    The program tries integers.
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
        f"coefficients = {coefficients}\n\ndef value(x):\n    total = 0\n    for c in "
        "coefficients:\n"
        "        total = total * x + c\n    return total\n\nbound = max(map(abs, coefficients)) "
        "// abs(coefficients[0]) + 1\nroots = []\nx = 0\n"
        f"while len(roots) < {degree} and x <= bound:\n    roots += [r for r in {{x, -x}} if "
        f"value(r) == 0]\n    x += 1\nprint({expression})"
    )
    question = asked.replace("{p}", polynomial(coefficients)).replace("{w}", what)
    return GeneratedProblem(question, str(answer), code)


def coefficient(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for a coefficient of a product of powers of binomials.

    The answer is by the binomial theorem; the program multiplies out.
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
        f"product = [1]  # lowest power first\nfor a, b in {factors}:\n    product = [b * x + a * "
        f"y for x, y in zip(product + [0], [0] + product)]\nprint(product[{wanted}])"
    )
    question = asked.replace("{k}", f"{{{wanted}}}").replace("{{", "{").replace("}}", "}")
    return GeneratedProblem(question.replace("{p}", shown), str(answer), code)


def _by_binomial_theorem(binomials: list[tuple[int, int]], powers: list[int], wanted: int) -> int:
    (a, b), n = binomials[0], powers[0]
    if len(powers) == 1:
        return comb(n, wanted) * a**wanted * b ** (n - wanted) if 0 <= wanted <= n else 0
    rest = (_by_binomial_theorem(binomials[1:], powers[1:], wanted - k) for k in range(n + 1))
    return sum(comb(n, k) * a**k * b ** (n - k) * inner for k, inner in enumerate(rest))


def recurrence(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for a term of a linear recurrence of order two, from level 4 on modulo a number.

    The answer is by powers of the companion matrix; the program iterates.
    """
    p, q = draw.between(1, (2, 3, 5, 9, 20)[level - 1]), signed(draw, (2, 3, 5, 9, 20)[level - 1])
    first, second = draw.between(0, 9), draw.between(1, 9 * level)
    n = draw.between((4, 6, 10, 100, 1000)[level - 1], (8, 12, 25, 1000, 10**5)[level - 1])
    modulus = draw.between(50, 10**6) if level >= 4 else 0
    answer = _term(p, q, first, second, n, modulus)
    rule = f"a_n = {term(p, 'a_{n-1}', first=True)}{term(q, 'a_{n-2}')}"
    given = f"$a_1 = {first}$, $a_2 = {second}$ and ${rule}$ for $n \\ge 3$"
    wanted = (
        f"the remainder of $a_{{{n}}}$ when divided by {modulus}" if modulus else f"$a_{{{n}}}$"
    )
    asked = draw.pick(
        (
            "A sequence is given by {g}. Find {w}.",
            "Let {g}. What is {w}?",
            draw.pick(NAMES) + " writes down a sequence with {g}. Find {w}.",
        )
    )
    reduce = f" % {modulus}" if modulus else ""
    code = (
        f"a, b = {first}, {second}\nfor _ in range({n} - 1):\n"
        f"    a, b = b, ({p} * b + {q} * a){reduce}\nprint(a{reduce})"
    )
    return GeneratedProblem(asked.replace("{g}", given).replace("{w}", wanted), str(answer), code)


def _term(p: int, q: int, first: int, second: int, n: int, modulus: int) -> int:
    """Return a_n by squaring the companion matrix [[p, q], [1, 0]]."""

    def times(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
        cells = (
            x[0] * y[0] + x[1] * y[2],
            x[0] * y[1] + x[1] * y[3],
            x[2] * y[0] + x[3] * y[2],
            x[2] * y[1] + x[3] * y[3],
        )
        return tuple(cell % modulus for cell in cells) if modulus else cells

    power: tuple[int, ...] = (1, 0, 0, 1)
    square: tuple[int, ...] = (p, q, 1, 0)
    left = n - 1
    while left:
        if left % 2:
            power = times(power, square)
        square, left = times(square, square), left // 2
    value = power[2] * second + power[3] * first
    return value % modulus if modulus else value


def series(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the sum of an arithmetic or geometric progression.

    The answer is by the formula; the program adds.
    """
    count = draw.between(5, (10, 20, 60, 500, 5000)[level - 1])
    if draw.chance(0.5):
        start, step = signed(draw, 9 * level), signed(draw, 3 * level)
        last = start + (count - 1) * step
        total = Fraction(count * (start + last), 2)
        kind, grows = "arithmetic", f"common difference {step}"
        code = (
            f"a, total = {start}, 0\nfor _ in range({count}):\n"
            f"    total += a\n    a += {step}\nprint(total)"
        )
    else:
        count = min(count, 6 * level)
        start, ratio = (
            signed(draw, 9),
            Fraction(signed(draw, 1 + level), draw.pick((1, 2, 3)) if level > 1 else 1),
        )
        ratio = ratio if ratio != 1 else Fraction(2)
        total = start * (ratio**count - 1) / (ratio - 1)
        kind, grows = "geometric", f"common ratio ${exact(ratio)}$"
        code = (
            f"from fractions import Fraction\na, total = Fraction({start}), 0\nfor _ in "
            f"range({count}):\n    total += a\n    a *= Fraction({ratio.numerator}, "
            f"{ratio.denominator})\nprint(total)"
        )
    asked = draw.pick(
        (
            "What is the sum of the first {n} terms of the {k} sequence with first term {a} and "
            "{g}?",
            "A {k} sequence starts at {a} and has {g}. Add up its first {n} terms.",
            "Find the sum of {n} terms of a {k} progression: the first is {a}, and it has {g}.",
        )
    )
    for name, value in (("n", count), ("k", kind), ("a", start), ("g", grows)):
        asked = asked.replace("{" + name + "}", str(value))
    return GeneratedProblem(asked, exact(total), code)
