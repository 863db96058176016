"""Rows of published data sets (SWE-bench and its relatives): reading, images, grading."""
