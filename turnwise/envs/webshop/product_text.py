"""Titles, descriptions and bullets of the full style.

Every attribute is mentioned at least once, in a random place: the title, the first bullet or the
description, which are indexed, or a later bullet, which is not, so that reading pages pays off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.vocabulary import Aisle, Department, generic, singular

IN_TITLE, IN_FIRST_BULLET, IN_DESCRIPTION, REPEATED = 0.35, 0.2, 0.2, 0.15
"""Probabilities that the title mentions an attribute; that one not in the title is in the first
bullet; that the description mentions it; and that a bullet repeats one of the title."""
FULL_NAME, SHORT_NAME = 0.4, 0.25
"""Probabilities that the text names the type in full (`console table`), or by its last word; else
it uses the aisle's alias."""
HARD_TO_FIND = 0.17
"""Share of products whose title, description and first bullet mention no attribute, so that they
rank low in the search."""
NO_DESCRIPTION = 0.3
"""Share of products without a description."""
STRAY_WORDS = 6
"""Single words of attributes that a title may contain without having the attribute (`Free`,
`Resistant`), as real titles do."""
BULLET_WEIGHTS = (8, 7, 10, 15, 35, 11, 8, 6)
"""Relative frequency of one to eight bullets."""
ROLES = ("of_qualities", "of_parts", "of_uses")
"""Keys of the generic vocabulary with sentences about each role of attributes."""


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """The facts that the text of a product states."""

    department: Department
    aisle: Aisle
    type: str
    qualities: tuple[str, ...]
    parts: tuple[str, ...]
    uses: tuple[str, ...]
    shown: str
    """An option value that the title mentions, or empty."""

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.qualities + self.parts + self.uses


@dataclass(frozen=True, slots=True)
class ProductText:
    """The text of a product's pages."""

    title: str
    description: str
    bullets: tuple[str, ...]


def write(draw: Draw, facts: ProductFacts) -> ProductText:
    """Return a text that mentions every attribute."""
    brand, hidden = _brand(draw), draw.chance(HARD_TO_FIND)
    noun = facts.aisle.alias if hidden else _noun(draw, facts)
    titled = tuple(word for word in facts.attributes if not hidden and draw.chance(IN_TITLE))
    title = _title(draw, facts, brand, noun, titled)
    sentences = _Sentences(draw, facts, brand, noun)
    # A hidden product has a second bullet at least, since the first one is indexed.
    count = draw.weighted(range(1, 9)[hidden:], BULLET_WEIGHTS[hidden:])
    bullets: list[list[str]] = [[] for _ in range(count)]
    described: list[str] = []
    for attribute in facts.attributes:
        if attribute not in titled or draw.chance(REPEATED):
            if hidden:
                number = draw.between(1, count - 1)
            else:
                number = 0 if draw.chance(IN_FIRST_BULLET) else draw.below(count)
            bullets[number].append(sentences.about(attribute))
        if not hidden and draw.chance(IN_DESCRIPTION):
            described.append(sentences.about(attribute))
    description = _description(draw, sentences, described)
    return ProductText(
        title, description, tuple(_bullet(draw, sentences, stated) for stated in bullets)
    )


class _Sentences:
    """Sentences about one product; none is repeated before all have been used."""

    def __init__(self, draw: Draw, facts: ProductFacts, brand: str, noun: str) -> None:
        self.draw, self.facts = draw, facts
        self.slots = {"noun": noun, "brand": brand, "others": draw.pick(facts.aisle.types)}
        self.left: list[str] = []

    def about(self, attribute: str) -> str:
        """Return a sentence that mentions an attribute."""
        by_role = (self.facts.qualities, self.facts.parts, self.facts.uses)
        role = next(role for role, words in zip(ROLES, by_role, strict=True) if attribute in words)
        return self.draw.pick(generic()[role]).format(thing=attribute, **self.slots)

    def filler(self) -> str:
        """Return a sentence without an attribute."""
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


def _noun(draw: Draw, facts: ProductFacts) -> str:
    """Return the noun that the text uses for the product."""
    point = draw.random()
    full = singular(facts.type)
    if point < FULL_NAME:
        return full
    return full.split()[-1] if point < FULL_NAME + SHORT_NAME else facts.aisle.alias


def _title(draw: Draw, facts: ProductFacts, brand: str, noun: str, titled: Sequence[str]) -> str:
    """Return brand and noun, then the rest in random order, of some eight to thirty words."""
    front = [word for word in facts.qualities if word in titled]
    head = [brand, draw.pick(facts.aisle.extras), *front[:2], noun]
    rest = [f"{word} {noun}" for word in front[2:]]
    rest += [f"with {word}" for word in facts.parts if word in titled]
    rest += [f"for {word}" for word in facts.uses if word in titled]
    length = min(32, max(7, round(draw.lognormal(2.85, 0.43))))
    pools = (facts.aisle.qualities, facts.aisle.parts, facts.aisle.uses)
    stray = [draw.pick(draw.pick(draw.pick(pools)).split()) for _ in range(STRAY_WORDS)]
    phrases = draw.sample(generic()["title_phrases"], 4)
    more = draw.shuffled((*facts.aisle.extras, *stray, *phrases))
    while more and len(" ".join(head + rest).split()) < length:
        extra = more.pop()
        rest.append(f"{extra} {noun.split()[-1]}" if draw.chance(0.3) else extra)
    parts = head + draw.shuffled(rest)
    if facts.shown:
        parts.append(f"({facts.shown})")
    return _capitalised(" ".join(parts))


def _capitalised(text: str) -> str:
    small = ("with", "for", "and", "of", "to", "the", "by", "in", "over")
    return " ".join(
        word if word in small or not word[0].islower() else word[0].upper() + word[1:]
        for word in text.split()
    )


def _description(draw: Draw, sentences: _Sentences, stated: list[str]) -> str:
    """Return a description from the sentences `stated` and fillers; often empty."""
    if draw.chance(NO_DESCRIPTION):
        return ""
    count = max(1, round(draw.lognormal(1.9, 0.95)))
    fillers = [sentences.filler() for _ in range(min(count, 30) - len(stated))]
    return ". ".join(draw.shuffled(stated + fillers)) + "."


def _bullet(draw: Draw, sentences: _Sentences, stated: list[str]) -> str:
    """Return a bullet from the sentences `stated` and fillers."""
    fillers = [sentences.filler() for _ in range(draw.between(1, 3) - (len(stated) > 0))]
    header = f"{draw.pick(generic()['headers'])}: " if draw.chance(0.6) else ""
    return header + ". ".join(stated + fillers) + "."
