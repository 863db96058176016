"""Small functions that programs keep needing."""

__version__ = "1.0"
