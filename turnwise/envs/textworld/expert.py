"""Expert with full knowledge: follows the walkthrough, finds back to it, or makes a new plan.

TextWorld records a walkthrough with each game, and the expert follows it while the episode is on
it. For an episode that left it, TextWorld's own planner makes a new plan from the facts, in every
kind but cooking. In cooking games, which it cannot plan, the expert searches for a way back onto
the walkthrough of at most `MAX_DETOUR` commands.
"""

from __future__ import annotations

from collections import deque

from turnwise.envs.textworld.package import textworld
from turnwise.envs.textworld.stories import GameWorld, Story

OFF_WALKTHROUGH = -1
"""The position of an episode that left the walkthrough."""
MAX_DETOUR = 2
"""Commands of a way back."""
MAX_SEARCHED_WORLDS = 400
"""Worlds visited in the search for a way back."""


def position_after(
    story: Story, position: int, command: str, before: GameWorld, after: GameWorld
) -> int:
    """Return the position on the walkthrough after `command` was played at `position`."""
    due = _due(story, position, before)
    if due is not None and command == story.walkthrough[due]:
        return due + 1
    if after.facts == before.facts:
        return position
    path = story.path()
    return max((k for k, facts in enumerate(path) if facts == after.facts), default=OFF_WALKTHROUGH)


def next_command(
    story: Story, position: int, world: GameWorld, events: tuple[str, ...]
) -> str | None:
    """Return the next command; None if no way is found."""
    due = _due(story, position, world)
    if due is not None:
        return story.walkthrough[due]
    return planned(story, events) or way_back(story, world)


def _due(story: Story, position: int, world: GameWorld) -> int | None:
    """Return the position of the walkthrough's next admissible command.

    Commands can be void: those of cooking games open what is open already.
    """
    if position == OFF_WALKTHROUGH:
        return None
    commands = range(position, len(story.walkthrough))
    return next((k for k in commands if story.walkthrough[k] in world.commands), None)


def planned(story: Story, events: tuple[str, ...]) -> str | None:
    """Return the first command of TextWorld's plan after these events; None if it has none."""
    progress = textworld("textworld.generator.game").GameProgression(story.game, track_quests=True)
    for action in story.retrace(events)[1]:
        progress.update(action)
    plan = progress.winning_policy
    commands = story.inform.gen_commands_from_actions(plan[:1]) if plan else []
    return str(commands[0]) if commands else None


def way_back(story: Story, world: GameWorld) -> str | None:
    """Return the first command of a shortest way back onto the walkthrough; None if none is found.

    Of several shortest ways, the one that leads farthest along the walkthrough is taken.
    """
    positions: dict[frozenset[object], int] = {facts: k for k, facts in enumerate(story.path())}
    queue, seen = deque([(world, 0, "")]), {world.facts}
    best: tuple[int, int, str] | None = None
    while queue and len(seen) <= MAX_SEARCHED_WORLDS:
        here, depth, first = queue.popleft()
        if depth == MAX_DETOUR or (best is not None and depth + 1 > -best[0]):
            continue
        for action in here.actions:
            # TextWorld's logic alone: the interpreter is not needed to search.
            there = story.after(here, action)
            if there.facts in seen:
                continue
            seen.add(there.facts)
            begin = first or str(story.inform.gen_commands_from_actions([action])[0])
            if there.facts in positions:
                found = -(depth + 1), positions[there.facts], begin
                best = max(best or (-MAX_DETOUR - 1, 0, ""), found)
            queue.append((there, depth + 1, begin))
    return best[2] if best is not None else None
