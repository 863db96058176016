"""Divisors, remainders and congruences."""

from __future__ import annotations

import math

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math.generators.family import NAMES, Made

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


def divisors(draw: Draw, level: int) -> Made:
    """The number, or the sum, of the divisors of a number built from its prime factors."""
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
                "{} square tiles are laid out as a full rectangle. How many different widths can it have?",
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
    code = f"n, total, d = {n}, 0, 1\nwhile d * d <= n:\n    if n % d == 0:\n        total += {counted}\n    d += 1\nprint(total)"
    return Made(asked.replace("{}", str(n)), str(answer), code)


def modular_power(draw: Draw, level: int) -> Made:
    """The remainder of a power."""
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
            + " puts ${p}$ beads into bags of {m} each until fewer than {m} are left. How many are left?",
        )
    )
    question = asked.replace("{p}", f"{base}^{{{power}}}").replace("{m}", str(modulus))
    return Made(question, str(answer), f"print(pow({base}, {power}, {modulus}))")


def congruences(draw: Draw, level: int) -> Made:
    """The smallest positive integer with given remainders, found back from one that was hidden."""
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
            + " has the smallest possible positive number of coins that leaves a remainder of {}. How many coins is that?",
        )
    )
    tests = " and ".join(f"n % {modulus} == {remainder}" for modulus, remainder in pairs)
    return Made(
        asked.replace("{}", listed),
        str(hidden),
        f"n = 1\nwhile not ({tests}):\n    n += 1\nprint(n)",
    )


def common(draw: Draw, level: int) -> Made:
    """Greatest common divisor or least common multiple, of numbers built to share a factor."""
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
                "Ropes of {} cm are to be cut into pieces of one equal length, a whole number of centimetres, "
                "with nothing left over. "
                "How long, in centimetres, can the pieces be at most?",
            )
        )
        return Made(
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
            "Lamps that flash every {} seconds flash together now. After how many seconds do they first flash together again?",
        )
    )
    return Made(
        asked.replace("{}", listed), str(least), f"import math\nprint(math.lcm{tuple(numbers)})"
    )


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a
