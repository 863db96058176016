"""A title cut into tokens as spaCy's English tokenizer cuts it, for the alphabetic tagger.

Blanks separate chunks; a chunk loses punctuation, quotes, currency signs and symbols at both ends,
and `'s` and units after digits at its end; what is left is cut inside at hyphens, slashes, commas
and full stops that stand between letters. Contractions are cut where spaCy's exceptions cut them.
Rules: spaCy 3.8, `lang/punctuation.py` and `lang/en`; equal to `spacy.blank("en")` on the official
titles, which a test checks where spaCy is installed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import product

_LETTER = r"[^\W\d_]"
_LOWER = r"[a-zß-öø-ÿ]"
_PUNCTUATION = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₽₾₿"
_UNITS = """km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa
mbar mb MB kb KB gb GB tb TB T G M K %"""
_CONTRACTED = """i/m you/re we/re they/re i/ve you/ve we/ve they/ve i/ll you/ll he/ll she/ll it/ll we/ll they/ll i/d you/d he/d
she/d it/d we/d they/d he/s she/s it/s who/s what/s when/s where/s why/s how/s there/s that/s this/s who/ll what/ll when/ll
where/ll why/ll how/ll there/ll that/ll this/ll who/d what/d when/d where/d why/d how/d there/d that/d this/d who/ve what/ve
when/ve where/ve why/ve how/ve could/ve might/ve must/ve should/ve would/ve who/re what/re when/re where/re why/re how/re"""
_NEGATED = "ca could do does did had may might must need ought sha should wo would ai are is was were have has dare"
_DOTTED = """Mt Ak Ala Apr Ariz Ark Aug Calif Colo Conn Dec Del Feb Fla Ga Ia Id Ill Ind Jan Jul Jun Kan Kans Ky La Mar Mass
Mich Minn Miss N.C N.D N.H N.J N.M N.Y Neb Nebr Nev Nov Oct Okla Ore Pa S.C Sep Sept Tenn Va Wash Wis a.m Adm Bros co Co Corp
D.C Dr e.g E.g E.G Gen Gov i.e I.e I.E Inc Jr Ltd Md Messrs Mo Mont Mr Mrs Ms p.m Ph.D Prof Rep Rev Sen St vs v.s a b c d e f
g h i j k l m n o p q r s t u v w x y z"""
_CUT = "can/not gon/na got/ta y/all not/ve"
_NOT_CUT = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore"


@cache
def _exceptions() -> dict[str, tuple[str, ...]]:
    """Chunks that are cut, or kept whole, whatever the rules say."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in _CONTRACTED.split():
        first, last = pair.split("/")
        for word, mark in product((first, first.title()), ("", "'", "’")):
            found[word + mark + last] = (word, mark + last)
    for verb, (mark, case) in product(
        _NEGATED.split(), product(("nt", "n't", "n’t"), (str.lower, str.title))
    ):
        found[case(verb) + mark] = (case(verb), mark)
    for pair in _CUT.split():
        first, last = pair.split("/")
        found |= {word + last: (word, last) for word in (first, first.title())}
    for hour, half in product(range(1, 13), ("am", "pm", "a.m.", "p.m.")):
        found[f"{hour}{half}"] = (str(hour), half)
    found |= {f"{word}.": (f"{word}.",) for word in _DOTTED.split()}
    found |= {
        whole: (whole,)
        for whole in ("and/or", "w/o", "o'clock", "O'clock", "C++", ":D", ":P", ":-)", ":)", ":(")
    }
    return {chunk: parts for chunk, parts in found.items() if chunk not in _NOT_CUT.split()}


@cache
def _rules() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What is cut from the front, from the end, and where the inside is cut."""
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
        rf"|(?<=°[FfCcKk])\.|(?<=[0-9%²\-+{_LOWER[1:-1]}{re.escape(_PUNCTUATION + _QUOTES)}])\.|(?<=[A-Z][A-Z])\.)$"
    )
    quotes = re.escape(_QUOTES)
    inside = re.compile(
        rf"\.\.+|[…{re.escape(symbols)}]|(?<=[0-9])[+\-*^](?=[0-9-])|(?<=[{_LOWER[1:-1]}{quotes}])\.(?=[A-Z{quotes}])"
        rf"|(?<={_LETTER}),(?={_LETTER})|(?<=[^\W_])(?:——|---|--|[-–—~])(?={_LETTER})|(?<=[^\W_])[:<>=/](?={_LETTER})"
    )
    return front, end, inside


def tokens(text: str) -> list[str]:
    """The tokens of `text`, in order."""
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
