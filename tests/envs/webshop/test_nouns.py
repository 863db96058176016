"""Taggers by name, and the nouns each finds."""

from __future__ import annotations

import importlib.util
import pickle

import pytest

from turnwise.envs.webshop.nouns import (
    SPACY_MODEL,
    every_alphabetic_token,
    heuristic_nouns,
    spacy_nouns,
    tagger,
)
from turnwise.errors import ConfigError

HAS_MODEL = (
    importlib.util.find_spec("spacy") is not None
    and importlib.util.find_spec(SPACY_MODEL) is not None
)


def test_alphabetic() -> None:
    assert every_alphabetic_token("Men's Lamp, 2-Pack for the 12oz Mug (Oak+Pine)") == (
        "men",
        "lamp",
        "pack",
        "for",
        "the",
        "oz",
        "mug",
    )


def test_heuristic_leaves_out_function_words_and_adjectives() -> None:
    assert heuristic_nouns("Soft Blue Towel for the Bath, 2 oz") == ("towel", "bath")


def test_repetitions_are_kept() -> None:
    assert every_alphabetic_token("Lamp lamp LAMP") == ("lamp",) * 3


def test_names() -> None:
    assert tagger("alphabetic", official=True) == (every_alphabetic_token, "alphabetic")
    assert tagger("heuristic", official=True) == (heuristic_nouns, "heuristic")
    assert tagger("auto", official=False) == (every_alphabetic_token, "alphabetic")


def test_auto_over_official_data_prefers_the_originals_tagger() -> None:
    assert tagger("auto", official=True)[1] == ("spacy" if HAS_MODEL else "alphabetic")


def test_functions_are_taken_as_they_are() -> None:
    found, name = tagger(str.split, official=True)
    assert found("a b") == ["a", "b"] and "split" in name


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="did you mean 'spacy'"):
        tagger("spaci", official=True)


@pytest.mark.skipif(HAS_MODEL, reason="spaCy's model is installed")
def test_a_missing_model_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=f"spacy download {SPACY_MODEL}"):
        spacy_nouns()


@pytest.mark.skipif(
    not HAS_MODEL, reason=f"spaCy's {SPACY_MODEL} is not installed: the original's tagger is absent"
)
def test_spacy_on_the_originals_example() -> None:
    goal = spacy_nouns()("Rusticware 921ORB Kitchen and Bath Cabinet Knob")
    assert {"kitchen", "bath", "cabinet", "knob"} <= set(goal)


def test_taggers_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(heuristic_nouns)) is heuristic_nouns
