"""Evaluation of agents: scores with confidence intervals, and their comparison."""
