"""Nouns of product titles, which decide the type component of WebShop's reward.

The original tags titles with spaCy's `en_core_web_sm`. There are three taggers: `spacy` is the
original's, if it is installed; `alphabetic` takes every alphabetic token for a noun; `heuristic`
leaves out function words, units and common adjectives. `auto` is `spacy` for the official catalogue
if it can be loaded, and `alphabetic` otherwise.

`tokenize` splits a title as spaCy's English tokenizer does. Punctuation, quotes, currency signs and
symbols are split off both ends of a chunk between blanks, `'s` and units after digits off its end,
and the rest is split at hyphens, slashes, commas and full stops between letters. Contractions are
split where spaCy's exceptions do.

Source: spaCy 3.8, `lang/punctuation.py` and `lang/en`. A test compares the tokens of the official
titles with `spacy.blank("en")` if spaCy is installed.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import product
from typing import TypeAlias

from turnwise.errors import ConfigError, unknown

Tagger: TypeAlias = Callable[[str], Sequence[str]]
"""Function from a title to its nouns in lower case, in order, with repeats."""
SPACY_MODEL = "en_core_web_sm"
MAX_CACHED_TITLES = 1 << 16
_LETTER = r"[^\W\d_]"
_LOWER = r"[a-zß-öø-ÿ]"
_PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₽₾₿"
_UNITS = """
    km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s
    km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K %
"""
_CONTRACTED = """
    i/m you/re we/re they/re i/ve you/ve we/ve they/ve i/ll you/ll he/ll she/ll it/ll we/ll they/ll
    i/d you/d he/d she/d it/d we/d they/d he/s she/s it/s who/s what/s when/s where/s why/s how/s
    there/s that/s this/s who/ll what/ll when/ll where/ll why/ll how/ll there/ll that/ll this/ll
    who/d what/d when/d where/d why/d how/d there/d that/d this/d who/ve what/ve when/ve where/ve
    why/ve how/ve could/ve might/ve must/ve should/ve would/ve who/re what/re when/re where/re
    why/re how/re
"""
_NEGATED = (
    "ca could do does did had may might must need ought sha should wo would "
    "ai are is was were have has dare"
)
_DOTTED = """
    Mt Ak Ala Apr Ariz Ark Aug Calif Colo Conn Dec Del Feb Fla Ga Ia Id Ill Ind Jan Jul Jun Kan Kans
    Ky La Mar Mass Mich Minn Miss N.C N.D N.H N.J N.M N.Y Neb Nebr Nev Nov Oct Okla Ore Pa S.C Sep
    Sept Tenn Va Wash Wis a.m Adm Bros co Co Corp D.C Dr e.g E.g E.G Gen Gov i.e I.e I.E Inc Jr Ltd
    Md Messrs Mo Mont Mr Mrs Ms p.m Ph.D Prof Rep Rev Sen St vs v.s a b c d e f g h i j k l m n o p
    q r s t u v w x y z
"""
_KEPT_WHOLE = "and/or w/o o'clock O'clock C++ :D :P :-) :) :("
_CUT = "can/not gon/na got/ta y/all not/ve"
_NOT_CUT = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore"


@cache
def _exceptions() -> dict[str, tuple[str, ...]]:
    """Return chunk -> tokens for chunks that do not follow the rules."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in _CONTRACTED.split():
        first, last = pair.split("/")
        for word, mark in product((first, first.title()), ("", "'", "’")):
            found[word + mark + last] = (word, mark + last)
    for verb, mark, case in product(_NEGATED.split(), ("nt", "n't", "n’t"), (str.lower, str.title)):
        found[case(verb) + mark] = (case(verb), mark)
    for pair in _CUT.split():
        first, last = pair.split("/")
        found |= {word + last: (word, last) for word in (first, first.title())}
    for hour, half in product(range(1, 13), ("am", "pm", "a.m.", "p.m.")):
        found[f"{hour}{half}"] = (str(hour), half)
    found |= {f"{word}.": (f"{word}.",) for word in _DOTTED.split()}
    found |= {whole: (whole,) for whole in _KEPT_WHOLE.split()}
    return {chunk: parts for chunk, parts in found.items() if chunk not in _NOT_CUT.split()}


