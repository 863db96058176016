import pytest

from pocketkit import text


def test_slug_joins_words():
    assert text.slug("Hello, World!") == "hello-world"
    assert text.slug("  a  b2 ") == "a-b2"


def test_slug_with_another_separator():
    assert text.slug("One two", "_") == "one_two"
    assert text.slug("!?") == ""


def test_shorten_leaves_what_fits():
    assert text.shorten("four", 4) == "four"


def test_shorten_counts_the_mark():
    assert text.shorten("abcdefghij", 6) == "abc..."
    assert text.shorten("ab cdefg", 6) == "ab..."
    assert text.shorten("abcdef", 3) == "..."


def test_shorten_refuses_a_mark_that_is_too_wide():
    with pytest.raises(ValueError):
        text.shorten("abcdef", 2)


def test_wrap_fills_lines():
    assert text.wrap("aa bb cc", 5) == ["aa bb", "cc"]
    assert text.wrap("aa bb cc", 4) == ["aa", "bb", "cc"]


def test_wrap_long_words_and_nothing():
    assert text.wrap("a longer b", 3) == ["a", "longer", "b"]
    assert text.wrap("", 3) == []


def test_headline_keeps_small_words_small():
    assert text.headline("the lord of the rings") == "The Lord of the Rings"


def test_headline_capitals_at_both_ends():
    assert text.headline("what to look at and to") == "What to Look At and To"


def test_word_counts_are_ordered():
    assert list(text.word_counts("b a b c a b").items()) == [("b", 3), ("a", 2), ("c", 1)]
    assert list(text.word_counts("b a")) == ["a", "b"]


def test_word_counts_of_long_words():
    assert text.word_counts("To be or not", least=3) == {"not": 1}
    assert text.word_counts("to two", least=2) == {"to": 1, "two": 1}


def test_unindent():
    assert text.unindent("  a\n    b\n\n  c") == "a\n  b\n\nc"
    assert text.unindent("a\n  b") == "a\n  b"


def test_palindromes():
    assert text.is_palindrome("A man, a plan, a canal: Panama")
    assert not text.is_palindrome("ab")
    assert text.is_palindrome("")
