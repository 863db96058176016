"""Everything that can be given wrongly ends in one sentence (what, where, what to do) and a status
that is not 0.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
SHOP = ("eval", "webshop", "-e", "style=compact")


def refused(done: Any, *says: str) -> None:
    """Status 2, nothing on standard output, one sentence that holds `says`."""
    assert done.exit_code == 2, (done.exit_code, done.stdout, done.stderr, done.exception)
    assert (
        done.stdout == "" and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    ), done.stderr
    for part in says:
        assert part in done.stderr


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return shutil.copytree(tiny, tmp_path / "model")


# Catalogues and tasks
# ------------------------------------------------------------------------------------------------


def test_a_missing_catalogue(turnwise: Run, tmp_path: Path) -> None:
    refused(
        turnwise("eval", "webshop", "-e", f"catalogue={tmp_path / 'none'}"),
        str(tmp_path / "none"),
        "official files",
    )


def test_a_truncated_catalogue(turnwise: Run, tmp_path: Path) -> None:
    (tmp_path / "items_shuffle_1000.json").write_text('[{"asin": "B000000001", "name": "a sh')
    (tmp_path / "items_ins_v2_1000.json").write_text("{}")
    refused(
        turnwise("eval", "webshop", "-e", f"catalogue={tmp_path}"),
        "items_shuffle_1000.json",
        "cut off",
    )


def test_a_catalogue_without_its_other_half(turnwise: Run, tmp_path: Path) -> None:
    (tmp_path / "items_shuffle_1000.json").write_text("[]")
    refused(
        turnwise("eval", "webshop", "-e", f"catalogue={tmp_path}"),
        "items_ins_v2_1000.json",
        "does not exist",
    )


def test_a_goal_out_of_range(turnwise: Run) -> None:
    refused(
        turnwise("play", "webshop", "-e", "style=compact", "--task", "123456"),
        "no goal 123456",
        "goals, numbered from 0",
    )


def test_an_empty_split(turnwise: Run) -> None:
    # Fewer official goals than the test split takes leave nothing to train on.
    refused(
        turnwise(*SHOP, "-e", "products=30", "-e", "split_rule=official", "--split", "train"),
        "split 'train' has no tasks here",
    )


def test_an_unknown_split_and_too_many_tasks(turnwise: Run) -> None:
    refused(
        turnwise(*SHOP, "--split", "tests"), "no split 'tests' here: choose one of train, dev, test"
    )
    refused(turnwise(*SHOP, "--tasks", 100_000), "tasks=100000: split 'test' has")


# Names
# ------------------------------------------------------------------------------------------------


def test_unknown_names(turnwise: Run, tiny: Path) -> None:
    refused(turnwise("eval", "webshp"), "unknown environment 'webshp': did you mean 'webshop'?")
    refused(
        turnwise(*SHOP, "--prompt", "webshop/react", "-a", tiny),
        "unknown prompt 'webshop/react': did you mean 'webshop/react@1'?",
    )
    refused(turnwise(*SHOP, "-a", "exprt"), "unknown agent 'exprt': did you mean 'expert'?")
    refused(
        turnwise(*SHOP, "-e", "rewards=fixed"),
        "unknown setting 'rewards'",
        "did you mean 'reward'?",
    )
    refused(turnwise(*SHOP, "-e", "reward=fixt"), "unknown reward 'fixt'", "fixed")
    refused(turnwise(*SHOP, "-e", "products=many"), "'products'", "'many'", "int")
    refused(turnwise(*SHOP, "-e", "reward"), "'reward' is not a setting", "key=value")


# Models
# ------------------------------------------------------------------------------------------------


def test_a_directory_that_is_not_there_or_holds_no_model(turnwise: Run, tmp_path: Path) -> None:
    refused(
        turnwise(*SHOP, "-a", tmp_path / "none"), f"there is no model directory {tmp_path / 'none'}"
    )
    refused(turnwise(*SHOP, "-a", tmp_path), f"the directory {tmp_path} holds no model")


def test_a_checkpoint_of_another_model(turnwise: Run, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(
        json.dumps({**config, "num_hidden_layers": 2, "layer_types": ["full_attention"] * 2})
    )
    refused(
        turnwise(*SHOP, "-a", copy), str(copy), "a checkpoint of another model", "model.layers.1"
    )


def test_weights_of_another_shape(turnwise: Run, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    refused(turnwise(*SHOP, "-a", copy), str(copy))


def test_truncated_weights(turnwise: Run, copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    refused(turnwise(*SHOP, "-a", copy), f"cannot load the model '{copy}'")


def test_a_tokenizer_of_another_model(turnwise: Run, copy: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens([f"word{i}" for i in range(100)])
    tokenizer.save_pretrained(copy)
    refused(turnwise(*SHOP, "-a", copy), "tokens and the model", "they belong to different models")


def test_a_model_without_a_tokenizer(turnwise: Run, copy: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copy / name).unlink()
    refused(turnwise(*SHOP, "-a", copy), "cannot load a tokenizer from")


def test_a_tokenizer_without_a_chat_template(turnwise: Run, copy: Path, tmp_path: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    refused(
        turnwise(*SHOP, "-a", copy),
        "has no chat template: give a Jinja file with one as `chat_template`",
    )
    from turnwise.training.model import TEMPLATE

    (tmp_path / "chatml.jinja").write_text(TEMPLATE)
    some = (
        "--tasks",
        1,
        "--max-turns",
        1,
        "--max-tokens",
        2,
        "--chat-template",
        tmp_path / "chatml.jinja",
    )
    assert turnwise(*SHOP, "-a", copy, *some).exit_code == 0


def test_devices_and_dtypes_that_are_not_there(turnwise: Run, tiny: Path) -> None:
    refused(turnwise(*SHOP, "-a", tiny, "--device", "abacus"), "unknown device 'abacus'")
    refused(
        turnwise(*SHOP, "-a", tiny, "--device", "cuda:99"),
        "'cuda:99' is not on this machine",
        "turnwise doctor",
    )
    refused(turnwise(*SHOP, "-a", tiny, "--dtype", "float8"), "unknown dtype 'float8'")


# Files
# ------------------------------------------------------------------------------------------------


def test_recordings_that_cannot_be_replayed(turnwise: Run, tmp_path: Path) -> None:
    refused(turnwise(*SHOP, "-a", f"replay:{tmp_path / 'none.jsonl'}"), "none.jsonl does not exist")
    (tmp_path / "t.jsonl").write_text('{"format": "turnwise.trajectories", "version": 99}\n')
    refused(
        turnwise(*SHOP, "-a", f"replay:{tmp_path / 't.jsonl'}"),
        "version 99 and this turnwise reads version 1",
    )
    (tmp_path / "t.jsonl").write_text(
        '{"format": "turnwise.trajectories", "version": 1}\n{"task": 1, "gro'
    )
    refused(
        turnwise(*SHOP, "-a", f"replay:{tmp_path / 't.jsonl'}"),
        "t.jsonl line 2 is not valid JSON",
        "cut off",
    )


def test_a_baseline_that_is_no_score(turnwise: Run, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("{}")
    refused(
        turnwise(*SHOP, "--tasks", 1, "--baseline", tmp_path / "s.json"),
        "s.json is not a turnwise score",
    )


def test_a_place_that_cannot_be_written(turnwise: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = turnwise(*SHOP, "--tasks", 1, "--json", tmp_path / "file" / "s.json")
    assert done.exit_code == 2 and "cannot write the score to" in done.stderr
    done = turnwise(*SHOP, "--tasks", 1, "--save", tmp_path / "file" / "t.jsonl")
    assert done.exit_code == 2 and "cannot write the trajectories to" in done.stderr
