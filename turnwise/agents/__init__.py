"""Agents, the engines that serve their models, and the rollout driver."""
