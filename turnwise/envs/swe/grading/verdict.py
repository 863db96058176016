"""Verdicts of the grader, and the rules it applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnwise.errors import ConfigError

Policy = Literal["zero", "flag", "off"]
"""Effect of a finding: takes the reward, is only reported, or is not looked for."""
Shape = Literal["binary", "ratio"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Strictness of the grading of a submission.

    Args:
        static: policy for new code that reaches for the test runner
            (`turnwise.envs.swe.grading.static`).
        oracle: policy for functions that answer differently from the reference although all tests
            pass (`turnwise.envs.swe.grading.oracle`).
        canaries: tests that must fail, copied from real ones, in each test file, beside a plain
            one.
        seconds: wall-clock limit of the grader's sandbox; beyond it there is no verdict
            (`Verdict.error`).
        test_seconds: processor time plus sleep of one test; beyond it the test fails and later ones
            do not run.
        memory_mb: memory of the grader's sandbox. A test process is refused more, which fails its
            test.

    Raises:
        ConfigError: for limits out of range.
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
    """Result of grading a submission."""

    resolved: bool
    """All tests that should pass do, and no rule that takes the reward was broken."""
    f2p_rate: float = 0.0
    """Share of the fail-to-pass tests that pass."""
    p2p_rate: float = 0.0
    """Share of the pass-to-pass tests that still pass."""
    tampered: bool = False
    """The submission interfered with its grading, or contains code that could."""
    reasons: tuple[str, ...] = ()
    """One sentence for each finding; for people, never shown to the agent."""
    error: str = ""
    """Reason for a missing grade (out of time or memory, or no sandbox); never a reward of zero."""

    def reward(self, shape: Shape = "binary") -> float:
        """Return 1.0 if resolved, else 0.0.

        With `ratio`, return the product of the two rates, and 0.0 if tampered or refused.

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
        """Reward components for `info["rewards"]`."""
        rates = {"f2p_rate": self.f2p_rate, "p2p_rate": self.p2p_rate}
        return {"resolved": float(self.resolved), **rates, "tampered": float(self.tampered)}


def ungraded(sentence: str) -> Verdict:
    """Return the verdict for a submission that could not be graded."""
    return Verdict(False, error=sentence)
