"""Text: slugs, wrapping, abbreviations, counting words."""

import re

_SMALL = {"a", "an", "and", "in", "of", "on", "or", "the", "to"}


def slug(text: str, separator: str = "-") -> str:
    """Lower-case words of letters and digits, joined by `separator`: `slug("Hello, World!")` is `hello-world`."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return separator.join(words)


def shorten(text: str, width: int, mark: str = "...") -> str:
    """`text` cut to at most `width` characters, the mark included; a text that fits is not changed.

    Raises ValueError where the mark alone is wider than `width`.
    """
    if len(text) <= width:
        return text
    if len(mark) > width:
        raise ValueError("the mark does not fit")
    return text[: width - len(mark)].rstrip() + mark


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words, each at most `width` characters; a longer word stands on a line of its own."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        lines.append(line)
    return lines


def headline(text: str) -> str:
    """Words with capitals, but small ones such as "of" only at the beginning or the end."""
    words = text.lower().split()
    last = len(words) - 1
    made = []
    for place, word in enumerate(words):
        inside = 0 < place < last
        made.append(word if inside and word in _SMALL else word.capitalize())
    return " ".join(made)


def word_counts(text: str, least: int = 1) -> dict[str, int]:
    """How often each lower-case word of at least `least` letters occurs, the most frequent first, then in order of the alphabet."""
    counts: dict[str, int] = {}
    for word in re.findall(r"[a-z']+", text.lower()):
        if len(word) >= least:
            counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def unindent(text: str) -> str:
    """Take away the blanks that all lines begin with; empty lines do not count."""
    lines = text.splitlines()
    depths = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    common = min(depths, default=0)
    return "\n".join(line[common:] if line.strip() else "" for line in lines)


def is_palindrome(text: str) -> bool:
    """Whether the letters and digits read the same backwards, whatever their case."""
    kept = [letter.lower() for letter in text if letter.isalnum()]
    return kept == kept[::-1]
