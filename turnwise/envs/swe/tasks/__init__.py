"""Repair tasks, the repositories they are made from, and their splits."""
