"""Loaded games: opening, logic, and the admissible commands that follow from a set of facts.

The interpreter reports events. TextWorld's logic applies them to its facts and derives from these
the admissible commands. Facts are values: a `GameWorld` is made once for each set of facts and
shared by all episodes that pass through it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

from turnwise.envs.textworld import cache, text
from turnwise.envs.textworld.package import textworld
from turnwise.envs.textworld.zmachine import ZMachine, ZState, interpreter_of, release_interpreters
from turnwise.errors import DataError

MAX_CACHED_STORIES = 512
"""Games kept loaded in a process."""
MAX_CACHED_WORLDS = 256
"""Worlds kept for each game."""


class GameWorld:
    """A set of facts, and the actions and commands that are possible in it."""

    __slots__ = ("actions", "commands", "facts", "state")

    def __init__(self, story: Story, state: Any, facts: frozenset[Any]) -> None:
        self.state, self.facts = state, facts
        found = state.all_applicable_actions(story.rules, story.constants)
        self.actions = sorted(found, key=str)
        """Sorted, so that nothing depends on the order of facts."""
        self.commands = tuple(sorted(set(story.inform.gen_commands_from_actions(self.actions))))


class Story:
    """One loaded game, shared by every environment of the process. Only its caches change."""

    def __init__(self, home: Path) -> None:
        self.home = home
        try:
            game = textworld("textworld.generator.game").Game.load(str(home / cache.LOGIC))
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise DataError(
                f"the game in {home} is damaged: delete that directory, and it will be made again"
            ) from problem
        self.game, self.record = game, cache.load_record(home)
        self.inform = textworld("textworld.generator.inform7").Inform7Game(game)
        self.rules, self.constants = list(game.kb.rules.values()), game.kb.types.constants_mapping
        self.objective = str(game.objective).strip() or "Win the game."
        self.max_score = max(1, int(game.max_score))
        self.walkthrough = tuple(str(command) for command in game.metadata.get("walkthrough") or ())
        self._worlds: OrderedDict[frozenset[Any], GameWorld] = OrderedDict()
        self.first_world = self._world(game.world.state)
        self.first_state, self.opening = self._open()
        self._path: list[frozenset[Any]] | None = None

    @property
    def machine(self) -> ZMachine:
        """The interpreter of this game."""
        return interpreter_of(self.home / cache.STORY)

    def _open(self) -> tuple[ZState, str]:
        machine = self.machine
        state, opening = machine.start()
        for command in text.SETUP_COMMANDS:
            state, _ = machine.send(state, command)
        return state, opening

    def _world(self, state: Any) -> GameWorld:
        facts = frozenset(state.facts)
        found = self._worlds.pop(facts, None) or GameWorld(self, state, facts)
        self._worlds[facts] = found
        while len(self._worlds) > MAX_CACHED_WORLDS:
            self._worlds.popitem(last=False)
        return found

    def after(self, world: GameWorld, action: Any) -> GameWorld:
        """Return the world after one of its actions."""
        state = world.state.copy()
        state.apply(action)
        return self._world(state)

    def follow(
        self, world: GameWorld, events: tuple[str, ...]
    ) -> tuple[GameWorld, tuple[str, ...]]:
        """Return the world after events of the interpreter, and the events that the logic knows."""
        known = []
        for event in events:
            action = self.inform.detect_action(event, world.actions)
            if action is not None:
                world = self.after(world, action)
                known.append(event)
        return world, tuple(known)

    def retrace(self, events: tuple[str, ...]) -> tuple[GameWorld, list[Any]]:
        """Return the world after these events from the start, and the actions behind them."""
        world, actions = self.first_world, []
        for event in events:
            action = self.inform.detect_action(event, world.actions)
            assert action is not None, f"{event!r} was an action when it happened"
            actions.append(action)
            world = self.after(world, action)
        return world, actions

    def command_for(self, world: GameWorld, command: str) -> Any | None:
        """Return the action of a command; None if it is not admissible."""
        for action in world.actions:
            if self.inform.gen_commands_from_actions([action]) == [command]:
                return action
        return None

    def path(self) -> list[frozenset[Any]]:
        """Return the facts before each command of the walkthrough, while the logic can follow."""
        if self._path is None:
            world: GameWorld | None = self.first_world
            path = []
            for command in self.walkthrough:
                assert world is not None
                path.append(world.facts)
                action = self.command_for(world, command)
                if action is None:
                    if command not in ("inventory", "look"):
                        break
                    continue
                world = self.after(world, action)
            self._path = path
        return self._path


_loading = threading.RLock()
"""TextWorld's parsers share one object for their position, so one thread loads at a time."""


def load_story(home: Path) -> Story:
    """Load the game in a directory, once a process. Raises `DataError` if it is damaged."""
    with _loading:
        return _story(home)


@lru_cache(maxsize=MAX_CACHED_STORIES)
def _story(home: Path) -> Story:
    return Story(home)


_players: WeakSet[object] = WeakSet()


def add_player(player: object) -> None:
    """Keep loaded games and interpreters until this player, and every other, is removed."""
    with _loading:
        _players.add(player)


def remove_player(player: object) -> bool:
    """Remove a player; return whether it was the last.

    With the last one, every loaded game and interpreter of the process is released.
    """
    with _loading:
        _players.discard(player)
        if _players:
            return False
        _story.cache_clear()
        release_interpreters()
        return True
