"""Titles, descriptions and bullets state the facts of the product."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.product_text import ProductFacts, write
from turnwise.envs.webshop.vocabulary import departments

GARDEN = next(department for department in departments() if department.name == "garden")
ROOMS = GARDEN.aisles[0]
FACTS = ProductFacts(
    GARDEN,
    ROOMS,
    "console tables",
    ("heavy duty", "space saving"),
    ("steel frame",),
    ("living room",),
    "oak",
)


@settings(max_examples=60)
@given(st.integers(0, 10**9))
def test_every_attribute_is_mentioned(seed: int) -> None:
    text = write(Draw(seed), FACTS)
    said = " ".join(filter(None, [text.title, text.description, *text.bullets])).lower()
    assert all(attribute in said for attribute in FACTS.attributes)
    assert "{" not in said and "  " not in said


@settings(max_examples=60)
@given(st.integers(0, 10**9))
def test_a_title_begins_with_the_brand_and_ends_with_the_variant_shown(seed: int) -> None:
    title = write(Draw(seed), FACTS).title
    assert title[0].isupper() and title.endswith("(oak)")
    assert 7 <= len(title.split()) <= 40
    assert write(Draw(seed), FACTS) == write(Draw(seed), FACTS)


def test_sellers_name_things_in_full_in_short_or_loosely() -> None:
    titles = [write(Draw("noun", i), FACTS).title.lower() for i in range(400)]
    full = sum("console table" in title for title in titles) / 400
    loose = sum("table" not in title for title in titles) / 400
    assert 0.2 < full < 0.5 and 0.3 < loose < 0.65


def test_bullets_are_one_to_eight_and_never_empty() -> None:
    counts = {len(write(Draw("bullets", i), FACTS).bullets) for i in range(300)}
    assert counts == set(range(1, 9))
    assert all(
        bullet.strip(" .")
        for i in range(100)
        for bullet in write(Draw("bullets", i), FACTS).bullets
    )
