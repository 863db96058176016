"""Grading of repairs: a fresh sandbox, the reference's tests, and witnesses that cannot be talked into
a reward.

from turnwise.envs.swe.grade import Rules, collect, grade

submission = collect.from_box(agent_sandbox)   # after its shells are closed
agent_sandbox.close()
verdict = grade(task, pristine, submission.files, open_sandbox)
reward = verdict.reward("binary")           # not where verdict.error says that nothing is known
"""

from __future__ import annotations

from turnwise.envs.swe.grading import collect
from turnwise.envs.swe.grading.grader import grade
from turnwise.envs.swe.grading.verdict import Policy, Rules, Shape, Verdict

__all__ = ["Policy", "Rules", "Shape", "Verdict", "collect", "grade"]
