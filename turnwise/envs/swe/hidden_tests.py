"""Takes tests out of a test suite by their ids, and leaves the rest as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from turnwise.envs.swe.mutate.site import functions
from turnwise.envs.swe.source import is_test
from turnwise.envs.swe.syntax import parse


def without(tests: Sequence[str], tree: Mapping[str, bytes]) -> dict[str, bytes]:
    """A tree without some of its tests.

    A test's function goes with all its parameters. Where it is not in the class that the id names,
    it was inherited: then every function of that name goes, from its file or, where that has none,
    from all test files. Where there is no such function at all (a test made by a program), its file
    goes.

    Args:
        tests: ids such as `tests/test_x.py::TestY::test_z[1]`.
        tree: path -> bytes.
    """
    cut: dict[str, set[tuple[int, int]]] = {}
    gone: set[str] = set()
    known = {
        path: _spans(data) for path, data in tree.items() if is_test(path) and path.endswith(".py")
    }
    for path, qualified in sorted({_parts(test) for test in tests}):
        name = qualified.rpartition(".")[2]
        for places in ({path: (qualified,)}, {path: (name,)}, dict.fromkeys(known, (name,))):
            found = [
                (p, span)
                for p, names in places.items()
                for full, span in known.get(p, ())
                if _matches(full, names[0])
            ]
            if found:
                for place, span in found:
                    cut.setdefault(place, set()).add(span)
                break
        else:
            gone.add(path)
    return {
        path: _cut(data, cut[path]) if path in cut else data
        for path, data in tree.items()
        if path not in gone
    }


def _parts(test: str) -> tuple[str, str]:
    """File and qualified name of a test id, without its parameters (which may hold colons and
    brackets).
    """
    path, _, rest = test.partition("::")
    return path, rest.split("[", 1)[0].replace("::", ".")


def _matches(full: str, wanted: str) -> bool:
    return full == wanted or ("." not in wanted and full.rpartition(".")[2] == wanted)


def _spans(data: bytes) -> list[tuple[str, tuple[int, int]]]:
    """Qualified names of a file's functions, and their lines (first, last)."""
    try:
        tree = parse(data)
    except (SyntaxError, ValueError):
        return []
    return [(f.name, (f.first, f.last)) for f, _ in functions(tree)]


def _cut(data: bytes, spans: set[tuple[int, int]]) -> bytes:
    """The file without these lines. Inside a class or block a `pass` stays: what was cut may have
    been all there was.
    """
    lines = data.splitlines(keepends=True)
    for first, last in sorted(spans, reverse=True):
        if any(a <= first and last <= b and (a, b) != (first, last) for a, b in spans):
            continue
        indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
        lines[first - 1 : last] = [indent + b"pass\n"] if indent else []
    return b"".join(lines)
