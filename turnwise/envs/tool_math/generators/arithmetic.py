"""Arithmetic that is easy to say and long to do: large integers, fractions, digits of powers."""

from __future__ import annotations

from fractions import Fraction

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made, exact, signed


def integers(draw: Draw, level: int) -> Made:
    """A chain of sums, differences and products; the operands grow from two to ten digits, the
    chain from two to four.
    """
    size = 10 ** (2, 3, 5, 8, 10)[level - 1]
    count = (2, 3, 3, 4, 4)[level - 1]
    numbers = [draw.between(size // 10, size - 1) for _ in range(count)]
    signs = [draw.pick("+-*") for _ in range(count - 1)]
    source = str(numbers[0]) + "".join(
        f" {sign} {value}" for sign, value in zip(signs, numbers[1:], strict=True)
    )
    # Products bind first: each product is a summand.
    total, product, plus = 0, numbers[0], 1
    for sign, value in zip(signs, numbers[1:], strict=True):
        if sign == "*":
            product *= value
        else:
            total, product, plus = total + plus * product, value, 1 if sign == "+" else -1
    total += plus * product
    shown = source.replace("*", "\\times")
    asked = draw.pick(
        (
            "Compute ${}$.",
            "What is ${}$?",
            "Find the exact value of ${}$.",
            "Evaluate ${}$ without rounding.",
            draw.pick(NAMES) + " needs the exact value of ${}$. What is it?",
        )
    )
    return Made(asked.replace("{}", shown), str(total), f"print({source})")


def fractions(draw: Draw, level: int) -> Made:
    """A sum of fractions with numerators and denominators up to 9, 30, 99, 999, 9999."""
    size = (9, 30, 99, 999, 9999)[level - 1]
    count = (2, 2, 3, 3, 4)[level - 1]
    parts = [(signed(draw, size), draw.between(2, size)) for _ in range(count)]
    common = 1
    for _, bottom in parts:
        common *= bottom
    answer = Fraction(sum(top * (common // bottom) for top, bottom in parts), common)
    shown = ""
    for top, bottom in parts:
        sign = "-" if top < 0 else "+" if shown else ""
        shown += (
            f"{' ' if shown else ''}{sign}{' ' if shown else ''}\\frac{{{abs(top)}}}{{{bottom}}}"
        )
    asked = draw.pick(
        (
            "Compute ${}$ and give the answer as a fraction in lowest terms.",
            "What is ${}$, as an exact fraction?",
            "Simplify ${}$ to a single fraction.",
            "Write ${}$ as one fraction in lowest terms.",
        )
    )
    summands = " + ".join(f"Fraction({top}, {bottom})" for top, bottom in parts)
    return Made(
        asked.replace("{}", shown),
        exact(answer),
        f"from fractions import Fraction\nprint({summands})",
    )


def digits(draw: Draw, level: int) -> Made:
    """The sum, or the number, of the decimal digits of a power."""
    base = draw.between(2, (12, 60, 300, 2000, 9999)[level - 1])
    power = draw.between((3, 5, 10, 20, 40)[level - 1], (12, 20, 40, 100, 300)[level - 1])
    value, total, count = base**power, 0, 0
    while value:
        value, last = divmod(value, 10)
        total, count = total + last, count + 1
    if draw.chance(0.5):
        asked = draw.pick(
            (
                "What is the sum of the decimal digits of ${}$?",
                "Add up all the digits of ${}$ written in base ten. What do you get?",
                "Find the digit sum of ${}$.",
            )
        )
        answer, code = total, f"print(sum(map(int, str({base}**{power}))))"
    else:
        asked = draw.pick(
            (
                "How many decimal digits does ${}$ have?",
                "${}$ is written out in base ten. How many digits is that?",
                "Find the number of digits of ${}$ in base ten.",
            )
        )
        answer, code = count, f"print(len(str({base}**{power})))"
    return Made(asked.replace("{}", f"{base}^{{{power}}}"), str(answer), code)