@cache
def _rules() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return patterns of a prefix, of a suffix, and of a token inside a chunk."""
    blocks = (
        range(0xA0, 0x3400),
        range(0xA490, 0xA4D0),
        range(0xFD00, 0x10000),
        range(0x1F000, 0x1FC00),
    )
    symbols = "".join(
        chr(code) for block in blocks for code in block if unicodedata.category(chr(code)) == "So"
    )
    always = rf"\.\.+|[{re.escape(_PUNCTUATION + _QUOTES + symbols)}]"
    units = "|".join(re.escape(unit) for unit in sorted(_UNITS.split(), key=len, reverse=True))
    front = re.compile(rf"[§%=—–]|\+(?![0-9])|{always}|(?:US|C|A)\$|[{re.escape(_CURRENCY)}]")
    end = re.compile(
        rf"(?:{always}|['’][sS]|[—–]|(?<=[0-9])(?:\+|[{re.escape(_CURRENCY)}]|{units})"
        rf"|(?<=°[FfCcKk])\.|(?<=[0-9%²\-+{_LOWER[1:-1]}{re.escape(_PUNCTUATION + _QUOTES)}])\."
        r"|(?<=[A-Z][A-Z])\.)$"
    )
    quotes = re.escape(_QUOTES)
    inside = re.compile(
        rf"\.\.+|[…{re.escape(symbols)}]|(?<=[0-9])[+\-*^](?=[0-9-])"
        rf"|(?<=[{_LOWER[1:-1]}{quotes}])\.(?=[A-Z{quotes}])|(?<={_LETTER}),(?={_LETTER})"
        rf"|(?<=[^\W_])(?:——|---|--|[-–—~])(?={_LETTER})|(?<=[^\W_])[:<>=/](?={_LETTER})"
    )
    return front, end, inside


def tokenize(text: str) -> list[str]:
    """Return the tokens of `text` in order."""
    return [token for chunk in text.split() for token in _cut(chunk)]


def _cut(chunk: str) -> Iterator[str]:
    front, end, inside = _rules()
    exceptions = _exceptions()
    last: list[str] = []
    while chunk and chunk not in exceptions:
        head = front.match(chunk)
        if head:
            yield head[0]
            chunk = chunk[head.end() :]
            continue
        tail = end.search(chunk)
        if not tail:
            break
        last.insert(0, tail[0])
        chunk = chunk[: tail.start()]
    if chunk in exceptions:
        yield from exceptions[chunk]
    elif chunk:
        start = 0
        for cut in inside.finditer(chunk):
            if cut.start() > start:
                yield chunk[start : cut.start()]
                yield cut[0]
                start = cut.end()
        if chunk[start:]:
            yield chunk[start:]
    yield from last


@lru_cache(maxsize=MAX_CACHED_TITLES)
def every_alphabetic_token(title: str) -> tuple[str, ...]:
    """Return all tokens of letters alone, function words included.

    The recorded official transcripts were made with this tagger.
    """
    return tuple(token.lower() for token in tokenize(title) if token.isalpha())


@lru_cache(maxsize=MAX_CACHED_TITLES)
def heuristic_nouns(title: str) -> tuple[str, ...]:
    """Return alphabetic tokens other than function words, numerals, units and adjectives."""
    return tuple(word for word in every_alphabetic_token(title) if word not in _NOT_NOUNS)


_NOT_NOUN_WORDS = """
    a about above all also an and any are as at be been both but by can for from had has have how if
    in into is it its just more most no nor not of off on only or other our out over own per so some
    such than that the their them these they this those through to too under until up via very was
    were what when where which while who will with without you your one two three four five six
    seven eight nine ten dozen cm ft gb inch inches kg lb lbs mb ml mm oz tb adjustable black blue
    breathable brown casual classic comfortable compatible cute dark disposable dry durable easy
    electric extra fashionable fine foldable free fresh full gentle gold gray great green grey
    healthy heavy high hot large light lightweight little long loose low luxury medium mini modern
    natural new non old organic outdoor perfect pink plus portable premium pure purple quick real
    rechargeable red removable replacement resistant rich round royal sensitive short silver simple
    slim small soft solid square stainless strong super sweet thick thin ultra vegan vintage warm
    waterproof white wide wireless yellow
"""
_NOT_NOUNS = frozenset(_NOT_NOUN_WORDS.split())


def spacy_nouns(model: str = SPACY_MODEL) -> Tagger:
    """Return the original's tagger: tokens that spaCy's `model` tags NOUN or PROPN.

    Raises:
        ConfigError: if spaCy or the model is not installed.
    """
    if not _installed(model):
        raise ConfigError(
            f"the noun tagger 'spacy' needs spaCy and its model {model}: pip install spacy, "
            f"then python -m spacy download {model}; or choose nouns='alphabetic'"
        )
    return _spacy_tagger(model)


@lru_cache(maxsize=2)
def _spacy_tagger(model: str) -> Tagger:
    import spacy

    analyse = spacy.load(model, disable=["ner", "lemmatizer"])

    @lru_cache(maxsize=MAX_CACHED_TITLES)
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
    """Return the tagger called `chosen`, or `chosen` itself if it is a function, and its name.

    Args:
        official: whether the products are the official ones, for which `auto` prefers the
            original's tagger.

    Raises:
        ConfigError: for an unknown name, or `spacy` if it is not installed.
    """
    if callable(chosen):
        module = getattr(chosen, "__module__", "")
        return chosen, f"{module}.{getattr(chosen, '__qualname__', repr(chosen))}"
    if chosen == "auto":
        chosen = "spacy" if official and _installed(SPACY_MODEL) else "alphabetic"
    if chosen == "spacy":
        return spacy_nouns(), chosen
    named: dict[str, Tagger] = {"alphabetic": every_alphabetic_token, "heuristic": heuristic_nouns}
    if chosen not in named:
        raise unknown("noun tagger", chosen, [*named, "spacy", "auto"], "WebShop")
    return named[chosen], chosen
