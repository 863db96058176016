"""Search from the command line: measured, played, and over a file that is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]
SMALL = ("-e", "worlds=3", "-e", "style=compact", "-e", "entities=16", "-e", "per_world=6")


def test_the_expert_and_a_random_agent_are_measured_by_kind(turnwise: Run) -> None:
    done = turnwise("eval", "search", "--agent", "expert", "--split", "test", *SMALL)
    assert done.exit_code == 0, done.stderr
    lines = [line.split()[0] for line in done.stdout.splitlines() if line.split()]
    assert {"kind", "chain", "hops"} <= set(lines)
    assert turnwise("eval", "search", "--agent", "random", "--split", "test", *SMALL).exit_code == 0


def test_it_can_be_played(turnwise: Run) -> None:
    done = turnwise("play", "search", "--task", "0/0", *SMALL, input="hint\n1 ba17\nquit\n")
    assert done.exit_code == 0 and "expert: search[" in done.stdout


def test_a_missing_file_is_one_sentence(turnwise: Run) -> None:
    done = turnwise("eval", "search", "-e", "questions=none.jsonl", "--split", "all")
    assert (
        done.exit_code == 2
        and done.stderr.startswith("error: none.jsonl does not exist")
        and done.stderr.count("\n") == 1
    )
    done = turnwise("eval", "search", "-e", "hops=[9]")
    assert done.exit_code == 2 and "1 to 4 hops" in done.stderr
