"""Maker process: `python -m turnwise.envs.textworld.maker` runs TextWorld's generators.

TextWorld's cooking games depend on the order of Python's sets of strings, which changes from
process to process unless `PYTHONHASHSEED` is set before the interpreter starts. So games are not
made in the process that plays them: a maker is started with `PYTHONHASHSEED=0`, reads one JSON
request a line and answers each with one JSON line, until its input ends.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import os
import signal
import sys
from functools import cache as cache_once
from functools import partial
from pathlib import Path
from typing import Any

from turnwise.envs.textworld import cache
from turnwise.envs.textworld.games import MAX_SEEDS, GameSpec, content_hash, split_of
from turnwise.envs.textworld.package import textworld, versions
from turnwise.envs.textworld.settings import GameSettings
from turnwise.errors import DataError, TurnwiseError

_TW_SPLIT = {"train": "train", "dev": "valid", "test": "test"}
"""TextWorld's names of its splits of foods and preparations in cooking games."""


def make_game(spec: GameSpec, root: Path) -> Path:
    """Make a game, save it in the cache, and return its directory.

    Reproducible in a maker process only.

    Raises:
        DataError: if no seed gives a game of these settings for this split, or the cache cannot be
            written.
    """
    home = cache.game_directory(root, spec, versions())
    if cache.is_cached(home):
        return home
    generator = textworld("textworld.generator")
    inform = textworld("textworld.generator.inform7")
    # TextWorld's generators give up on some seeds, in several ways.
    refusals = (
        generator.QuestGenerationError, generator.CouldNotCompileGameError,
        AssertionError, ValueError, IndexError, KeyError,
    )  # fmt: skip
    last: Exception | None = None
    for attempt in range(MAX_SEEDS):
        seed = spec.candidate(attempt)
        try:
            game = _generate(spec, seed)
            source = inform.generate_inform7_source(game)
            if split_of(source) != spec.split:
                continue
            record = cache.GameRecord(
                spec.task(), spec.settings.key(), seed, attempt + 1, content_hash(source),
                versions(),
            )  # fmt: skip
            cache.save_game(home, record, partial(_write, game, source))
        except refusals as problem:
            last = problem
            continue
        return home
    why = f" (last: {type(last).__name__}: {str(last)[:200]})" if last is not None else ""
    raise DataError(
        f"none of {MAX_SEEDS} seeds gives a game {spec.settings.key()!r} "
        f"for split {spec.split!r}{why}: choose other settings"
    )


@cache_once
def _parse_once() -> None:
    """Cache TextWorld's parsing of logic and grammar files, most of the time of making a game."""
    knowledge = textworld("textworld.generator.data").KnowledgeBase
    parse, parsed = knowledge.load, dict[tuple[Any, ...], Any]()

    def load(target_dir: Any = None, logic_path: Any = None, grammar_path: Any = None) -> Any:
        key = (target_dir, logic_path, grammar_path)
        if key not in parsed:
            parsed[key] = parse(*key)
        return copy.deepcopy(parsed[key])

    knowledge.load = load


def _generate(spec: GameSpec, seed: int) -> Any:
    tw = textworld()
    _parse_once()
    values, options = spec.settings.values(), tw.GameOptions()
    options.seeds = seed
    kind = spec.settings.kind
    if kind == "custom":
        options.nb_rooms, options.nb_objects = values["rooms"], values["objects"]
        options.quest_length = values["quest_length"]
        for name in ("theme", "only_last_action", "blend_instructions", "ambiguous_instructions"):
            setattr(options.grammar, name, values[name])
        return textworld("textworld.generator").make_game(options)
    if kind == "cooking":
        values["split"] = _TW_SPLIT[spec.split]
    if kind == "simple":
        values["test"] = spec.split != "train"
    _, make, _ = textworld("textworld.challenges").CHALLENGES[f"tw-{kind}"]
    return make(values, options)


def _write(game: Any, source: str, draft: Path) -> None:
    game.save(str(draft / cache.LOGIC))
    textworld("textworld.generator.inform7").compile_inform7_game(source, str(draft / cache.STORY))
    (draft / cache.STORY).with_suffix(".ni").unlink(missing_ok=True)


# The process
# -----------


def request(spec: GameSpec, root: Path) -> str:
    """Return the request for a game, as a line."""
    return json.dumps({"spec": dataclasses.asdict(spec), "root": str(root)})


def answer(line: str) -> dict[str, str]:
    """Serve a request; return `{"home": directory}`, or `{"error": sentence}`."""
    asked = json.loads(line)
    fields = asked["spec"]
    settings = fields.pop("settings")
    options = tuple((name, value) for name, value in settings["options"])
    spec = GameSpec(settings=GameSettings(settings["kind"], options, settings["preset"]), **fields)
    try:
        return {"home": str(make_game(spec, Path(asked["root"])))}
    except TurnwiseError as problem:
        return {"error": str(problem)}
    except Exception as problem:  # raised again in the process that asked
        what = f"{spec.task()} of {spec.settings.key()!r}"
        return {"error": f"TextWorld failed to make {what}: {type(problem).__name__}: {problem}"}


def main() -> None:
    """Serve requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the process that asks
    # Answers get a descriptor of their own, apart from what TextWorld prints.
    out = os.fdopen(os.dup(1), "w", encoding="utf8")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        for line in sys.stdin:
            out.write(json.dumps(answer(line)) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
