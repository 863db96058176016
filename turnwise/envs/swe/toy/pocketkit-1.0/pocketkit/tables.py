"""Tables: rows as aligned text, lines of comma-separated values, columns sorted and grouped."""

from collections.abc import Callable, Iterable, Sequence

Row = dict[str, str]


def parse_line(line: str, separator: str = ",") -> list[str]:
    """The fields of one line. A field in double quotes may hold the separator; two quotes in it are one."""
    fields: list[str] = []
    field = ""
    quoted = False
    place = 0
    while place < len(line):
        letter = line[place]
        if quoted and letter == '"':
            if line[place + 1 : place + 2] == '"':
                field += '"'
                place += 1
            else:
                quoted = False
        elif quoted:
            field += letter
        elif letter == '"':
            quoted = True
        elif letter == separator:
            fields.append(field)
            field = ""
        else:
            field += letter
        place += 1
    if quoted:
        raise ValueError("a quote is not closed")
    fields.append(field)
    return fields


def format_line(fields: Iterable[str], separator: str = ",") -> str:
    """What `parse_line` reads back: a field with a separator or a quote in it stands in quotes."""
    written = []
    for field in fields:
        if separator in field or '"' in field:
            field = '"' + field.replace('"', '""') + '"'
        written.append(field)
    return separator.join(written)


def parse(text: str) -> list[Row]:
    """Rows by the names in the first line; empty lines are skipped. Raises ValueError naming a line with too few or many fields."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    names = parse_line(lines[0])
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        fields = parse_line(line)
        if len(fields) != len(names):
            raise ValueError(f"line {number} has {len(fields)} fields instead of {len(names)}")
        rows.append(dict(zip(names, fields, strict=True)))
    return rows


def align(rows: Sequence[Sequence[str]], gap: int = 2) -> str:
    """Lines with columns under one another, `gap` blanks apart, no blanks at the ends of lines."""
    if not rows:
        return ""
    columns = max(len(row) for row in rows)
    widths = [max(len(row[k]) for row in rows if k < len(row)) for k in range(columns)]
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[k] + gap) for k, cell in enumerate(row)]
        lines.append("".join(cells).rstrip())
    return "\n".join(lines)


def group(rows: Iterable[Row], name: str) -> dict[str, list[Row]]:
    """Rows by what stands in a column, in the order of their first; rows without the column are left out."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if name in row:
            groups.setdefault(row[name], []).append(row)
    return groups


def order(rows: Iterable[Row], name: str, key: Callable[[str], float] | None = None, descending: bool = False) -> list[Row]:
    """Rows sorted by a column; those without it come last, in the order given."""
    having: list[Row] = []
    lacking: list[Row] = []
    for row in rows:
        (having if name in row else lacking).append(row)
    having.sort(key=lambda row: key(row[name]) if key else row[name], reverse=descending)
    return having + lacking
