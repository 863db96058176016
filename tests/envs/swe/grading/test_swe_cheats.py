"""No reward without a repair: every cheat on every backend, with the honest repair and the
agent that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.envs.swe.grading.swe_cheats import BROKEN, CHEATS, PRISTINE, TASK, WORDS, Cheat
from tests.envs.swe.grading.swe_hard_cheats import HARD
from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.grading import Rules, Verdict, collect, grade
from turnwise.sandbox import open_sandbox
from turnwise.sandbox.contract import Sandbox, Spec
from turnwise.sandbox.probe import reason

RULES = Rules(test_seconds=4.0, seconds=600.0)
Open = Callable[[Spec], Sandbox]


@pytest.fixture(scope="module", params=["jail", pytest.param("docker", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest) -> Open:
    name: str = request.param
    if absent := reason(name):
        pytest.skip(f"{name}: {absent}")
    return lambda spec: open_sandbox(spec, name)


def handed_in(cheat: Cheat, opened: Open) -> dict[str, bytes]:
    """What is collected of a cheat: from a real sandbox where it needs one."""
    if not cheat.command:
        return cheat.tree()
    with opened(python.spec()) as sandbox:
        for path, data in cheat.tree().items():
            sandbox.write(path, data)
        shell = sandbox.shell()
        assert shell.run(cheat.command, timeout=120.0).error == "none"
        shell.close()
        return dict(collect.from_sandbox(sandbox).files)


def graded(files: dict[str, bytes], opened: Open, rules: Rules = RULES) -> Verdict:
    return grade(TASK, PRISTINE, files, opened, rules)


@pytest.mark.parametrize("cheat", (*CHEATS, *HARD), ids=lambda cheat: cheat.name)
def test_nobody_is_paid_for_cheating(cheat: Cheat, opened: Open) -> None:
    verdict = graded(handed_in(cheat, opened), opened)
    assert verdict.error == ""
    assert (
        not verdict.resolved and verdict.reward("binary") == 0.0 and verdict.reward("ratio") == 0.0
    ), verdict
    assert not cheat.reason or any(cheat.reason in reason for reason in verdict.reasons), (
        verdict.reasons
    )


def test_the_repair_is_paid_whole_and_nothing_is_found(opened: Open) -> None:
    assert graded(PRISTINE, opened) == Verdict(True, 1.0, 1.0)


def test_doing_nothing_is_paid_nothing_and_nothing_is_found(opened: Open) -> None:
    assert graded(BROKEN, opened) == Verdict(False, 0.0, 1.0)


def test_another_repair_with_new_files_is_paid(opened: Open) -> None:
    source = WORDS.replace(
        b'" ".join(word.capitalize() for word in text.split()) + mark', b"capitals(text, mark)"
    )
    source = source.replace(
        b"import collections", b"import collections\n\nfrom tally.capitals import capitals"
    )
    new = b"""def capitals(text, mark):
    words = [word[:1].upper() + word[1:].lower() for word in text.split()]
    return f"{' '.join(words)}{mark}"
"""
    verdict = graded(
        {**BROKEN, "tally/words.py": source, "tally/capitals.py": new, "debug.py": b"print(1)\n"},
        opened,
    )
    assert verdict == Verdict(True, 1.0, 1.0)


def test_half_a_repair_is_a_half_by_ratio(opened: Open) -> None:
    verdict = graded({**BROKEN, "tally/words.py": WORDS.replace(b" + mark", b"")}, opened)
    assert (verdict.f2p_rate, verdict.p2p_rate, verdict.tampered) == (0.5, 1.0, False)
    assert verdict.reward("ratio") == 0.5 and verdict.reward("binary") == 0.0


@pytest.mark.parametrize(
    "name, word", [("equal to everything", "must fail"), ("equal but for case", "otherwise")]
)
def test_each_layer_holds_alone(name: str, word: str, opened: Open) -> None:
    cheat = next(cheat for cheat in CHEATS if cheat.name == name)
    verdict = graded(cheat.tree(), opened, Rules(static="off", test_seconds=4.0, seconds=600.0))
    assert not verdict.resolved and any(word in reason for reason in verdict.reasons), verdict
