"""The report is one static file, escapes what models and environments say, and survives a run that
is not finished.
"""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.made_training import small_config
from turnwise.errors import DataError
from turnwise.evaluation import score as scores
from turnwise.evaluation.metrics import measure
from turnwise.evaluation.score import Score
from turnwise.records import Trajectory, Turn, write_jsonl
from turnwise.training.charts import Curve, axis_ticks, interval_bar, line_chart, number, smoothed
from turnwise.training.report import write_report
from turnwise.training.run_folder import RunFolder

EVIL = '<script>alert("x")</script> & <img src=x onerror=y>'


def episode(task: int, success: bool, text: str = "click[buy now]") -> Trajectory:
    turn = Turn(
        agent="policy", prompt_ids=(1, 2), completion_ids=(3,), logprobs=(-0.1,), entropies=None,
        observation=f"a page {text}",
        completion=text, action=text, valid=success, rewards={"env": float(success)}, state="",
        next_state="",
    )  # fmt: skip
    return Trajectory(
        task=task,
        group=str(task),
        uid=f"t{task}",
        turns=(turn, turn),
        success=success,
        score=float(success),
        stop_reason="terminated",
    )


def score(played: list[Trajectory]) -> Score:
    return Score(
        environment="turnwise/WebShop-v0", environment_args={}, data_hash="abc", split="test",
        split_tasks=50,
        task_ids=tuple(t.task for t in played), attempts=1, max_turns=8, agent="run",
        prompt="webshop/act@1",
        sampling={"temperature": 0.0}, seed=0, metrics=measure(played),
        task_success=tuple(float(t.success) for t in played),
        task_score=tuple(t.score for t in played),
    )  # fmt: skip


def made_run(directory: Path, steps: int = 40) -> Path:
    """A run folder as a run leaves it, without the run."""
    folder = RunFolder(directory / "run", small_config(directory))
    facts = {
        "environment": "turnwise/WebShop-v0",
        "prompt": "webshop/act@1",
        "data_hash": "a" * 32,
        "versions": {"torch": EVIL},
    }
    (folder.path / "facts.json").write_text(json.dumps(facts))
    (folder.path / "start").mkdir()
    curve = [[k, 6 * math.exp(-k / 30) + 0.4] for k in range(5, 125, 5)]
    warm = {
        "demonstrations": 4000,
        "tokens": 1_405_903,
        "seconds": 269.0,
        "loss": 0.35,
        "held_out_turn": 0.69,
        "curve": curve,
    }
    (folder.path / "start" / "warm_start.json").write_text(json.dumps(warm))
    for step in range(1, steps + 1):
        wave = math.sin(step * 1.7) * 0.06
        metrics = {
            "success": 0.3 + 0.4 * step / 40 + wave, "score": 0.5 + 0.3 * step / 40 + wave,
            "reward": 0.3 + 0.4 * step / 40 + wave,
            "reward_std": 0.45 + wave, "entropy": 0.4 * math.exp(-step / 40),
            "clip_share": 0.01 + wave * wave,
            "kl_old": 1e-4 * (2 + wave),
            "turn_tokens": 5.6 + wave, "turns": 5 + wave, "context_tokens": 280 + 30 * wave,
            "invalid": 0.05 * math.exp(-step / 10),
            "truncated": 0.1 * math.exp(-step / 15), "mixed_groups": 0.6 + wave, "engine_gap": 2e-6,
            "grad_norm": 0.4 + wave,
            "learning_rate": 5e-4 * (1 - step / 44),
            "generated_per_second": 2500 + 1000 * wave, "trained_per_second": 8000 + 1000 * wave,
            "rollout_seconds": 3.0, "update_seconds": 4.0, "seconds": 7.2, "episodes": 128.0,
            "errors": 0.0,
        }  # fmt: skip
        if step % 10 == 0:
            metrics["dev_success"] = 0.35 + 0.3 * step / 40
        folder.log(step, metrics)
    folder.close()
    return folder.path


def finished_run(directory: Path) -> Path:
    folder = made_run(directory)
    for name, rate in (("before", 3), ("after", 1)):
        played = [
            episode(k, k % 4 >= rate, EVIL if k == 1 else "click[buy now]") for k in range(48)
        ]
        write_jsonl(folder / "trajectories" / f"{name}.jsonl", played)
        scores.write(folder / f"{name}.json", score(played))
    return folder


class Checked(HTMLParser):
    """Collects the tags; every one that is opened must be closed in its order."""

    VOID = frozenset({"meta", "br", "line", "rect", "path", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in self.VOID or tag == "circle":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_finished_run(tmp_path: Path) -> None:
    page = write_report(finished_run(tmp_path)).read_text(encoding="utf8")
    tags = Checked(page).tags
    assert tags.count("svg") >= 17 and "script" not in tags and "img" not in tags
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page.replace("src=x onerror", "")), (
        "the report asks a network"
    )
    for part in (
        "success on test, before",
        "difference, in points",
        "Success",
        "Entropy",
        "Clip share",
        "KL",
        "tokens per second",
        "+50.0",
    ):
        assert part in page, part


def test_changed_tasks_come_first(tmp_path: Path) -> None:
    page = write_report(finished_run(tmp_path)).read_text(encoding="utf8")
    assert re.findall(r"task (\d+), before", page)[:2] == ["1", "2"]


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    folder = made_run(tmp_path, steps=1)
    page = write_report(folder).read_text(encoding="utf8")
    assert "1 of 4" in page and "Held out" not in page
    Checked(page)
    (folder / "metrics.jsonl").unlink()
    Checked(write_report(folder).read_text(encoding="utf8"))


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the run folder is incomplete"):
        write_report(tmp_path)


@given(
    ys=st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=1, max_size=30),
    low=st.none() | st.just(0.0),
)
def test_any_curve_is_drawn_inside_its_frame(ys: list[float], low: float | None) -> None:
    drawn = line_chart([Curve("a <b>", range(1, len(ys) + 1), ys)], low=low)
    if all(math.isnan(y) for y in ys):
        assert "nothing recorded" in drawn
        return
    for circle in ElementTree.fromstring(drawn).iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 360 and 0 <= float(circle.attrib["cy"]) <= 190


@given(low=st.floats(-1e6, 1e6), span=st.floats(0, 1e6))
def test_ticks_cover_the_range(low: float, span: float) -> None:
    ticks = axis_ticks(low, low + span)
    assert 2 <= len(ticks) <= 8
    slack = 1e-6 * max(1.0, abs(low), span)
    assert ticks[0] <= low + slack and ticks[-1] >= low + span - slack


def test_numbers_and_bars() -> None:
    assert [number(v) for v in (0, 0.5, 0.00004, 1234, 2_500_000)] == [
        "0",
        "0.5",
        "4e-05",
        "1.23k",
        "2.5M",
    ]
    assert number(0.456, percent=True) == "46 %"
    assert smoothed([1, 3, 5], 2) == [1, 2, 4]
    bar = ElementTree.fromstring(interval_bar(0.5, 0.4, 0.6, 0))
    assert "0.500" in bar.attrib["aria-label"]
