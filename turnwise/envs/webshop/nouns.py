"""The nouns of a title, which decide the type part of WebShop's reward; the tagger is pluggable.

The original asks spaCy's `en_core_web_sm`. Three taggers are here by name: `spacy` is that, where
it is installed; `alphabetic` counts every alphabetic token as a noun; `heuristic` leaves out
function words, units and common adjectives. `auto` takes `spacy` where it can be loaded and the
catalogue is the official one, `alphabetic` otherwise.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from turnwise.envs.webshop.tokens import tokens
from turnwise.errors import ConfigError, unknown

Tagger: TypeAlias = Callable[[str], Sequence[str]]
"""From a title to its nouns in lower case, in order, with repetitions."""
MODEL = "en_core_web_sm"


@lru_cache(maxsize=65536)
def every_alphabetic_token(title: str) -> tuple[str, ...]:
    """Every token of letters alone, function words included: the stand-in the recorded official
    transcripts were made with.
    """
    return tuple(token.lower() for token in tokens(title) if token.isalpha())


@lru_cache(maxsize=65536)
def heuristic_nouns(title: str) -> tuple[str, ...]:
    """Alphabetic tokens that are not function words, numbers in words, units or common adjectives."""
    return tuple(word for word in every_alphabetic_token(title) if word not in _NOT_NOUNS)


_NOT_NOUN_WORDS = """
    a about above all also an and any are as at be been both but by can for from had has have how if in into is it its
    just more most no nor not of off on only or other our out over own per so some such than that the their them these
    they this those through to too under until up via very was were what when where which while who will with without
    you your one two three four five six seven eight nine ten dozen cm ft gb inch inches kg lb lbs mb ml mm oz tb
    adjustable black blue breathable brown casual classic comfortable compatible cute dark disposable dry durable easy
    electric extra fashionable fine foldable free fresh full gentle gold gray great green grey healthy heavy high hot
    large light lightweight little long loose low luxury medium mini modern natural new non old organic outdoor
    perfect pink plus portable premium pure purple quick real rechargeable red removable replacement resistant rich
    round royal sensitive short silver simple slim small soft solid square stainless strong super sweet thick thin
    ultra vegan vintage warm waterproof white wide wireless yellow
"""
_NOT_NOUNS = frozenset(_NOT_NOUN_WORDS.split())


def spacy_nouns(model: str = MODEL) -> Tagger:
    """The original's tagger: tokens that spaCy's `model` tags NOUN or PROPN.

    Raises:
        ConfigError: where spaCy or the model is not installed.
    """
    if not _installed(model):
        raise ConfigError(
            f"the noun tagger 'spacy' needs spaCy and its model {model}: pip install spacy, then python -m spacy download {model}; "
            "or choose nouns='alphabetic'"
        )
    return _spacy_tagger(model)


@lru_cache(maxsize=2)
def _spacy_tagger(model: str) -> Tagger:
    import spacy

    analyse = spacy.load(model, disable=["ner", "lemmatizer"])

    @lru_cache(maxsize=65536)
    def nouns(title: str) -> tuple[str, ...]:
        return tuple(
            token.text.lower() for token in analyse(title) if token.pos_ in ("NOUN", "PROPN")
        )

    return nouns


def _installed(model: str) -> bool:
    return (
        importlib.util.find_spec("spacy") is not None
        and importlib.util.find_spec(model) is not None
    )


def tagger(chosen: str | Tagger, official: bool) -> tuple[Tagger, str]:
    """The tagger that `chosen` names, and its name. Functions are taken as they are.

    Args:
        official: whether the products are the official ones, over which `auto` prefers the
            original's tagger.

    Raises:
        ConfigError: for an unknown name, or `spacy` where it is not installed.
    """
    if callable(chosen):
        return (
            chosen,
            f"{getattr(chosen, '__module__', '')}.{getattr(chosen, '__qualname__', repr(chosen))}",
        )
    if chosen == "auto":
        chosen = "spacy" if official and _installed(MODEL) else "alphabetic"
    if chosen == "spacy":
        return spacy_nouns(), chosen
    named: dict[str, Tagger] = {"alphabetic": every_alphabetic_token, "heuristic": heuristic_nouns}
    if chosen not in named:
        raise unknown("noun tagger", chosen, [*named, "spacy", "auto"], "WebShop")
    return named[chosen], chosen
