"""The original engine (TextWorld's PDDL games, as `alfworld` plays them) behind the environment.

It is about a thousand times slower than the native engine and serves for comparison, so it is
imported only when used (`pip install "turnwise[alfworld]"`; Fast-Downward, which comes with it, is
under the GPL). The planner's translator changes `sys.argv` and `sys.stdout` while it works and the
text parser is shared, so all engines of a process take turns: for speed, use processes.
"""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from os import PathLike, fspath
from types import TracebackType
from typing import Any, NamedTuple, Self

from turnwise.envs.alfworld.env import ALFWorldEnv
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.state import State
from turnwise.envs.alfworld.writing.save import game_content
from turnwise.envs.base import Outcome, Snapshot
from turnwise.errors import ConfigError, EngineError

_LOCK = threading.RLock()
_IDLE: list[Any] = []
"""Closed engines, to be used again: each has loaded its own copy of the planner's library, which
cannot be unloaded safely."""


class EngineReply(NamedTuple):
    """One answer of the original engine."""

    observation: str
    admissible: list[str]
    reward: float
    won: bool


class RealEngine:
    """One game in the original engine.

    Args:
        game: the content of a `game.tw-pddl`, or its path.
        memoise: speed the engine up in the whole process, see `memoise_parsing`.

    Raises:
        ConfigError: if the packages are not installed.
        EngineError: if they cannot load the game.
    """

    def __init__(
        self, game: Mapping[str, Any] | str | PathLike[str], memoise: bool = False
    ) -> None:
        textworld, pddl, demangler = _packages()
        if memoise:
            memoise_parsing()
        with _LOCK:
            if _IDLE:
                self._env = _IDLE.pop()
            else:
                infos = textworld.EnvInfos(won=True, admissible_commands=True)
                self._env = demangler(pddl.PddlEnv(infos))
        self._call("load", game if isinstance(game, Mapping) else fspath(game))

    def reset(self) -> EngineReply:
        """Start the game."""
        state = self._call("reset")
        admissible = list(state["admissible_commands"])
        return EngineReply(state["feedback"], admissible, 0.0, bool(state["won"]))

    def step(self, command: str) -> EngineReply:
        """Play a command, admissible or not."""
        state, reward, done = self._call("step", command)
        admissible = list(state["admissible_commands"])
        return EngineReply(state["feedback"], admissible, float(reward), bool(done))

    def _call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the engine under the lock, and restore `sys.argv`, which it changes."""
        with _LOCK:
            before = sys.argv
            try:
                return getattr(self._env, name)(*arguments)
            except (KeyError, AssertionError, SystemExit) as problem:
                raise EngineError(
                    f"the original engine cannot {name} this game: {problem!r}; try "
                    "backend='native'"
                ) from problem
            finally:
                sys.argv = before

    def close(self) -> None:
        """Return the engine for reuse. A second call does nothing."""
        if self._env is not None:
            _IDLE.append(self._env)
        self._env = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@cache
def _packages() -> tuple[Any, Any, Any]:
    """Import `textworld`, `textworld.envs.pddl.pddl` and alfworld's wrapper that names objects."""
    try:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
        from textworld.envs.pddl import pddl
    except ImportError as problem:
        raise ConfigError(
            f"the original ALFWorld engine is not installed ({problem}): "
            'pip install "turnwise[alfworld]", '
            "or leave out backend='textworld' to play in the native one"
        ) from None
    return textworld, pddl, AlfredDemangler


def memoise_parsing() -> None:
    """Cache TextWorld's parsing of grammar texts and its translation of a game, process-wide.

    Both are functions of their arguments, so answers stay the same at a fraction of the cost.
    Parsed texts are copied before use, because the caller writes into them; queries, translations
    and the entities in a context are only read, so they are shared.
    """
    import fast_downward
    from textworld.envs.pddl import textgen
    from textworld.logic import Rule

    if hasattr(fast_downward.pddl2sas, "cache_clear"):
        return
    parse = cache(textgen._parse_and_convert)
    textgen._parse_and_convert = lambda *arguments, **settings: copy.deepcopy(
        parse(*arguments, **settings)
    )
    textgen.copy_context = lambda context: (
        context | {name: dict(context[name]) for name in ("variables", "mapping")}
    )
    Rule.parse_conjunctive_query = cache(Rule.parse_conjunctive_query)
    fast_downward.pddl2sas = lru_cache(maxsize=2)(fast_downward.pddl2sas)


class RealALFWorldEnv(ALFWorldEnv):
    """ALFWorld played by the original engine.

    Observation, admissible commands, reward, success and end are the original's. State hash, goal
    progress and expert are the native engine's, which plays along. The original cannot be copied,
    so a fork plays the actions again. Each episode loads its game anew (about a second); `close`
    releases the engine.

    Args:
        memoise: see `memoise_parsing`.
        settings: as `ALFWorldEnv`.

    Raises:
        ConfigError: if the packages are not installed, and as `ALFWorldEnv`.
    """

    blocking = True

    def __init__(self, *arguments: Any, memoise: bool = False, **settings: Any) -> None:
        _packages()
        super().__init__(*arguments, **settings)
        self._memoise = memoise
        self._engine: RealEngine | None = None
        self._admissible: Sequence[str] = ()

    def _begin(self, task: int | str) -> Outcome:
        known = super()._begin(task)
        self.close()
        self._engine = self._open()
        return self._merged(known, self._engine.reset())

    def _open(self) -> RealEngine:
        """Load the game's own file; if it has none or is reworded, the game written anew."""
        assert self._task is not None
        path = self.games.path(self._task)
        as_filed = path is not None and Game.load(path).digest == self._game.digest
        return RealEngine(
            path if path is not None and as_filed else game_content(self._game), self._memoise
        )

    def _act(self, action: str) -> Outcome:
        if self._engine is None:  # after a pickle, which cannot hold the engine
            self._replay()
        assert self._engine is not None
        valid = action.strip() in self._admissible
        return replace(self._merged(super()._act(action), self._engine.step(action)), valid=valid)

    def _merged(self, known: Outcome, reply: EngineReply) -> Outcome:
        """Return the native engine's outcome with the original's reply in it."""
        self._admissible = reply.admissible
        return replace(
            known, observation=reply.observation, admissible=reply.admissible, reward=reply.reward,
            terminated=reply.won, success=reply.won, score=float(reply.won),
        )  # fmt: skip

    def _replay(self) -> None:
        """Start a new engine and play this episode's actions in it."""
        self._engine = self._open()
        self._engine.reset()
        for action in self._actions:
            self._engine.step(action)

    # Snapshots are replayed
    # ----------------------

    def _save(self) -> None:  # type: ignore[override]  # TurnEnv lets an environment save nothing
        return None

    def restore(self, snapshot: Snapshot[tuple[State, Outcome]]) -> tuple[str, dict[str, Any]]:
        return super().restore(replace(snapshot, state=None, rng=None))

    def spawn(self) -> Self:
        other = super().spawn()
        other._engine = None
        return other

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_engine": None}

    def close(self) -> None:
        if getattr(self, "_engine", None) is not None:
            assert self._engine is not None
            self._engine.close()
            self._engine = None
        super().close()
