"""Published data sets (SWE-bench and its relatives): reading, images, log parsers, grading.

from turnwise.envs.swe.rows.published import read_rows
from turnwise.envs.swe.rows.images import preflight
from turnwise.envs.swe.rows.grader import grade_row
"""
