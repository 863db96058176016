"""Grading of repairs in a fresh sandbox.

The reference's tests are run, and the result is checked to be genuine.

    submission = collect.from_sandbox(agent_sandbox)  # after its shells are closed
    agent_sandbox.close()
    verdict = grade(task, pristine, submission.files, open_sandbox)
    if not verdict.error:
        reward = verdict.reward("binary")
"""

from __future__ import annotations

from turnwise.envs.swe.grading import collect
from turnwise.envs.swe.grading.grader import grade
from turnwise.envs.swe.grading.verdict import Policy, Rules, Shape, Verdict

__all__ = ["Policy", "Rules", "Shape", "Verdict", "collect", "grade"]
