"""A config says what is wrong with it in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnwise.errors import ConfigError
from turnwise.training import load_config

GOOD = '[env]\nname = "webshop"\n[model.tiny]\nvocab = 400\n'


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(GOOD, encoding="utf8")
    return path


def test_defaults_and_overrides(good: Path) -> None:
    config = load_config(good, ["train.steps=7", "run.name=a b", "optimiser.betas=[0.8, 0.9]", "env.options={products=50}"])
    assert (config.train.steps, config.run.name, config.optimiser.betas) == (7, "a b", (0.8, 0.9))
    assert config.env.options == {"products": 50}
    assert config.model.tiny is not None and config.model.tiny.vocab == 400


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.step=1", "did you mean 'steps'"),
        ("warm_start.optimiser.lrr=1", "did you mean 'lr'"),
        ("model.tiny.vocabulary=1", "did you mean 'vocab'"),
        ("trian.steps=1", "did you mean 'train'"),
        ("train.steps=many", "train.steps"),
        ("rollout.temperature=0", "rollout.temperature"),
        ("optimiser.name=sgd", "optimiser.name"),
        ("steps", "section.key=value"),
        ("env.name.deep=1", "is a value and not a table"),
        ("model.path=somewhere", "exactly one"),
    ],
)
def test_one_sentence_for_each_mistake(good: Path, override: str, says: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_config(good, [override])
    assert says in str(found.value)
    assert "\n" not in str(found.value)


def test_missing_and_malformed_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no config"):
        load_config(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[env\n", encoding="utf8")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(broken)
    empty = tmp_path / "empty.toml"
    empty.write_text("", encoding="utf8")
    with pytest.raises(ConfigError, match="lacks"):
        load_config(empty)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_configs_load(path: Path) -> None:
    assert load_config(path).env.name
