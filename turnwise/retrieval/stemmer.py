"""Porter's stemmer as Lucene's `PorterStemFilter` implements it.

Five steps strip English suffixes. A rule applies only if what remains of the word has a large
enough *measure*: the number m of vowel-consonant sequences in [C](VC)^m[V].

Source: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with the two changes
of the author's later reference implementations: `bli` -> `ble` where the paper has `abli` ->
`able`, and the additional rule `logi` -> `log`. A stemmer without them ranks differently.
"""

from __future__ import annotations

from itertools import pairwise

STEP2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize",
    "bli": "ble", "alli": "al", "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize",
    "ation": "ate", "ator": "ate", "alism": "al", "iveness": "ive", "fulness": "ful",
    "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
STEP3 = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_STEP4_SUFFIXES = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize"
STEP4 = dict.fromkeys(_STEP4_SUFFIXES.split(), "")


def stem(word: str) -> str:
    """Return the stem of a lower-case word; one of at most two UTF-16 units is its own stem."""
    if not word.isascii() and max(word) > "\uffff":
        # In Java a character outside the basic plane is two units, and each counts as a consonant.
        units = word.encode("utf-16-le", "surrogatepass")
        halves = "".join(chr(units[i] | units[i + 1] << 8) for i in range(0, len(units), 2))
        stemmed = _stem(halves).encode("utf-16-le", "surrogatepass")
        return stemmed.decode("utf-16-le", "surrogatepass")
    return _stem(word)


def _stem(word: str) -> str:
    if len(word) <= 2:
        return word
    word = _plurals_and_participles(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replace(word, STEP2)
    word = _replace(word, STEP3)
    word = _strip(word)
    return _final_e_and_ll(word)


def _consonants(word: str) -> list[bool]:
    """Return for each letter whether it is a consonant; `y` is a vowel after a consonant."""
    kinds: list[bool] = []
    for letter in word:
        if letter == "y":
            kinds.append(not (kinds and kinds[-1]))
        else:
            kinds.append(letter not in "aeiou")
    return kinds


def _measure(word: str) -> int:
    kinds = _consonants(word)
    return sum(after and not before for before, after in pairwise(kinds))


def _has_vowel(word: str) -> bool:
    return not all(_consonants(word))


def _double_consonant(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _consonants(word)[-1]


def _short(word: str) -> bool:
    """Return whether a word ends in consonant, vowel, consonant other than w, x and y (`hop`)."""
    return len(word) > 2 and _consonants(word)[-3:] == [True, False, True] and word[-1] not in "wxy"


def _plurals_and_participles(word: str) -> str:
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word[-1] == "s" and word[-2] != "s":
        word = word[:-1]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    ending = "ed" if word.endswith("ed") else "ing" if word.endswith("ing") else ""
    base = word[: len(word) - len(ending)]
    if not ending or not _has_vowel(base):
        return word
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if _double_consonant(base):
        return base if base[-1] in "lsz" else base[:-1]
    return base + "e" if _measure(base) == 1 and _short(base) else base


def _longest(word: str, table: dict[str, str]) -> str:
    return next((word[-n:] for n in range(min(7, len(word)), 1, -1) if word[-n:] in table), "")


def _replace(word: str, table: dict[str, str]) -> str:
    suffix = _longest(word, table)
    base = word[: len(word) - len(suffix)]
    return base + table[suffix] if suffix and _measure(base) > 0 else word


def _strip(word: str) -> str:
    suffix = _longest(word, STEP4)
    base = word[: len(word) - len(suffix)]
    if not suffix or _measure(base) <= 1 or (suffix == "ion" and base[-1] not in "st"):
        return word
    return base


def _final_e_and_ll(word: str) -> str:
    if word.endswith("e"):
        base = word[:-1]
        m = _measure(base)
        if m > 1 or (m == 1 and not _short(base)):
            word = base
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
