"""Time and memory to build, load and search a catalogue of the official size.

    python benchmarks/webshop_scale.py --products 1180000 --directory /somewhere/with/8/GB

The official data has 1.18 million products, which have to fit into 8 GB. This script writes files
of the official format with invented products (about 110 search terms each, like the official ones,
and 1.9 kB instead of 2.7; words follow a Zipf law over a vocabulary that grows with the catalogue),
builds the index in one process and loads it in another. Memory is what the kernel reports: `VmHWM`
is the peak, and `RssFile` the part in mapped files, which the kernel may drop at any time.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_SYLLABLES = (
    "ba ce di fo gu ha ke li mo nu pa re si to vu wa xe yi zo an el is or um ch st tr pl sh th"
)
SYLLABLES = _SYLLABLES.split()
QUERIES = 300


def word(number: int) -> str:
    """Return the word of a rank in the vocabulary; frequent ones are short."""
    letters = ""
    while True:
        letters += SYLLABLES[number % len(SYLLABLES)]
        number //= len(SYLLABLES)
        if number == 0:
            return letters


def products(n: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield raw products of the official format."""
    rng = np.random.default_rng(seed)
    choice = random.Random(seed)
    words = [word(k) for k in range(2_000_000)]
    for first in range(0, n, 1000):
        ranks = np.minimum(rng.zipf(1.15, size=(1000, 420)), len(words) * 4) % len(words)
        lengths = rng.lognormal(4.1, 1.0, size=1000).clip(0, 290).astype(int)
        for k in range(min(1000, n - first)):
            text = [words[r] for r in ranks[k]]
            yield _product(first + k, text, int(lengths[k]), choice)


def _product(number: int, text: list[str], described: int, choice: random.Random) -> dict[str, Any]:
    name, rest = " ".join(text[:18]), text[18:]
    # One product in five goes beyond ASCII, as in the official data.
    accent = "é" if number % 5 == 0 else ""
    low = round(choice.lognormvariate(3.2, 1.0), 2)
    prices = {0: f"${low}${round(low * 1.5, 2)}", 1: ""}
    colors = [{"value": f"{w} {k}", "image": None} for k, w in enumerate(text[:4])]
    return {
        "name": name + accent, "full_description": " ".join(rest[100 : 100 + described]),
        "pricing": prices.get(number % 11, f"${low}"),
        "images": [f"https://images.example/images/I/{number:011d}.{k:02d}.jpg" for k in range(10)],
        "product_category": " › ".join(text[:4]), "average_rating": "",
        "small_description": [" ".join(rest[k : k + 20]) for k in range(0, 100, 20)],
        "customization_options": {"Color": colors} if number % 2 else None,
        "asin": f"B{number * 7919 % 2_000_003:09d}", "category": "garden",
        "query": " ".join(text[:2]), "page": number % 400,
    }  # fmt: skip


def write(directory: Path, n: int, seed: int) -> None:
    """Write files of the official format; four products in ten have a synthetic instruction."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        (directory / "items_shuffle.json").open("w", encoding="utf8") as items,
        (directory / "items_ins_v2.json").open("w", encoding="utf8") as described,
    ):
        items.write("[")
        described.write("{")
        for number, product in enumerate(products(n, seed)):
            comma = ", " if number else ""
            items.write(comma + json.dumps(product, ensure_ascii=number % 10 != 0))
            words = product["name"].split()
            entry: dict[str, Any] = {"attributes": [f"{words[0]} {words[1]}", words[2]]}
            if number % 5 < 2:
                entry |= {
                    "instruction": f"Find me {product['query']}",
                    "instruction_attributes": entry["attributes"][:1],
                }
            described.write(f"{comma}{json.dumps(product['asin'])}: {json.dumps(entry)}")
        items.write("]")
        described.write("}")


def memory() -> dict[str, float]:
    """Return GB of this process: peak, resident, and its private and mapped parts."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        name: int(lines[name].split()[0]) / 2**20
        for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")
    }


def build(directory: Path) -> dict[str, Any]:
    """Build the index and return time and memory."""
    from turnwise.envs.webshop.catalogue import Catalogue

    begin = time.perf_counter()
    Catalogue.official(directory, cache=directory)
    return {"seconds": time.perf_counter() - begin, "CPU seconds": time.process_time(), **memory()}


def load(directory: Path) -> dict[str, Any]:
    """Load the catalogue, search it, and return times and memory."""
    from turnwise.envs.webshop.catalogue import Catalogue

    begin = time.perf_counter()
    catalogue = Catalogue.official(directory, cache=directory)
    loaded = time.perf_counter() - begin
    after = memory()
    rng = random.Random(1)
    asins = [catalogue.asins[rng.randrange(len(catalogue))] for _ in range(QUERIES)]
    fetched = _times([lambda asin=asin: catalogue[asin] for asin in asins])
    queries = [" ".join(catalogue[asin].title.split()[: rng.randint(3, 14)]) for asin in asins]
    rank = sum(asin in catalogue.search(query) for asin, query in zip(asins, queries, strict=True))
    index = catalogue.index
    searched = _times([lambda query=query: index.search(query) for query in queries])
    cached = _times([lambda query=query: catalogue.search(query) for query in queries])
    return {
        "seconds": loaded, "after loading": after, "after queries": memory(),
        "products": len(catalogue), "terms": len(index.terms), "postings": len(index.docs),
        "hash": catalogue.data_hash, "found in 50": rank / len(asins), "product ms": fetched,
        "search ms": searched, "cached search ms": cached,
    }  # fmt: skip


def _times(calls: list[Any]) -> dict[str, float]:
    """Return median and 95th percentile in milliseconds."""
    took = []
    for call in calls:
        begin = time.perf_counter()
        call()
        took.append((time.perf_counter() - begin) * 1e3)
    return {
        "p50": round(float(np.percentile(took, 50)), 3),
        "p95": round(float(np.percentile(took, 95)), 3),
    }


def _in_own_process(step: str, directory: Path) -> None:
    """Run a step in its own process and print its measurements."""
    command = [sys.executable, __file__, "--step", step, "--directory", str(directory)]
    result = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    )
    print(f"{step}:")
    for name, value in result.items():
        print(f"  {name}: {value:.3f}" if isinstance(value, float) else f"  {name}: {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument(
        "--directory", type=Path, required=True, help="an empty directory; removed at the end"
    )
    parser.add_argument("--keep", action="store_true", help="do not remove the directory")
    parser.add_argument("--step", choices=("build", "load"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step is not None:
        print(json.dumps({"build": build, "load": load}[given.step](given.directory)))
        return
    begin = time.perf_counter()
    if not (given.directory / "items_shuffle.json").exists():
        write(given.directory, given.products, seed=0)
    size = sum(path.stat().st_size for path in given.directory.glob("items_*.json")) / 2**30
    print(
        f"{given.products} products, {size:.2f} GB of files, "
        f"written in {time.perf_counter() - begin:.0f} s"
    )
    _in_own_process("build", given.directory)
    size = sum(path.stat().st_size for path in given.directory.glob("*.turnwise/*")) / 2**30
    print(f"  index on disk: {size:.2f} GB")
    _in_own_process("load", given.directory)
    if not given.keep:
        shutil.rmtree(given.directory)


if __name__ == "__main__":
    main()
