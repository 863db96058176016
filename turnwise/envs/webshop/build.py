"""Build the directory that `turnwise.envs.webshop.store` maps.

One pass over the official files with bounded memory. The result is written to a scratch directory
and renamed when complete, so an interrupted build leaves nothing that could pass for a result. A
manifest names the source files; if they change, the directory is built again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from array import array
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from turnwise.envs.webshop.json_stream import members
from turnwise.envs.webshop.official import (
    OfficialFiles,
    distinct,
    human_instructions,
    preprocess,
    synthetic_instruction,
)
from turnwise.errors import DataError
from turnwise.retrieval import bm25
from turnwise.retrieval.bm25 import BM25Index
from turnwise.retrieval.postings import Inverter

VERSION = 1
ARRAYS = ("products", "attributes", "low", "high", "order", "instructed")
"""Arrays of the store: [N, 2] byte range of each product and [N, 2] of its attributes; [N] lowest
and [N] highest price, NaN if there is a single one; [N] numbers of the products sorted by ASIN; and
the numbers of those with a synthetic instruction."""
MANIFEST = "catalogue.json"


def ensure(files: OfficialFiles, cache: str | Path | None = None) -> Path:
    """Return the directory built from `files`, after building it if missing or outdated.

    Args:
        cache: where to create the directory; None for beside the files.

    Raises:
        DataError: if a file is malformed, or the directory cannot be written.
    """
    parent = Path(cache) if cache is not None else files.products.parent
    target = parent / f"{files.products.stem}.turnwise"
    if _is_current(target, files):
        return target
    scratch = parent / f"{target.name}.building-{os.getpid()}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_interrupted(target)
        scratch.mkdir()
    except OSError as problem:
        raise DataError(
            f"{parent} cannot be written ({problem.strerror}): name another directory with cache="
        ) from problem
    try:
        _build(files, scratch)
        if target.exists():
            shutil.rmtree(target)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def digest_of(directory: Path) -> str:
    """Return the hashes of the files a directory was built from, as text."""
    sources = json.loads((directory / MANIFEST).read_text(encoding="utf8"))["sources"]
    return json.dumps([source["digest"] for source in sources])


def _present(files: OfficialFiles) -> list[Path]:
    return [path for path in (files.products, files.attributes, files.human) if path is not None]


def _is_current(target: Path, files: OfficialFiles) -> bool:
    """Return whether `target` is complete, of this version and built from the present files."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return False
    paths = _present(files)
    if manifest.get("version") != [VERSION, bm25.VERSION] or len(manifest["sources"]) != len(paths):
        return False
    touched = False
    for path, source in zip(paths, manifest["sources"], strict=True):
        state = path.stat()
        if (path.name, state.st_size) != (source["name"], source["size"]):
            return False
        if state.st_mtime_ns != source["mtime"]:  # copied or touched, so compare the contents
            if _hash(path) != source["digest"]:
                return False
            source["mtime"], touched = state.st_mtime_ns, True
    if touched:
        with contextlib.suppress(OSError):  # a read-only cache is still valid
            (target / MANIFEST).write_text(json.dumps(manifest), encoding="utf8")
    return True


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _remove_interrupted(target: Path) -> None:
    """Remove the scratch directories of builds whose process no longer exists."""
    for left in target.parent.glob(f"{target.name}.building-*"):
        pid = left.name.rpartition("-")[2]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (PermissionError, ValueError):
            continue


def _build(files: OfficialFiles, out: Path) -> None:
    # Deferred, because every catalogue imports this module and few are built.
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:

        def reading(path: Path, title: str) -> tuple[Any, Callable[[bytes], None]]:
            """Return a digest and the callback that updates it and the progress bar."""
            digest = hashlib.blake2b(digest_size=16)
            bar = progress.add_task(title, total=path.stat().st_size)

            def on_read(data: bytes) -> None:
                digest.update(data)
                progress.advance(bar, len(data))

            return digest, on_read

        attributes_digest, on_read = reading(files.attributes, "reading attributes")
        described = _Described(files, on_read)
        products_digest, on_read = reading(files.products, "indexing products")
        asins, inverter = _write_products(files, described, on_read, out)
        if console.is_terminal:
            progress.console.log("writing the search index")
        BM25Index.from_postings(asins, inverter.finish(), out).save(out)
        inverter.clean()
        digests = [products_digest.hexdigest(), attributes_digest.hexdigest()]
    if files.human is not None:
        digests.append(_hash(files.human))
    sources = [
        {
            "name": path.name,
            "size": path.stat().st_size,
            "mtime": path.stat().st_mtime_ns,
            "digest": digest,
        }
        for path, digest in zip(_present(files), digests, strict=True)
    ]
    (out / MANIFEST).write_text(
        json.dumps({"version": [VERSION, bm25.VERSION], "sources": sources}), encoding="utf8"
    )


class _Described:
    """ASIN -> byte range of its attributes, and whether it has a synthetic instruction."""

    def __init__(self, files: OfficialFiles, on_read: Callable[[bytes], None]) -> None:
        self._number: dict[str, int] = {}
        self._spans, self._instructed = array("q"), bytearray()
        for member in members(files.attributes, "{", on_read):
            self._number[member.key] = len(self._instructed)
            self._spans.extend((member.begin, member.end))
            self._instructed.append(synthetic_instruction(member.value) is not None)

    def __getitem__(self, asin: str) -> tuple[int, int, bool]:
        number = self._number.get(asin)
        if number is None:
            return 0, 0, False
        return self._spans[2 * number], self._spans[2 * number + 1], bool(self._instructed[number])


def _write_products(
    files: OfficialFiles, described: _Described, on_read: Callable[[bytes], None], out: Path
) -> tuple[list[str], Inverter]:
    """Write the arrays and human instructions; return all ASINs and the inverted texts."""
    asins, spans, attributes = list[str](), array("q"), array("q")
    low, high, instructed = array("d"), array("d"), array("i")
    inverter = Inverter(out)
    for member in distinct(files.products, on_read):
        product, lowest, highest = preprocess(files.products, member, {})
        begin, end, has_instruction = described[product.asin]
        if has_instruction:
            instructed.append(len(asins))
        asins.append(product.asin)
        spans.extend((member.begin, member.end))
        attributes.extend((begin, end))
        low.append(lowest)
        high.append(float("nan") if highest is None else highest)
        inverter.add(product.text)
    if not asins:
        raise DataError(f"{files.products} has no products: download it again")
    order = np.array(sorted(range(len(asins)), key=asins.__getitem__), dtype=np.int32)
    arrays: tuple[npt.NDArray[Any], ...] = (
        np.array(spans, dtype=np.int64).reshape(-1, 2),
        np.array(attributes, dtype=np.int64).reshape(-1, 2),
        np.array(low, dtype=np.float64),
        np.array(high, dtype=np.float64),
        order,
        np.array(instructed, dtype=np.int32),
    )
    for name, values in zip(ARRAYS, arrays, strict=True):
        np.save(out / f"{name}.npy", values)
    numbers = {asin: number for number, asin in enumerate(asins)}
    human = [astuple(written) for written in human_instructions(files.human, numbers)]
    (out / "human.json").write_text(json.dumps(human), encoding="utf8")
    return asins, inverter
