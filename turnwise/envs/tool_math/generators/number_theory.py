"""Exact arithmetic, digits, divisors, remainders and congruences."""

from __future__ import annotations

import math
from fractions import Fraction

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, GeneratedProblem, exact, signed

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


def divisors(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the number or the sum of the divisors of a number built from its prime factors."""
    kinds = (2, 2, 3, 3, 4)[level - 1]
    pool = _PRIMES[: (6, 8, 8, 11, 15)[level - 1]]
    highest = (2, 3, 3, 3, 3)[level - 1]
    most = 10 ** (3, 5, 7, 9, 11)[level - 1]  # the program's loop ends at the root of this
    powers, n = [], 1
    for prime in draw.ordered(pool, kinds):
        power = draw.between(1, highest)
        while power and n * prime**power > most:
            power -= 1
        powers.append((prime, power))
        n *= prime**power
    if draw.chance(0.5):
        answer = math.prod(power + 1 for _, power in powers)
        asked = draw.pick(
            (
                "How many positive divisors does {} have?",
                "Find the number of positive integers that divide {}.",
                "{} square tiles are laid out as a full rectangle. How many different widths can "
                "it have?",
            )
        )
        counted = "1"
    else:
        answer = math.prod((prime ** (power + 1) - 1) // (prime - 1) for prime, power in powers)
        asked = draw.pick(
            (
                "What is the sum of all positive divisors of {}?",
                "Add up every positive integer that divides {}, {} included. What is the total?",
                "Find the sum of the positive divisors of {}.",
            )
        )
        counted = "d + (n // d if d * d < n else 0)"
    if counted == "1":
        counted = "1 if d * d == n else 2"
    code = (
        f"n, total, d = {n}, 0, 1\nwhile d * d <= n:\n    if n % d == 0:\n"
        f"        total += {counted}\n    d += 1\nprint(total)"
    )
    return GeneratedProblem(asked.replace("{}", str(n)), str(answer), code)


def modular_power(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the remainder of a power."""
    base = draw.between(2, (12, 99, 999, 10**5, 10**8)[level - 1])
    power = draw.between(5, (30, 200, 5000, 10**6, 10**12)[level - 1])
    modulus = draw.between(5, (20, 99, 999, 10**5, 10**8)[level - 1])
    answer, square, left = 1, base % modulus, power
    while left:
        if left % 2:
            answer = answer * square % modulus
        square, left = square * square % modulus, left // 2
    asked = draw.pick(
        (
            "What is the remainder when ${p}$ is divided by {m}?",
            "Find ${p} \\bmod {m}$.",
            "Compute the remainder of ${p}$ on division by {m}.",
            draw.pick(NAMES)
            + " puts ${p}$ beads into bags of {m} each until fewer than {m} are left. "
            "How many are left?",
        )
    )
    question = asked.replace("{p}", f"{base}^{{{power}}}").replace("{m}", str(modulus))
    return GeneratedProblem(question, str(answer), f"print(pow({base}, {power}, {modulus}))")


def congruences(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the smallest positive integer with given remainders, built around the answer."""
    count = (2, 2, 3, 3, 4)[level - 1]
    pool = _PRIMES[1 : (6, 9, 9, 12, 14)[level - 1]]
    moduli = draw.sample(pool, count)
    product = math.prod(moduli)
    hidden = draw.between(1, product)
    pairs = [(modulus, hidden % modulus) for modulus in moduli]
    listed = ", ".join(
        f"{remainder} when divided by {modulus}" for modulus, remainder in pairs[:-1]
    )
    listed += f" and {pairs[-1][1]} when divided by {pairs[-1][0]}"
    asked = draw.pick(
        (
            "Find the smallest positive integer that leaves remainder {}.",
            "What is the least positive integer with remainder {}?",
            draw.pick(NAMES)
            + " has the smallest possible positive number of coins that leaves a remainder of {}. "
            "How many coins is that?",
        )
    )
    tests = " and ".join(f"n % {modulus} == {remainder}" for modulus, remainder in pairs)
    return GeneratedProblem(
        asked.replace("{}", listed),
        str(hidden),
        f"n = 1\nwhile not ({tests}):\n    n += 1\nprint(n)",
    )


def common(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the greatest common divisor or the least common multiple of some numbers."""
    size = (9, 30, 99, 999, 9999)[level - 1]
    count = (2, 2, 3, 3, 4)[level - 1]
    shared = draw.between(2, size)
    numbers = [shared * draw.between(2, size) for _ in range(count)]
    listed = ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
    largest = numbers[0]
    for value in numbers[1:]:
        while value:
            largest, value = value, largest % value
    if draw.chance(0.5):
        asked = draw.pick(
            (
                "What is the greatest common divisor of {}?",
                "Find the largest integer that divides each of {}.",
                "Ropes of {} cm are to be cut into pieces of one equal length, a whole number of "
                "centimetres, with nothing left over. How long, in centimetres, can the pieces "
                "be at most?",
            )
        )
        return GeneratedProblem(
            asked.replace("{}", listed),
            str(largest),
            f"import math\nprint(math.gcd{tuple(numbers)})",
        )
    least = numbers[0]
    for value in numbers[1:]:
        least = least // _gcd(least, value) * value
    asked = draw.pick(
        (
            "What is the least common multiple of {}?",
            "Find the smallest positive integer that is a multiple of each of {}.",
            "Lamps that flash every {} seconds flash together now. After how many seconds do "
            "they first flash together again?",
        )
    )
    return GeneratedProblem(
        asked.replace("{}", listed), str(least), f"import math\nprint(math.lcm{tuple(numbers)})"
    )


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def integers(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for a chain of sums, differences and products.

    From level 1 to 5 operands grow from two to ten digits, and the chain from two to four.
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
    return GeneratedProblem(asked.replace("{}", shown), str(total), f"print({source})")


def fractions(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for a sum of fractions with numerators and denominators up to 9, 30, 99, 999, 9999."""
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
    return GeneratedProblem(
        asked.replace("{}", shown),
        exact(answer),
        f"from fractions import Fraction\nprint({summands})",
    )


def digits(draw: Draw, level: int) -> GeneratedProblem:
    """Ask for the sum or the number of the decimal digits of a power."""
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
    return GeneratedProblem(asked.replace("{}", f"{base}^{{{power}}}"), str(answer), code)
