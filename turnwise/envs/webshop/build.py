"""Building what `turnwise.envs.webshop.store` maps: one pass over the official files with bounded
memory.

Everything is written to a directory of its own beside the place where it belongs and moved there
when it is whole, so an interrupted build leaves nothing that could be taken for a result.
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
from rich.console import Console
from rich.progress import Progress

from turnwise.envs.webshop.json_stream import members
from turnwise.envs.webshop.official import (
    Files,
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
"""Arrays of the store: [N, 2] bytes of each product and of its attributes, [N] price or range (NaN:
no range), [N] numbers by ASIN, and the numbers of the products with a synthetic instruction."""
MANIFEST = "catalogue.json"


def ensure(files: Files, cache: str | Path | None = None) -> Path:
    """The directory with everything for `files`, built where it is missing or was made from
    something else.

    Raises:
        DataError: where the files are broken, or the directory cannot be written.
    """
    parent = Path(cache) if cache is not None else files.products.parent
    target = parent / f"{files.products.stem}.turnwise"
    if _made_from(target, files):
        return target
    scratch = parent / f"{target.name}.building-{os.getpid()}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _forget_dead(target)
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
    """Hash of the official files that a directory was made from."""
    sources = json.loads((directory / MANIFEST).read_text(encoding="utf8"))["sources"]
    return json.dumps([source["digest"] for source in sources])


def _present(files: Files) -> list[Path]:
    return [path for path in (files.products, files.attributes, files.human) if path is not None]


def _made_from(target: Path, files: Files) -> bool:
    """True where `target` is whole, of this version, and made from these files as they are now."""
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return False
    paths = _present(files)
    if manifest.get("version") != [VERSION, bm25.VERSION] or len(manifest["sources"]) != len(paths):
        return False
    moved = False
    for path, source in zip(paths, manifest["sources"], strict=True):
        state = path.stat()
        if (path.name, state.st_size) != (source["name"], source["size"]):
            return False
        if state.st_mtime_ns != source["mtime"]:  # copied or touched: what it holds decides
            if _hash(path) != source["digest"]:
                return False
            source["mtime"], moved = state.st_mtime_ns, True
    if moved:
        with contextlib.suppress(OSError):  # a cache that cannot be written is still good
            (target / MANIFEST).write_text(json.dumps(manifest), encoding="utf8")
    return True


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _forget_dead(target: Path) -> None:
    """Remove what builds left behind that were killed."""
    for left in target.parent.glob(f"{target.name}.building-*"):
        pid = left.name.rpartition("-")[2]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (PermissionError, ValueError):
            continue


def _build(files: Files, out: Path) -> None:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:

        def watching(path: Path, what: str) -> tuple[Any, Callable[[bytes], None]]:
            digest = hashlib.blake2b(digest_size=16)
            bar = progress.add_task(what, total=path.stat().st_size)

            def seen(data: bytes) -> None:
                digest.update(data)
                progress.advance(bar, len(data))

            return digest, seen

        attributes_digest, seen = watching(files.attributes, "reading attributes")
        described = _Described(files, seen)
        products_digest, seen = watching(files.products, "indexing products")
        _products(
            files,
            described,
            seen,
            out,
            lambda what: progress.console.log(what) if console.is_terminal else None,
        )
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
    """Where `items_ins_v2` describes each ASIN, and whether it has an instruction for it."""

    def __init__(self, files: Files, seen: Callable[[bytes], None]) -> None:
        self._number: dict[str, int] = {}
        self._spans, self._instructed = array("q"), bytearray()
        for member in members(files.attributes, "{", seen):
            self._number[member.key] = len(self._instructed)
            self._spans.extend((member.begin, member.end))
            self._instructed.append(synthetic_instruction(member.value) is not None)

    def __getitem__(self, asin: str) -> tuple[int, int, bool]:
        number = self._number.get(asin)
        if number is None:
            return 0, 0, False
        return self._spans[2 * number], self._spans[2 * number + 1], bool(self._instructed[number])


def _products(
    files: Files,
    described: _Described,
    seen: Callable[[bytes], None],
    out: Path,
    say: Callable[[str], None],
) -> None:
    """The pass over the products: where they stand, what they cost, and the words in them."""
    asins, spans, attributes = list[str](), array("q"), array("q")
    low, high, instructed = array("d"), array("d"), array("i")
    inverter = Inverter(out)
    for member in distinct(files.products, seen):
        product, least, most = preprocess(files.products, member, {})
        begin, end, told = described[product.asin]
        if told:
            instructed.append(len(asins))
        asins.append(product.asin)
        spans.extend((member.begin, member.end))
        attributes.extend((begin, end))
        low.append(least)
        high.append(float("nan") if most is None else most)
        inverter.add(product.text)
    if not asins:
        raise DataError(f"{files.products} holds no products: fetch it again")
    order = np.array(sorted(range(len(asins)), key=asins.__getitem__), dtype=np.int32)
    arrays: tuple[npt.NDArray[Any], ...] = (
        np.array(spans, dtype=np.int64).reshape(-1, 2), np.array(attributes, dtype=np.int64).reshape(-1, 2),
        np.array(low, dtype=np.float64), np.array(high, dtype=np.float64), order, np.array(instructed, dtype=np.int32),
    )  # fmt: skip
    for name, values in zip(ARRAYS, arrays, strict=True):
        np.save(out / f"{name}.npy", values)
    places = {asin: number for number, asin in enumerate(asins)}
    human = [astuple(asked) for asked in human_instructions(files.human, places)]
    (out / "human.json").write_text(json.dumps(human), encoding="utf8")
    say("writing the search index")
    BM25Index.from_postings(asins, inverter.finish(), out).save(out)
    inverter.clean()
