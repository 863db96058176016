"""Search: answer questions by looking passages up, over generated worlds or a corpus of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.search.corpus import Corpus, Passage, Question
    from turnwise.envs.search.env import SearchEnv
    from turnwise.envs.search.files import load_corpus, load_questions
    from turnwise.envs.search.generate import Difficulty, World, make_world
    from turnwise.envs.search.grading import exact_match, f1

__all__ = [
    "Corpus", "Difficulty", "Passage", "Question", "SearchEnv", "World", "exact_match", "f1", "load_corpus", "load_questions",
    "make_world",
]  # fmt: skip
_HOME = {
    "Corpus": "corpus", "Difficulty": "generate", "Passage": "corpus", "Question": "corpus", "SearchEnv": "env",
    "World": "generate", "exact_match": "grading", "f1": "grading", "load_corpus": "files", "load_questions": "files",
    "make_world": "generate",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use, so that registering the environment stays light."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
