"""Search: answer questions by looking up passages, in generated worlds or in a corpus of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnwise.envs.search.corpus import Corpus, Passage, Question
    from turnwise.envs.search.env import SearchEnv
    from turnwise.envs.search.files import load_corpus, load_questions
    from turnwise.envs.search.generate import SearchDifficulty, SearchWorld, make_world
    from turnwise.envs.search.grading import exact_match, f1

__all__ = [
    "Corpus", "Passage", "Question", "SearchDifficulty", "SearchEnv", "SearchWorld", "exact_match",
    "f1", "load_corpus", "load_questions", "make_world",
]  # fmt: skip
_MODULES = {
    "Corpus": "corpus", "Passage": "corpus", "Question": "corpus", "SearchDifficulty": "generate",
    "SearchEnv": "env", "SearchWorld": "generate", "exact_match": "grading", "f1": "grading",
    "load_corpus": "files", "load_questions": "files", "make_world": "generate",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that registering the environment stays light."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
