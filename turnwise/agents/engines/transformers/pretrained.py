"""Load a model and its tokenizer from a directory or the hub, with one-sentence errors.

`transformers` fills weights that it does not find with random numbers and only warns. A score of
such a model would be meaningless, so that is an error here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from turnwise.errors import ConfigError, DataError

DTYPES = ("auto", "float32", "bfloat16", "float16")
CONFIG_FILES = ("config.json", "adapter_config.json")


def load(name: str, device: str = "auto", dtype: str = "auto") -> tuple[Any, Any]:
    """Return (model in eval mode, tokenizer).

    Args:
        name: a directory in Hugging Face's layout, or a hub id.
        device: `auto` (a GPU when there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        dtype: `auto` (as saved), `float32`, `bfloat16` or `float16`.

    Raises:
        ConfigError: for an unknown device or dtype, or without transformers.
        DataError: for a model or tokenizer that is missing or damaged, or for two that do not
            belong together.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"unknown dtype {dtype!r}: choose one of {', '.join(DTYPES)}")
    torch, transformers = _libraries()
    _check_directory(name)
    tokenizer = tokenizer_of(name)  # first, since it is small: a wrong name fails early
    precision = dtype if dtype == "auto" else getattr(torch, dtype)
    try:
        with _quiet(transformers):
            # Weights of another shape are let through to `_check_weights`, which names them.
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                name, dtype=precision, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as problem:  # each of the libraries involved raises errors of its own
        raise DataError(f"cannot load the model {name!r}: {_first_line(problem)}") from problem
    _check_weights(name, report, model, tokenizer)
    return model.to(_device(torch, device)).eval(), tokenizer


def tokenizer_of(name: str) -> Any:
    """Return the tokenizer of a directory or hub id.

    Raises:
        DataError: when it cannot be loaded or has no vocabulary.
    """
    _, transformers = _libraries()
    try:
        with _quiet(transformers):
            tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    except Exception as problem:
        where = "; a name that is no directory here is one of the hub, which needs a network"
        raise DataError(
            f"cannot load a tokenizer from {name!r}: {_first_line(problem)}"
            f"{'' if Path(name).exists() else where}"
        ) from problem
    # Without tokenizer files, transformers builds some tokenizers from the model's config alone,
    # with an empty vocabulary.
    if not tokenizer.encode("turnwise", add_special_tokens=False):
        raise DataError(
            f"cannot load a tokenizer from {name!r}: it has no vocabulary there; "
            "save the tokenizer beside the model"
        )
    return tokenizer


def _libraries() -> tuple[Any, Any]:
    """Return the modules (torch, transformers)."""
    try:
        import torch
        import transformers
    except ImportError as problem:
        raise ConfigError(
            f"a model needs {problem.name}: install it with pip install 'turnwise[train]'"
        ) from problem
    return torch, transformers


class _quiet:
    """Silences the progress bars and load reports of transformers, and restores them."""

    def __init__(self, transformers: Any) -> None:
        self.log = transformers.utils.logging

    def __enter__(self) -> None:
        self.level, self.bars = self.log.get_verbosity(), self.log.is_progress_bar_enabled()
        self.log.set_verbosity_error()
        self.log.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        self.log.set_verbosity(self.level)
        if self.bars:  # a caller may have disabled them already
            self.log.enable_progress_bar()


def _check_directory(name: str) -> None:
    path = Path(name)
    looks_local = path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1
    if path.is_dir() and not any((path / file).is_file() for file in CONFIG_FILES):
        raise DataError(
            f"the directory {name} holds no model (no config.json): "
            "give the directory of a saved Hugging Face model"
        )
    if path.is_file() or (looks_local and not path.exists()):
        raise DataError(
            f"there is no model directory {name}: "
            "give the directory of a saved Hugging Face model, or a hub id"
        )


def _check_weights(name: str, report: dict[str, Any], model: Any, tokenizer: Any) -> None:
    mismatched = report.get("mismatched_keys", ())  # names, or (name, shape, shape)
    other_shape = (key if isinstance(key, str) else key[0] for key in mismatched)
    lost = sorted({*report["missing_keys"], *other_shape})
    if lost:
        raise DataError(
            f"{name} holds a checkpoint of another model: {len(lost)} parameters of "
            f"{type(model).__name__} are missing or have another shape, such as {lost[0]}"
        )
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise DataError(
            f"the tokenizer in {name} has {len(tokenizer)} tokens and the model {rows}: they "
            "belong to different models; save the two together"
        )


def _device(torch: Any, name: str) -> Any:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as problem:
        raise ConfigError(
            f"unknown device {name!r}: choose auto, cpu, cuda, cuda:N or mps"
        ) from problem
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    index = (device.index or 0) if device.type == "cuda" else 0
    if index >= counts.get(device.type, 0):
        raise ConfigError(
            f"the device {name!r} is not on this machine: `turnwise doctor` lists those that are"
        )
    return device


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(problem).__name__
