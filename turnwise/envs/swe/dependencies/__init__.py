"""Packages that a repository's tests need, and the Python they run with."""
