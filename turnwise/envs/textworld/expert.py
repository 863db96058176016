"""What a player who knows the game does: its walkthrough, the way back to it, or a new plan.

TextWorld records a walkthrough with each game. While the episode is on it, the expert follows it.
Where the episode left it, TextWorld's own planner gives a new plan for the facts as they are, in
every kind but cooking; in cooking games, which it cannot plan, the expert looks for a way back onto
the walkthrough of at most `DEPTH` commands.
"""

from __future__ import annotations

from collections import deque

from turnwise.envs.textworld.package import textworld
from turnwise.envs.textworld.story import Story, World

OFF = -1
"""The place of an episode that left the walkthrough."""
DEPTH = 2
BUDGET = 400
"""Worlds looked at for a way back, at most."""


def place_after(story: Story, place: int, command: str, before: World, after: World) -> int:
    """Where on the walkthrough an episode is that was at `place` and did `command`."""
    due = _due(story, place, before)
    if due is not None and command == story.walkthrough[due]:
        return due + 1
    if after.facts == before.facts:
        return place
    path = story.path()
    return max((k for k, facts in enumerate(path) if facts == after.facts), default=OFF)


def next_command(story: Story, place: int, world: World, events: tuple[str, ...]) -> str | None:
    """What to do now; None where no way is known."""
    due = _due(story, place, world)
    if due is not None:
        return story.walkthrough[due]
    return planned(story, events) or way_back(story, world)


def _due(story: Story, place: int, world: World) -> int | None:
    """The place of the walkthrough's next command that does something: cooking games' say to open
    what is open already.
    """
    if place == OFF:
        return None
    commands = range(place, len(story.walkthrough))
    return next((k for k in commands if story.walkthrough[k] in world.commands), None)


def planned(story: Story, events: tuple[str, ...]) -> str | None:
    """The first command of TextWorld's plan, as it stands after these events; None where it has
    none.
    """
    progress = textworld("textworld.generator.game").GameProgression(story.game, track_quests=True)
    for action in story.retrace(events)[1]:
        progress.update(action)
    plan = progress.winning_policy
    commands = story.inform.gen_commands_from_actions(plan[:1]) if plan else []
    return str(commands[0]) if commands else None


def way_back(story: Story, world: World) -> str | None:
    """The first of at most `DEPTH` commands that lead onto the walkthrough, as far along it as a
    shortest way does.
    """
    places: dict[frozenset[object], int] = {facts: k for k, facts in enumerate(story.path())}
    queue, seen = deque([(world, 0, "")]), {world.facts}
    best: tuple[int, int, str] | None = None
    while queue and len(seen) <= BUDGET:
        here, depth, first = queue.popleft()
        if depth == DEPTH or (best is not None and depth + 1 > -best[0]):
            continue
        for action in here.actions:
            there = story.after(here, action)
            if there.facts in seen:
                continue
            seen.add(there.facts)
            begin = first or str(story.inform.gen_commands_from_actions([action])[0])
            if there.facts in places:
                best = max(best or (-DEPTH - 1, 0, ""), (-(depth + 1), places[there.facts], begin))
            queue.append((there, depth + 1, begin))
    return best[2] if best is not None else None
