"""Loading and making models, and the errors of models that cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from tests.training.made_training import small_config
from turnwise.agents.engines.transformers.pretrained import load
from turnwise.envs.registry import make, make_prompt
from turnwise.errors import ConfigError, DataError
from turnwise.training.config import Model, Tiny
from turnwise.training.console import RunConsole
from turnwise.training.loop import train
from turnwise.training.model import (
    autocasts,
    device_of,
    has_expert,
    load_model,
    make_tiny,
    texts_of,
)

TINY = Tiny(
    vocab=400,
    hidden=32,
    layers=1,
    heads=2,
    kv_heads=1,
    head_dim=16,
    intermediate=64,
    texts=6,
    lowercase=True,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    env = make("webshop", products=120, style="compact", reward="fixed")
    target = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny(
        target,
        TINY,
        env.spawn,
        make_prompt("webshop/act@1"),
        env.tasks("train"),
        "train",
        4,
        seed=0,
    )
    return target


def test_a_directory_loads(directory: Path) -> None:
    model, tokenizer = load_model(directory, Model(path="x"))
    assert next(model.parameters()).dtype == torch.float32 and tokenizer.chat_template
    half, _ = load_model(directory, Model(path="x", dtype="bfloat16"))
    assert next(half.parameters()).dtype == torch.bfloat16


def test_a_chat_template_of_ones_own(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("{{ messages[0].content }}", encoding="utf8")
    _, tokenizer = load_model(
        directory, Model(path="x", chat_template=str(tmp_path / "mine.jinja"))
    )
    assert (
        tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi"
    )
    with pytest.raises(ConfigError, match="there is no chat template"):
        load_model(directory, Model(path="x", chat_template=str(tmp_path / "absent.jinja")))


def copied(directory: Path, target: Path) -> Path:
    target.mkdir()
    for file in directory.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_what_can_be_wrong_with_a_model(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no config\.json"):
        load_model(tmp_path, Model(path="x"))
    bare = copied(directory, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="has no chat template"):
        load_model(bare, Model(path="x"))
    torn = copied(directory, tmp_path / "torn")
    weights = load_file(torn / "model.safetensors")
    save_file(
        dict(list(weights.items())[:3]), torn / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.raises(DataError, match="checkpoint of another model"):
        load_model(torn, Model(path="x"))


def test_devices_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto").type == device_of("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="no GPU"):
        device_of("cuda")
    cpu = torch.device("cpu")
    assert autocasts(Model(path="x", mixed_precision="yes"), cpu) and not autocasts(
        Model(path="x"), cpu
    )
    assert autocasts(Model(path="x", mixed_precision="auto"), cpu) in (True, False)


def test_texts_are_what_an_agent_reads_and_writes() -> None:
    env = make("webshop", products=120, style="compact", reward="fixed")
    assert has_expert(env.spawn, "train")
    texts = texts_of(env.spawn, make_prompt("webshop/act@1"), env.tasks("train")[:4], "train", 5)
    assert any(text.startswith("search[") for text in texts) and any(
        "click[" in text for text in texts
    )
    assert any("Instruction" in text for text in texts)


def test_adapters_want_peft(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match="needs peft"):
        load_model(directory, small_config(directory, model={"lora": {"rank": 2}}).model)


def test_a_run_with_adapters_trains_them_alone_and_its_model_loads(
    directory: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="peft is not installed: adapters are not tested")
    model = {"tiny": None, "path": str(directory), "lora": {"rank": 2, "alpha": 8.0}}
    config = small_config(
        tmp_path, model=model, train={"steps": 2, "checkpoint_every": 1}, optimiser={"lr": 0.05}
    )
    adapted, _ = load_model(directory, config.model)
    assert 0 < sum(p.requires_grad for p in adapted.parameters()) < len(list(adapted.parameters()))
    folder = train(config, RunConsole(Console(quiet=True)))
    saved, _ = load(str(folder / "model"), "cpu")
    plain, _ = load(str(directory), "cpu")
    base = {
        name.replace(".base_layer", ""): p
        for name, p in saved.named_parameters()
        if "lora_" not in name
    }
    assert base.keys() == dict(plain.named_parameters()).keys()
    assert all(torch.equal(base[name], p) for name, p in plain.named_parameters())
    assert any(p.abs().max() > 0 for name, p in saved.named_parameters() if "lora_B" in name)
    assert [
        len((folder / name).read_text(encoding="utf8")) > 0
        for name in ("before.json", "after.json")
    ] == [True, True]
