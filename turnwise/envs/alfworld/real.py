"""The original engine behind the same environment: TextWorld's PDDL games, as `alfworld` plays
them.

It is some thousand times slower than the native engine and there to be compared with it, so it is
imported at use only (`pip install "turnwise[alfworld]"`; Fast-Downward, which comes with it, is
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
from turnwise.envs.alfworld.writing.save import content
from turnwise.envs.base import Outcome, Snapshot
from turnwise.errors import ConfigError, EngineError

_TURN = threading.RLock()
_IDLE: list[Any] = []
"""Engines that were closed. Each has loaded its own copy of the planner's library, which cannot be
unloaded safely.
"""


class Seen(NamedTuple):
    """What the original engine returns."""

    observation: str
    admissible: list[str]
    reward: float
    won: bool


class RealEngine:
    """One game in the original engine.

    Args:
        game: the content of a `game.tw-pddl`, or its path.
        memoise: do the same work once instead of again and again, in the whole process, with the
            same answers: see `memoise_parsing`.

    Raises:
        ConfigError: where the packages are not installed.
        EngineError: where they cannot load the game.
    """

    def __init__(
        self, game: Mapping[str, Any] | str | PathLike[str], memoise: bool = False
    ) -> None:
        textworld, pddl, demangler = _packages()
        if memoise:
            memoise_parsing()
        with _TURN:
            self._env = (
                _IDLE.pop()
                if _IDLE
                else demangler(pddl.PddlEnv(textworld.EnvInfos(won=True, admissible_commands=True)))
            )
        self._calmly("load", game if isinstance(game, Mapping) else fspath(game))

    def reset(self) -> Seen:
        """The start of the game."""
        state = self._calmly("reset")
        return Seen(state["feedback"], list(state["admissible_commands"]), 0.0, bool(state["won"]))

    def step(self, command: str) -> Seen:
        """The answer to a command."""
        state, reward, done = self._calmly("step", command)
        return Seen(
            state["feedback"], list(state["admissible_commands"]), float(reward), bool(done)
        )

    def _calmly(self, name: str, *arguments: Any) -> Any:
        """Call a method of the engine, alone, and put back the arguments of the process, which it
        changes.
        """
        with _TURN:
            before = sys.argv
            try:
                return getattr(self._env, name)(*arguments)
            except (KeyError, AssertionError, SystemExit) as problem:
                raise EngineError(
                    f"the original engine cannot {name} this game: {problem!r}; try the native one"
                ) from problem
            finally:
                sys.argv = before

    def close(self) -> None:
        """Leave the engine to the next game. A second call does nothing."""
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
    """The modules `textworld` and `textworld.envs.pddl.pddl`, and the wrapper that gives things
    their names.
    """
    try:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
        from textworld.envs.pddl import pddl
    except ImportError as problem:
        raise ConfigError(
            f'the original ALFWorld engine is not installed ({problem}): pip install "turnwise[alfworld]", '
            "or leave out backend='textworld' to play in the native one"
        ) from None
    return textworld, pddl, AlfredDemangler


def memoise_parsing() -> None:
    """Make TextWorld parse each text of a game's grammar once, and not translate a game again at
    the reset after its load.

    Steps and resets cost a fraction, answers stay the same: both are functions of their arguments.
    What the text parser returned is copied before use, as the caller writes into it; queries,
    translations and the things in a context are only read, so they are shared.
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
    """ALFWorld in which observation, admissible commands, reward, success and end are the original
    engine's.

    The hash of the state, goal progress and the expert are the native engine's, which follows
    along. The original cannot be copied, so a fork plays the actions again. Each episode loads its
    game anew (about a second); `close` gives back what the engine holds.

    Args:
        memoise: see `memoise_parsing`.
        settings: as `ALFWorldEnv`.

    Raises:
        ConfigError: where the packages are not installed, and as `ALFWorldEnv`.
    """

    blocking = True

    def __init__(self, *arguments: Any, memoise: bool = False, **settings: Any) -> None:
        _packages()
        super().__init__(*arguments, **settings)
        self._memoise = memoise
        self._engine: RealEngine | None = None
        self._offered: Sequence[str] = ()

    def _begin(self, task: int | str) -> Outcome:
        known = super()._begin(task)
        self.close()
        self._engine = self._open()
        return self._told(known, self._engine.reset())

    def _open(self) -> RealEngine:
        """The game's own file where it was read from one; else, or in another wording, the game
        written anew.
        """
        assert self._task is not None
        path = self.games.path(self._task)
        as_filed = path is not None and Game.load(path).digest == self._game.digest
        return RealEngine(
            path if path is not None and as_filed else content(self._game), self._memoise
        )

    def _act(self, action: str) -> Outcome:
        if self._engine is None:  # after a pickle, which cannot hold the engine
            self._again()
        assert self._engine is not None
        valid = action.strip() in self._offered
        return replace(self._told(super()._act(action), self._engine.step(action)), valid=valid)

    def _told(self, known: Outcome, seen: Seen) -> Outcome:
        """What the native engine knows, with what the original says."""
        self._offered = seen.admissible
        return replace(
            known, observation=seen.observation, admissible=seen.admissible, reward=seen.reward, terminated=seen.won,
            success=seen.won, score=float(seen.won),
        )  # fmt: skip

    def _again(self) -> None:
        """A new engine in which this episode's actions have been played."""
        self._engine = self._open()
        self._engine.reset()
        for action in self._actions:
            self._engine.step(action)

    # Snapshots are replayed
    # ---------------------------------------------------------------------------------------

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
