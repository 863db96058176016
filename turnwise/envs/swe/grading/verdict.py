"""What the grader says of a submission, and the rules it went by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnwise.errors import ConfigError

Policy = Literal["zero", "flag", "off"]
"""What a finding does: takes the reward, is only told, or is not looked for."""
Shape = Literal["binary", "ratio"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How strictly a submission is graded.

    Args:
        static: newly written code that reaches for the test runner
        (`turnwise.envs.swe.grade.static`).
        oracle: functions that answer otherwise than the reference, though all tests pass
        (`turnwise.envs.swe.grade.oracle`).
        canaries: tests that must fail, copied from real ones into each test file beside a plain
        one.
        seconds: wall clock of the grader's sandbox; beyond it nothing is known (`Verdict.error`).
        test_seconds: processor time and sleep of one test; beyond it the test fails, and those
        after it did not run.
        memory_mb: of the grader's sandbox. A process of the tests is refused more, which fails its
            test.

    Raises:
        ConfigError: for limits that make no sense.
    """

    static: Policy = "zero"
    oracle: Policy = "zero"
    canaries: int = 3
    seconds: float = 300.0
    test_seconds: float = 30.0
    memory_mb: int = 1024

    def __post_init__(self) -> None:
        if self.canaries < 0 or self.seconds <= 0 or self.test_seconds <= 0 or self.memory_mb < 64:
            raise ConfigError(
                f"{self} cannot grade: canaries must not be negative, the times above 0 and "
                "memory_mb at least 64"
            )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a submission."""

    resolved: bool
    """Every test that should pass does, and no rule was broken that takes the reward."""
    f2p_rate: float = 0.0
    """Share of the failing tests that pass now."""
    p2p_rate: float = 0.0
    """Share of the passing tests that still pass."""
    tampered: bool = False
    """The submission did something to its own grading, or wrote code that could."""
    reasons: tuple[str, ...] = ()
    """One sentence for each thing that was found; for people, never for the agent."""
    error: str = ""
    """Why nothing can be said (the grader's sandbox ran out of time or memory, or could not be made):
    never a reward of zero.
    """

    def reward(self, shape: Shape = "binary") -> float:
        """1.0 where resolved, else 0.0; `ratio`: the two rates multiplied, 0.0 where tampered or
        refused.

        Raises:
            ConfigError: for a verdict that is an error, which has no reward.
        """
        if self.error:
            raise ConfigError(f"a verdict without an outcome has no reward: {self.error}")
        if shape == "binary":
            return float(self.resolved)
        whole = self.f2p_rate == self.p2p_rate == 1.0
        return (
            0.0 if self.tampered or (whole and not self.resolved) else self.f2p_rate * self.p2p_rate
        )

    @property
    def rewards(self) -> dict[str, float]:
        """The components by name, for `info["rewards"]`."""
        rates = {"f2p_rate": self.f2p_rate, "p2p_rate": self.p2p_rate}
        return {"resolved": float(self.resolved), **rates, "tampered": float(self.tampered)}


def ungraded(sentence: str) -> Verdict:
    """A verdict that says why there is none."""
    return Verdict(False, error=sentence)
