"""Sequences: recurrences and sums of progressions."""

from __future__ import annotations

from fractions import Fraction

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made, exact, signed, term


def recurrence(draw: Draw, level: int) -> Made:
    """A term of a linear recurrence of order two, modulo a number on high levels; by powers of its
    matrix, the program iterates.
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
    code = f"a, b = {first}, {second}\nfor _ in range({n} - 1):\n    a, b = b, ({p} * b + {q} * a){reduce}\nprint(a{reduce})"
    return Made(asked.replace("{g}", given).replace("{w}", wanted), str(answer), code)


def _term(p: int, q: int, first: int, second: int, n: int, modulus: int) -> int:
    """a_n by squaring the companion matrix [[p, q], [1, 0]]."""

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


def series(draw: Draw, level: int) -> Made:
    """The sum of an arithmetic or a geometric progression, by its formula; the program adds."""
    count = draw.between(5, (10, 20, 60, 500, 5000)[level - 1])
    if draw.chance(0.5):
        start, step = signed(draw, 9 * level), signed(draw, 3 * level)
        last = start + (count - 1) * step
        total = Fraction(count * (start + last), 2)
        kind, grows = "arithmetic", f"common difference {step}"
        code = f"a, total = {start}, 0\nfor _ in range({count}):\n    total += a\n    a += {step}\nprint(total)"
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
            f"from fractions import Fraction\na, total = Fraction({start}), 0\nfor _ in range({count}):\n"
            f"    total += a\n    a *= Fraction({ratio.numerator}, {ratio.denominator})\nprint(total)"
        )
    asked = draw.pick(
        (
            "What is the sum of the first {n} terms of the {k} sequence with first term {a} and {g}?",
            "A {k} sequence starts at {a} and has {g}. Add up its first {n} terms.",
            "Find the sum of {n} terms of a {k} progression: the first is {a}, and it has {g}.",
        )
    )
    for name, value in (("n", count), ("k", kind), ("a", start), ("g", grows)):
        asked = asked.replace("{" + name + "}", str(value))
    return Made(asked, exact(total), code)
