"""The `full` expert: plans from any state with full knowledge of the house.

For each object, receptacle and appliance that could serve, the commands are played on the
(immutable) state, and the first candidate that wins is the plan. Plans are short, not proven
shortest. Each command of a plan leads to a state whose plan is the rest, so an agent that plans
anew at every turn arrives too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from turnwise.envs.alfworld.compiled import CompiledGame
from turnwise.envs.alfworld.engine import APPLIANCES, act, commands, conditions
from turnwise.envs.alfworld.goals import LOOK, TWO
from turnwise.envs.alfworld.state import NOTHING, State

_APPLIANCE = {"isclean": "sinkbasintype", "ishot": "microwavetype", "iscool": "fridgetype"}


def expert_plan(game: CompiledGame, state: State) -> list[str] | None:
    """Return commands that win from `state`, [] if it is won already, None if no plan is found."""
    if all(conditions(game, state)):
        return []
    for attempt in _attempts(game, state):
        if attempt is not None and attempt.finish():
            return attempt.plan
    return None


def expert_distance(game: CompiledGame, state: State) -> int | None:
    """Return the length of the expert's plan from `state`; None if no plan is found.

    Following the plan lowers it by one each turn. It is not a proven shortest distance.
    """
    plan = expert_plan(game, state)
    return None if plan is None else len(plan)


class _Attempt:
    """One attempted plan, played on a copy of the state. Methods return whether they succeeded."""

    def __init__(self, game: CompiledGame, state: State) -> None:
        self.game, self.state = game, state
        self.plan: list[str] = []

    def do(self, command: str) -> bool:
        meaning = commands(self.game, self.state).get(command)
        if meaning is None:
            return False
        self.state, _ = act(self.game, self.state, meaning)
        self.plan.append(command)
        return True

    def go(self, place: int) -> bool:
        here = self.game.here(self.state.location)
        return place in here or self.do("go to " + self.game.receptacles[place])

    def reach(self, place: int) -> bool:
        """Go to a receptacle and open it if it is closed."""
        if not self.go(place):
            return False
        closed = place in self.game.openable and not self.state.opened >> place & 1
        return not closed or self.do("open " + self.game.receptacles[place])

    def put(self, place: int) -> bool:
        game, held = self.game, self.state.held
        if held == NOTHING:
            return False
        if (game.receptacle_types[place], game.object_types[held]) not in game.fits:
            return False
        command = game.wording.put.format(game.objects[held], game.receptacles[place])
        return self.reach(place) and self.do(command)

    def drop(self) -> bool:
        """Free the hands: put what is held in the nearest receptacle, preferably not a target."""
        if self.state.held == NOTHING:
            return True
        here = self.game.here(self.state.location)
        order = sorted(
            {place for place, _ in self.game.tour},
            key=lambda place: (place in self.game.targets, place not in here, place),
        )
        return any(self.put(place) for place in order)

    def take(self, obj: int) -> bool:
        if self.state.held == obj:
            return True
        if obj not in self.game.pickupable or not self.drop():
            return False
        places = (place for place, inside in enumerate(self.state.contents) if obj in inside)
        name = self.game.objects[obj]
        return any(
            self.reach(place) and self.do(f"take {name} from {self.game.receptacles[place]}")
            for place in places
        )

    def treat(self, obj: int, appliance: int) -> bool:
        """Clean, heat or cool what is held unless that has been done."""
        if self.state.treated(self.game.goal.treatment) >> obj & 1:
            return True
        verb, _ = APPLIANCES[self.game.receptacle_types[appliance]]
        return self.go(appliance) and self.do(
            f"{verb} {self.game.objects[obj]} with {self.game.receptacles[appliance]}"
        )

    def finish(self) -> bool:
        """Close everything if the goal asks for it; return whether the game is won."""
        if self.game.goal.all_closed:
            for place in range(len(self.game.receptacles)):
                if self.state.opened >> place & 1 and not (
                    self.go(place) and self.do("close " + self.game.receptacles[place])
                ):
                    return False
        return all(conditions(self.game, self.state))


def _attempts(game: CompiledGame, state: State) -> Iterator[_Attempt | None]:
    """Yield attempts, each played up to where the goal should hold; None for one that failed."""
    goal = game.goal
    # The held object comes first: otherwise the expert would put down what it has just fetched.
    objects = sorted(game.treatable & game.pickupable, key=lambda obj: (obj != state.held, obj))
    if goal.all_closed:
        yield _Attempt(game, state)
    if goal.kind == LOOK:
        for obj in objects:
            yield from (_look(game, state, obj, lamp) for lamp in sorted(game.lamps) if lamp != obj)
    elif goal.kind == TWO:
        for place in game.targets:
            there = [obj for obj in state.contents[place] if obj in game.wanted]
            missing = [obj for obj in objects if obj not in there]
            for more in permutations(missing, max(0, 2 - len(there))):
                attempt = _Attempt(game, state)
                done = all(attempt.take(obj) and attempt.put(place) for obj in more)
                yield attempt if done else None
    else:
        wanted = _APPLIANCE.get(goal.treatment)
        appliances: list[int | None] = [
            place for place, kind in enumerate(game.receptacle_types) if kind == wanted
        ]
        for place in game.targets:
            for obj in objects:
                yield from (
                    _place(game, state, obj, place, appliance) for appliance in appliances or [None]
                )


def _place(
    game: CompiledGame, state: State, obj: int, place: int, appliance: int | None
) -> _Attempt | None:
    attempt = _Attempt(game, state)
    treated = attempt.take(obj) and (appliance is None or attempt.treat(obj, appliance))
    return attempt if treated and attempt.put(place) else None


def _look(game: CompiledGame, state: State, obj: int, lamp: int) -> _Attempt | None:
    attempt = _Attempt(game, state)
    if attempt.state.held != obj and not attempt.drop():  # the lamp itself may be what is held
        return None
    places = [place for place, inside in enumerate(attempt.state.contents) if lamp in inside]
    if not (places and attempt.take(obj) and attempt.go(places[0])):
        return None
    if not attempt.state.lit >> lamp & 1 and not attempt.do("use " + game.objects[lamp]):
        return None
    return attempt
