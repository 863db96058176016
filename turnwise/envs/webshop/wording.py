"""How a product of the full catalogue reads: title, description and bullets made from what it is.

Every attribute is mentioned at least once. Where, is drawn: in the title, in the first bullet or
the description (all three are searched), or only in a later bullet, which search does not see, so
that reading pages pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.vocabulary import Aisle, Department, generic
from turnwise.envs.webshop.vocabulary.department import singular

IN_TITLE, IN_FIRST, IN_DESCRIPTION, AGAIN = 0.35, 0.2, 0.2, 0.15
"""Chances that an attribute is in the title; else in the first bullet; that a description has it;
that it is repeated.
"""
NAMED, SHORTENED = 0.4, 0.25
"""Chances that the text names the type in full (`console table`), or by its last word; else it uses
the aisle's loose name.
"""
CARELESS = 0.17
"""Share of products whose seller left what matters out of title, description and first bullet, so
that search finds them late.
"""
EMPTY = 0.3
"""Share of products without a description."""
LOOSE = 6
"""Single words of attributes that a title may drop without meaning them (`Free`, `Resistant`), as
sellers do.
"""
BULLETS = (8, 7, 10, 15, 35, 11, 8, 6)
"""Weights of one to eight bullets."""
ROLES = ("of_qualities", "of_parts", "of_uses")


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say."""

    department: Department
    aisle: Aisle
    type: str
    qualities: tuple[str, ...]
    parts: tuple[str, ...]
    uses: tuple[str, ...]
    shown: str
    """An option value that the title gives away, or nothing."""

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.qualities + self.parts + self.uses


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    description: str
    bullets: tuple[str, ...]


def write(draw: Draw, facts: Facts) -> Text:
    """Title, description and bullets."""
    brand, careless = _brand(draw), draw.chance(CARELESS)
    noun = facts.aisle.alias if careless else _noun(draw, facts)
    titled = tuple(word for word in facts.attributes if not careless and draw.chance(IN_TITLE))
    title = _title(draw, facts, brand, noun, titled)
    voice = _Voice(draw, facts, brand, noun)
    count = draw.weighted(
        (2, 3, 4, 5, 6, 7, 8) if careless else (1, 2, 3, 4, 5, 6, 7, 8), BULLETS[careless:]
    )
    bullets: list[list[str]] = [[] for _ in range(count)]
    described: list[str] = []
    for attribute in facts.attributes:
        if attribute not in titled or draw.chance(AGAIN):
            place = (
                draw.between(1, count - 1)
                if careless
                else 0
                if draw.chance(IN_FIRST)
                else draw.below(count)
            )
            bullets[place].append(voice.about(attribute))
        if not careless and draw.chance(IN_DESCRIPTION):
            described.append(voice.about(attribute))
    return Text(
        title,
        _description(draw, voice, described),
        tuple(_bullet(draw, voice, said) for said in bullets),
    )


class _Voice:
    """Sentences about one product; none is said twice before all have been said once."""

    def __init__(self, draw: Draw, facts: Facts, brand: str, noun: str) -> None:
        self.draw, self.facts = draw, facts
        self.slots = {"noun": noun, "brand": brand, "others": draw.pick(facts.aisle.types)}
        self.left: list[str] = []

    def about(self, attribute: str) -> str:
        words = (self.facts.qualities, self.facts.parts, self.facts.uses)
        role = next(role for role, held in zip(ROLES, words, strict=True) if attribute in held)
        return self.draw.pick(generic()[role]).format(thing=attribute, **self.slots)

    def anything(self) -> str:
        if not self.left:
            self.left = self.draw.shuffled(
                (*self.facts.department.sentences, *generic()["sentences"])
            )
        return self.left.pop().format(**self.slots)


def _brand(draw: Draw) -> str:
    words = generic()
    middle = draw.pick(words["brand_middles"]) if draw.chance(0.7) else ""
    name = draw.pick(words["brand_starts"]) + middle + draw.pick(words["brand_ends"])
    return name.upper() if draw.chance(0.3) else name


def _noun(draw: Draw, facts: Facts) -> str:
    point = draw.random()
    full = singular(facts.type)
    return (
        full
        if point < NAMED
        else full.split()[-1]
        if point < NAMED + SHORTENED
        else facts.aisle.alias
    )


def _title(draw: Draw, facts: Facts, brand: str, noun: str, titled: Sequence[str]) -> str:
    """Brand first, then what it is; the rest in any order, until a length of eight to some thirty
    words.
    """
    front = [word for word in facts.qualities if word in titled]
    head = [brand, draw.pick(facts.aisle.extras), *front[:2], noun]
    rest = [f"{word} {noun}" for word in front[2:]]
    rest += [f"with {word}" for word in facts.parts if word in titled]
    rest += [f"for {word}" for word in facts.uses if word in titled]
    length = min(32, max(7, round(draw.lognormal(2.85, 0.43))))
    pools = (facts.aisle.qualities, facts.aisle.parts, facts.aisle.uses)
    loose = [draw.pick(draw.pick(draw.pick(pools)).split()) for _ in range(LOOSE)]
    more = draw.shuffled((*facts.aisle.extras, *loose, *draw.sample(generic()["title_phrases"], 4)))
    while more and len(" ".join(head + rest).split()) < length:
        extra = more.pop()
        rest.append(f"{extra} {noun.split()[-1]}" if draw.chance(0.3) else extra)
    parts = head + draw.shuffled(rest)
    if facts.shown:
        parts.append(f"({facts.shown})")
    return _capital(" ".join(parts))


def _capital(text: str) -> str:
    small = ("with", "for", "and", "of", "to", "the", "by", "in", "over")
    return " ".join(
        word if word in small or not word[0].islower() else word[0].upper() + word[1:]
        for word in text.split()
    )


def _description(draw: Draw, voice: _Voice, said: list[str]) -> str:
    if draw.chance(EMPTY):
        return ""
    count = max(1, round(draw.lognormal(1.9, 0.95)))
    sentences = said + [voice.anything() for _ in range(min(count, 30) - len(said))]
    return ". ".join(draw.shuffled(sentences)) + "."


def _bullet(draw: Draw, voice: _Voice, said: list[str]) -> str:
    sentences = said + [voice.anything() for _ in range(draw.between(1, 3) - (len(said) > 0))]
    start = f"{draw.pick(generic()['headers'])}: " if draw.chance(0.6) else ""
    return start + ". ".join(sentences) + "."
