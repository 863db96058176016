"""Configs: defaults, overrides, and one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from turnwise.envs.registry import env_spec
from turnwise.errors import ConfigError
from turnwise.training import load_config, tracking
from turnwise.training.config import RENAMED_KEYS, parse_config, resolve

GOOD = '[env]\nname = "webshop"\n[model.tiny]\nvocab = 400\n'


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(GOOD, encoding="utf8")
    return path


def test_defaults_and_overrides(good: Path) -> None:
    config = load_config(
        good,
        [
            "train.steps=7",
            "run.name=a b",
            "optimiser.betas=[0.8, 0.9]",
            "env.options={products=50}",
        ],
    )
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
        ("model.tiny=3", "model.tiny"),
        ("train=5", "train in"),
        ("run.trackers=['mlflow']", "run.trackers"),
        ("rollout.top_p=1.5", "rollout.top_p"),
        ("model.lora.rnak=4", "did you mean 'rank'"),
        ("optimiser.betas=[0.9]", "optimiser.betas"),
        ("=3", "section.key=value"),
        ("train..steps=3", "section.key=value"),
    ],
)
def test_one_sentence_for_each_mistake(good: Path, override: str, says: str) -> None:
    with pytest.raises(ConfigError) as found:
        load_config(good, [override])
    assert says in str(found.value)
    assert "\n" not in str(found.value)


def test_an_override_reads_toml_first_and_words_else(good: Path) -> None:
    overrides = [
        "run.name='12'", "run.directory=out/x=y", "env.options.products=50",
        "env.options.style = compact ",
        "warm_start.optimiser.lr=1e-4", "train.steps=1", "train.steps=2",
    ]  # fmt: skip
    config = load_config(good, overrides)
    assert (config.run.name, config.run.directory) == ("12", "out/x=y")
    assert config.env.options == {"products": 50, "style": "compact"}
    assert config.warm_start.optimiser.lr == 1e-4 and config.train.steps == 2, "the last one counts"


def test_a_section_that_is_set_in_part_keeps_its_other_defaults(good: Path) -> None:
    assert (
        load_config(good, ["warm_start.optimiser.lr=1e-4"]).warm_start.optimiser.schedule
        == "constant"
    )
    assert load_config(good).warm_start.optimiser.name == "muon"


def test_a_config_survives_its_own_json(good: Path) -> None:
    overrides = [
        "env.options={products=50, list=[1, 2]}",
        "model.lora={rank=2, targets=['q', 'v']}",
        "run.trackers=['wandb']",
    ]
    config = load_config(good, overrides)
    assert parse_config(json.loads(json.dumps(config.model_dump(mode="json")))) == config


def test_a_config_cannot_be_changed(good: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_config(good).train.steps = 3


def test_a_former_key_or_value_is_answered_with_the_new_one(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RENAMED_KEYS, "rollout.length", "rollout.max_tokens")
    for override, says in (
        ("rollout.length=3", r"rollout\.length in .* was renamed to rollout\.max_tokens"),
        (
            "algorithm.options={streams=['given:value']}",
            "'given:value'.*was renamed to 'precomputed:value'",
        ),
        ("algorithm.options={baseline='given:ref_logp'}", r"algorithm\.options\.baseline"),
        ("algorithm.options={'given:value'=1}", "renamed to 'precomputed:value'"),
    ):
        with pytest.raises(ConfigError, match=says) as found:
            load_config(good, [override])
        assert "\n" not in str(found.value) and "change it" in str(found.value)


def test_modules_are_imported_before_any_name_is_looked_up(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they register is then known, such as a tracker."""
    (tmp_path / "my_parts.py").write_text(
        "from turnwise.training.tracking import register_tracker\n"
        "register_tracker('my_tracker', lambda folder, config, start: None)\n",
        encoding="utf8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    trackers = "run.trackers=['my_tracker']"
    with pytest.raises(ConfigError, match=r"unknown tracker 'my_tracker' in run\.trackers"):
        load_config(good, [trackers])
    try:
        config = load_config(good, [trackers, "run.imports=['my_parts']"])
    finally:
        tracking.TRACKERS.registered.pop("my_tracker", None)
    assert config.run.imports == ("my_parts",)
    with pytest.raises(ConfigError, match=r"run\.imports: there is no module 'your_parts'"):
        load_config(good, ["run.imports=['your_parts']"])


def test_the_evaluation_split_is_the_environment_s_own_unless_it_is_given(good: Path) -> None:
    assert load_config(good).eval.split == ""
    assert resolve(load_config(good)).eval.split == env_spec("webshop").eval_split
    chosen = load_config(good, ["eval.split=dev", "eval.tasks=7"])
    assert resolve(chosen) == chosen


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


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[2] / "configs").glob("*.toml")),
    ids=lambda path: path.stem,
)
def test_shipped_configs_load(path: Path) -> None:
    assert load_config(path).env.name
