import pytest

from pocketkit import tables


def test_parse_line():
    assert tables.parse_line("a,b,,c") == ["a", "b", "", "c"]
    assert tables.parse_line("") == [""]


def test_parse_line_with_quotes():
    assert tables.parse_line('"a,b",c') == ["a,b", "c"]
    assert tables.parse_line('"say ""hi""",x') == ['say "hi"', "x"]


def test_parse_line_refuses_an_open_quote():
    with pytest.raises(ValueError):
        tables.parse_line('"abc')


@pytest.mark.parametrize("fields", [["a", "b"], ["a,b", ""], ['"', 'x"y'], ["", ""]])
def test_lines_go_both_ways(fields):
    assert tables.parse_line(tables.format_line(fields)) == fields


def test_format_line_quotes_only_where_needed():
    assert tables.format_line(["a b", "c,d"]) == 'a b,"c,d"'
    assert tables.format_line(["a,b", "c"], ";") == "a,b;c"


def test_parse():
    assert tables.parse("name,age\n\nAnn,3\nBob,4\n") == [{"name": "Ann", "age": "3"}, {"name": "Bob", "age": "4"}]
    assert tables.parse("\n") == []


def test_parse_names_the_line():
    with pytest.raises(ValueError, match="line 3 has 1 fields instead of 2"):
        tables.parse("a,b\n1,2\n3")


def test_align():
    assert tables.align([["a", "bbb"], ["cccc", "d"]]) == "a     bbb\ncccc  d"


def test_align_short_rows_and_nothing():
    assert tables.align([["a"], ["b", "c"]], gap=1) == "a\nb c"
    assert tables.align([]) == ""


def test_group():
    rows = [{"k": "x", "n": "1"}, {"k": "y", "n": "2"}, {"k": "x", "n": "3"}, {"n": "4"}]
    grouped = tables.group(rows, "k")
    assert list(grouped) == ["x", "y"]
    assert [row["n"] for row in grouped["x"]] == ["1", "3"]


def test_order_by_text_and_by_number():
    rows = [{"n": "10"}, {"n": "9"}, {"n": "1"}]
    assert [row["n"] for row in tables.order(rows, "n")] == ["1", "10", "9"]
    assert [row["n"] for row in tables.order(rows, "n", key=float)] == ["1", "9", "10"]


def test_order_descending_keeps_the_rest_last():
    rows = [{"m": "x"}, {"n": "1"}, {"n": "2"}]
    assert tables.order(rows, "n", descending=True) == [{"n": "2"}, {"n": "1"}, {"m": "x"}]
