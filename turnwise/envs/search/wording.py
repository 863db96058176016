"""What a wording does: it puts a world and the questions about it into words. They are `full`,
`compact` and `facts`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple, Protocol

from turnwise.envs.search.names import Words
from turnwise.envs.search.relations import Entity, Relation, Value
from turnwise.envs.seeding import Draw


class Stated(NamedTuple):
    """A passage about an entity, before it has an id."""

    title: str
    text: str
    relations: tuple[str, ...]
    """What it tells of the entity."""


class Wording(Protocol):
    """Names, passages and questions of one style. Everything random comes from `draw`."""

    @property
    def short_words(self) -> bool:
        """Whether names are of short words."""
        ...

    @property
    def reserved(self) -> Set[str]:
        """Every word of the wording itself: no name shares one."""
        ...

    def entity(
        self, draw: Draw, words: Words, kind: str, known: Sequence[Entity], overlap: float
    ) -> Entity:
        """A new entity; with probability `overlap` its name has a word of a known one's."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of questions that can be looked up in its passages."""
        ...

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[Stated]:
        """What the world knows about an entity: every value once."""
        ...

    def query(self, relation: Relation, name: str) -> str:
        """What to search for to learn the value of a relation of what is called `name`."""
        ...

    def distractor(self, draw: Draw, number: int, facts: Sequence[Entity]) -> tuple[str, str]:
        """Title and text of a passage that names entities, and none of the relations."""
        ...

    def phrase(self, draw: Draw, relation: Relation, inner: str) -> str:
        """A noun phrase: the value of a relation of whatever `inner` stands for."""
        ...

    def ask(self, draw: Draw, relation: Relation, inner: str) -> str:
        """A question after the value of a relation of whatever `inner` stands for."""
        ...

    def both(self, kind: str, first: tuple[Relation, Value], second: tuple[Relation, Value]) -> str:
        """A noun phrase: the one of a kind of which two relations have these values."""
        ...

    def which(self, described: str) -> str:
        """A question after the name of what is described."""
        ...

    def earlier(self, draw: Draw, relation: Relation, one: str, other: str) -> str:
        """A question after the name of the one of two for which the year is earlier."""
        ...
