"""Loading prints nothing, and restores the progress bars of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnwise.agents.engines.transformers.pretrained import load, tokenizer_of
from turnwise.errors import DataError

transformers = pytest.importorskip("transformers")
log = transformers.utils.logging


@pytest.mark.parametrize("shown", [True, False])
def test_bars_stay_as_they_were(shown: bool, tmp_path: Path) -> None:
    before = log.is_progress_bar_enabled()
    try:
        (log.enable_progress_bar if shown else log.disable_progress_bar)()
        with pytest.raises(DataError, match="cannot load a tokenizer"):
            tokenizer_of(str(tmp_path))
        assert log.is_progress_bar_enabled() is shown
    finally:
        (log.enable_progress_bar if before else log.disable_progress_bar)()


def test_a_missing_directory_is_a_clear_error() -> None:
    with pytest.raises(
        DataError,
        match=r"no model directory \./nowhere: give the directory of a saved Hugging Face model",
    ):
        load("./nowhere")


def test_a_checkpoint_of_another_width_is_named(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    kind = {
        "vocab_size": 8,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
    }
    config = transformers.Qwen3Config(**kind, head_dim=8, intermediate_size=16)
    transformers.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    words = Tokenizer(models.WordLevel({"turnwise": 0, "[UNK]": 1}, unk_token="[UNK]"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path)
    load(str(tmp_path), "cpu")
    config.intermediate_size = 24
    config.save_pretrained(tmp_path)
    with pytest.raises(
        DataError,
        match=r"a checkpoint of another model: 3 parameters .* have another shape, "
        r"such as model\.layers\.0\.mlp",
    ):
        load(str(tmp_path), "cpu")
