"""`turnwise doctor`: list what is installed, what is missing, and how to install it."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from turnwise.cli.runtime import DEFAULTS


@dataclass(frozen=True, slots=True)
class KnownPackage:
    """A package that turnwise uses, always or for one purpose."""

    module: str
    distribution: str
    purpose: str
    install: str
    """The command that installs it."""


PACKAGES = (
    KnownPackage("gymnasium", "gymnasium", "environments", "pip install turnwise"),
    KnownPackage("numpy", "numpy", "search, credit", "pip install turnwise"),
    KnownPackage("pydantic", "pydantic", "configs", "pip install turnwise"),
    KnownPackage("torch", "torch", "models, training", "pip install 'turnwise[train]'"),
    KnownPackage(
        "transformers", "transformers", "models, training", "pip install 'turnwise[train]'"
    ),
    KnownPackage("tokenizers", "tokenizers", "models, training", "pip install 'turnwise[train]'"),
    KnownPackage("accelerate", "accelerate", "training", "pip install 'turnwise[train]'"),
    KnownPackage(
        "tensorboard", "tensorboard", "curves while training", "pip install 'turnwise[train]'"
    ),
    KnownPackage("peft", "peft", "low-rank adapters", "pip install 'turnwise[train]'"),
    KnownPackage("pytest", "pytest", "SWE", "pip install 'turnwise[swe]'"),
    KnownPackage("math_verify", "math-verify", "ToolMath: LaTeX", "pip install 'turnwise[math]'"),
    KnownPackage(
        "reasoning_gym",
        "reasoning-gym",
        "ToolMath: more problems",
        "pip install 'turnwise[reasoning-gym]'",
    ),
    KnownPackage("textworld", "textworld", "TextWorld", "pip install textworld"),
    KnownPackage(
        "alfworld", "alfworld", "ALFWorld: the original engine", "pip install 'turnwise[alfworld]'"
    ),
    KnownPackage("docker", "docker", "the docker sandbox", "pip install 'turnwise[docker]'"),
    KnownPackage("wandb", "wandb", "curves on Weights & Biases", "pip install wandb"),
    KnownPackage("trackio", "trackio", "curves on trackio", "pip install trackio"),
    KnownPackage(
        "spacy",
        "spacy",
        "WebShop: the original noun tagger",
        "pip install spacy && python -m spacy download en_core_web_sm",
    ),
)


def doctor_command() -> None:
    """Show what is installed, what is missing and the command that installs it.

    Also shows devices, threads, and what each sandbox isolates. The exit status
    is always 0.
    """
    console = Console()
    console.print(_table("this machine", ("", ""), _machine()))
    lines: list[tuple[str, ...]] = [_line(package) for package in PACKAGES]
    console.print(_table("packages", ("package", "version", "for"), lines))
    missing = dict.fromkeys(p.install for p in PACKAGES if not _installed(p))
    if missing:
        console.print("[bold]to install what is missing (all of it optional)[/]")
        for command in missing:  # unwrapped, to be copied
            console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        _table("sandboxes, in the order they are tried", ("backend", "here"), _sandboxes())
    )
    console.print(_table("runtime settings", ("variable", "value"), _settings()))


def _table(title: str, columns: tuple[str, ...], lines: list[tuple[str, ...]]) -> Table:
    grid = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        pad_edge=False,
        show_header=any(columns),
    )
    for number, name in enumerate(columns):
        grid.add_column(
            name, style="cyan" if not number else None, overflow="fold", no_wrap=not number
        )
    for line in lines:
        grid.add_row(*line)
    return grid


def _installed(package: KnownPackage) -> bool:
    return importlib.util.find_spec(package.module) is not None


def _line(package: KnownPackage) -> tuple[str, str, str]:
    if not _installed(package):
        return package.module, "[yellow]missing[/]", package.purpose
    try:
        return package.module, metadata.version(package.distribution), package.purpose
    except metadata.PackageNotFoundError:
        return package.module, "present", package.purpose


def _machine() -> list[tuple[str, ...]]:
    from turnwise.evaluation.score import software_versions

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = [
        ("turnwise", software_versions()["turnwise"]),
        ("Python", f"{platform.python_version()} on {platform.platform()}"),
        ("CPU", f"{usable} of {os.cpu_count()} cores usable by this process"),
    ]
    memory = _memory()
    if memory is not None:
        lines.append(("memory", f"{memory[1]:.1f} of {memory[0]:.1f} GiB free"))
    return [*lines, *_torch()]


def _memory() -> tuple[float, float] | None:
    """Return total and available memory in GiB; None where the kernel does not say."""
    source = Path("/proc/meminfo")
    if not source.is_file():
        return None
    sizes = {
        line.split(":")[0]: int(line.split()[1])
        for line in source.read_text().splitlines()
        if line.endswith("kB")
    }
    return sizes["MemTotal"] / 2**20, sizes.get("MemAvailable", 0) / 2**20


def _torch() -> Iterator[tuple[str, ...]]:
    if importlib.util.find_spec("torch") is None:
        yield (
            "devices",
            "torch is missing: environments, scripted agents and endpoints work; local models "
            "do not",
        )
        return
    try:
        import torch
    except (ImportError, OSError) as problem:
        yield "devices", f"[red]torch is installed but cannot be loaded[/]: {problem}"
        return
    threads = torch.get_num_threads()
    yield (
        "threads",
        f"{threads} for torch (OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')})",
    )
    found = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    yield "devices", ", ".join(found) or "CPU only"
    if not found:
        yield "CPU arithmetic", torch.backends.cpu.get_cpu_capability()


def _sandboxes() -> list[tuple[str, ...]]:
    """Try each backend; return what it does not protect, or why it does not run."""
    from turnwise.sandbox import probe

    lines: list[tuple[str, ...]] = []
    for name in probe.BACKENDS:
        if why := probe.reason(name):
            lines.append((name, f"[yellow]unavailable[/]: {escape(why)}"))
        else:
            gaps = "; ".join(probe.missing(name))
            lines.append((name, f"works; not protected: {gaps}" if gaps else "works"))
    return lines


def _settings() -> list[tuple[str, ...]]:
    return [(name, os.environ.get(name, "not set")) for name in DEFAULTS]
