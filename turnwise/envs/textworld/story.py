"""A game as it is played: its opening, its logic, and what follows from the facts of its world.

The interpreter tells what happens; which commands are admissible, TextWorld's logic derives from
facts that it keeps in step with the events the interpreter reports. Facts are values here too: a
world is made once for each set of facts and shared by all episodes that come through it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

from turnwise.envs.textworld import cache, text
from turnwise.envs.textworld.interpreter import Interpreter, ZState, interpreter, release
from turnwise.envs.textworld.package import textworld
from turnwise.errors import DataError

STORIES = 512
"""Games kept loaded in a process."""
WORLDS = 256
"""Worlds remembered of each."""


class World:
    """A set of facts, and what can be done in it."""

    __slots__ = ("actions", "commands", "facts", "state")

    def __init__(self, story: Story, state: Any, facts: frozenset[Any]) -> None:
        self.state, self.facts = state, facts
        found = state.all_applicable_actions(story.rules, story.constants)
        self.actions = sorted(found, key=str)
        """In an order of their own, so that nothing depends on the order of facts."""
        self.commands = tuple(sorted(set(story.inform.gen_commands_from_actions(self.actions))))


class Story:
    """One game, loaded. Shared by every environment of the process; nothing in it changes but what
    it remembers.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        try:
            game = textworld("textworld.generator.game").Game.load(str(home / cache.LOGIC))
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise DataError(
                f"the game in {home} is damaged: delete that directory, and it will be made again"
            ) from problem
        self.game, self.made = game, cache.record(home)
        self.inform = textworld("textworld.generator.inform7").Inform7Game(game)
        self.rules, self.constants = list(game.kb.rules.values()), game.kb.types.constants_mapping
        self.objective = str(game.objective).strip() or "Win the game."
        self.max_score = max(1, int(game.max_score))
        self.walkthrough = tuple(str(command) for command in game.metadata.get("walkthrough") or ())
        self._worlds: OrderedDict[frozenset[Any], World] = OrderedDict()
        self.first_world = self._world(game.world.state)
        self.first_state, self.opening = self._open()
        self._path: list[frozenset[Any]] | None = None

    @property
    def machine(self) -> Interpreter:
        """The interpreter of this game."""
        return interpreter(self.home / cache.STORY)

    def _open(self) -> tuple[ZState, str]:
        machine = self.machine
        state, opening = machine.start()
        for command in text.SETUP:
            state, _ = machine.send(state, command)
        return state, opening

    def _world(self, state: Any) -> World:
        facts = frozenset(state.facts)
        found = self._worlds.pop(facts, None) or World(self, state, facts)
        self._worlds[facts] = found
        while len(self._worlds) > WORLDS:
            self._worlds.popitem(last=False)
        return found

    def after(self, world: World, action: Any) -> World:
        """The world after one of its actions."""
        state = world.state.copy()
        state.apply(action)
        return self._world(state)

    def follow(self, world: World, events: tuple[str, ...]) -> tuple[World, tuple[str, ...]]:
        """The world after what the interpreter reports, and those events that the logic knows."""
        known = []
        for event in events:
            action = self.inform.detect_action(event, world.actions)
            if action is not None:
                world = self.after(world, action)
                known.append(event)
        return world, tuple(known)

    def retrace(self, events: tuple[str, ...]) -> tuple[World, list[Any]]:
        """The world after all these events from the start, and the actions they were."""
        world, actions = self.first_world, []
        for event in events:
            action = self.inform.detect_action(event, world.actions)
            assert action is not None, f"{event!r} was an action when it happened"
            actions.append(action)
            world = self.after(world, action)
        return world, actions

    def command_for(self, world: World, command: str) -> Any | None:
        """The action that an admissible command stands for."""
        for action in world.actions:
            if self.inform.gen_commands_from_actions([action]) == [command]:
                return action
        return None

    def path(self) -> list[frozenset[Any]]:
        """The facts before each command of the walkthrough, as far as the logic can follow it."""
        if self._path is None:
            world: World | None = self.first_world
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
"""TextWorld's parsers keep their place in one object for all, so one thread loads at a time."""


def story(home: Path) -> Story:
    """The game in a directory, loaded once a process."""
    with _loading:
        return _story(home)


@lru_cache(maxsize=STORIES)
def _story(home: Path) -> Story:
    return Story(home)


_players: WeakSet[object] = WeakSet()


def hold(player: object) -> None:
    """Keep loaded games and interpreters for as long as this one, or another, has not let go."""
    with _loading:
        _players.add(player)


def let_go(player: object) -> bool:
    """Nothing is kept for this one any more; with the last, every loaded game and interpreter of
    the process is dropped.

    One of many episodes that closes leaves the others what they play with. Returns whether it was
    the last.
    """
    with _loading:
        _players.discard(player)
        if _players:
            return False
        _story.cache_clear()
        release()
        return True
