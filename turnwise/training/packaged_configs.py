"""The configs that come with turnwise, found by name: in a checkout, and in an installed wheel."""

from __future__ import annotations

import difflib
from pathlib import Path

from turnwise.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
"""Their folder in a wheel, and in a checkout or an editable install."""


def config_paths() -> dict[str, Path]:
    """Return the packaged configs: name -> file, sorted by name."""
    folder = next((folder for folder in _FOLDERS if (folder / "quickstart.toml").is_file()), None)
    return {file.stem: file for file in sorted(folder.glob("*.toml"))} if folder else {}


def config_summary(path: Path) -> str:
    """Return the first sentence of the comment that a config begins with."""
    lines = []
    for line in path.read_text(encoding="utf8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    words = " ".join(lines)
    first, stop, _ = words.partition(". ")
    return first + stop.strip()


def find_config(config: str | Path) -> Path:
    """Return the file of a config that is named or given by its path.

    Raises:
        ConfigError: when there is no such file, naming the nearest of the packaged configs.
    """
    path = Path(config)
    if path.is_file():
        return path
    known = config_paths()
    if str(config) in known:
        return known[str(config)]
    near = difflib.get_close_matches(path.stem, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"there is no config {str(config)!r}: {hint}give the path of a TOML file, or one of "
        f"{', '.join(known)}"
    )
