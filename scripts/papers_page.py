"""Write docs/papers.md from the docstrings of the recipes' files.

    python scripts/papers_page.py            # write the page
    python scripts/papers_page.py --check    # exit status 1 where it is out of date

For each file: its docstring (citation, equations, fidelity), and for each recipe in it the slots it
fills.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from turnwise.algorithms import recipe  # noqa: E402
from turnwise.algorithms.registry import BUILT_IN  # noqa: E402

PAGE = ROOT / "docs" / "papers.md"
HEAD = """\
# Papers

One file is one paper. Below are the docstrings of the files: the citation, the equations, what is
certain, what is our reading and where released code departs; and the slots that each recipe fills
with its default settings (the others hold the defaults of every recipe). This page is written by
`scripts/papers_page.py`; a test keeps it up to date.

"""
SLOTS = (
    "sampler", "strategy", "filters", "shapers", "advantage", "reweighters", "ratio", "surrogate",
    "critic", "aggregate", "regularisers", "mismatch", "controller",
)  # fmt: skip
DEFAULT_PARTS = {"Uniform()", "Steady()", "Independent()"}


def page() -> str:
    """Return the text of the page."""
    homes: dict[str, list[str]] = {}
    for name, path in BUILT_IN.items():
        homes.setdefault(path.partition(":")[0], []).append(name)
    sections = sorted((_title(module), module, names) for module, names in homes.items())
    index = "".join(
        f"* {title} ({', '.join(f'`{n}`' for n in sorted(names))})\n"
        for title, _, names in sections
    )
    return (
        HEAD
        + index
        + "".join(
            "\n" + _section(module, title, sorted(names)) for title, module, names in sections
        )
    )


def _title(module: str) -> str:
    return _docstring(module).partition("\n")[0].partition(":")[0].rstrip(".")


def _docstring(module: str) -> str:
    text = importlib.import_module(module).__doc__
    if not text:
        raise SystemExit(f"{module} has no docstring: a paper's file must open with one")
    return text


def _section(module: str, title: str, names: list[str]) -> str:
    path = module.replace(".", "/") + ".py"
    text = f"## {title}\n\n[{path}](../{path})\n\n```text\n{_docstring(module).strip()}\n```\n"
    for name in names:
        made = recipe(name)
        slots = [(slot, _parts(getattr(made, slot))) for slot in SLOTS]
        text += f"\n`{name}`\n\n| slot | part |\n|---|---|\n"
        text += "".join(f"| {slot} | {part} |\n" for slot, part in slots if part)
    return text


def _parts(held: object) -> str:
    parts = held if isinstance(held, tuple) else (held,)
    texts = [_part(part) for part in parts if part is not None]
    return ", ".join(f"`{text}`" for text in texts if text not in DEFAULT_PARTS)


def _part(part: object) -> str:
    """Return a part with its settings, without those that are None or a default object."""
    if not is_dataclass(part):
        return getattr(part, "__name__", type(part).__name__)
    shown = []
    for f in fields(part):
        value = getattr(part, f.name)
        plain = isinstance(value, (str, int, float, bool))
        if value is not None and value != "" and (plain or value != f.default):
            shown.append(f"{f.name}={value if plain else _part(value)}")
    return f"{type(part).__name__}({', '.join(shown)})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and fail where the page is out of date"
    )
    asked = parser.parse_args()
    text = page()
    if asked.check:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf8") != text:
            raise SystemExit(
                f"{PAGE.relative_to(ROOT)} is out of date: run python scripts/papers_page.py"
            )
    else:
        PAGE.write_text(text, encoding="utf8")
        print(f"wrote {PAGE.relative_to(ROOT)}: {len(BUILT_IN)} recipes")


if __name__ == "__main__":
    main()
