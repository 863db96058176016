"""Play ALFWorld in the native and the original engine side by side, and count differences.

    python benchmarks/alfworld_differential.py                 generated games (needs `alfworld`)
    python benchmarks/alfworld_differential.py --official DIR  official games below DIR too
    python benchmarks/alfworld_differential.py --json FILE     the same figures in a file

Compared after every command are the whole text, the admissible commands, reward and end. Commands
are errands for verbs that random play seldom reaches, then commands drawn evenly by verb, some
garbage, and last the expert's plan.

The kinds of games are those in which the two could differ: official files; official problems under
the newest release's rules; generated problems under those rules; and generated and official games
as this package writes them, in both wordings.

A game stays unsolved if random play took an object that fits nowhere (the paper towel roll of some
official kitchens).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this directory, in which alfworld.py is not the package

from turnwise.envs.alfworld import ALFWorldEnv, Game, generate  # noqa: E402
from turnwise.envs.alfworld.engine import act, commands  # noqa: E402
from turnwise.envs.alfworld.real import RealEngine  # noqa: E402
from turnwise.envs.alfworld.state import NOTHING, State  # noqa: E402
from turnwise.envs.alfworld.writing.save import game_content  # noqa: E402

DIFFICULTIES = ("easy", "normal", "hard")
ERRANDS = ("slice", "heat", "cool", "clean", "use", "examine object", "put")
SELDOM = ("slice", "slice", "slice", "use")
"""Drawn more often, because not every house allows them."""
VERBS = (
    *ERRANDS,
    "go",
    "open",
    "close",
    "take",
    "examine receptacle",
    "look",
    "inventory",
    "help",
    "garbage",
)
GARBAGE = (
    "xyzzy", "", "   ", "LOOK", "Go to fridge 1", "take", "take all", "go to nowhere 1", "go to",
    "put apple 1 in/on sofa 9", "move apple 1 to sofa 9", "examine", "use", "help me",
    "inventory.", "look look", "go  to shelf 1", "naïve café ☕", "{r}", "open [x]",
)  # fmt: skip


@dataclass
class Tally:
    """Results of some games."""

    games: int = 0
    won: int = 0
    verbs: Counter[str] = field(default_factory=Counter)
    differences: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.games += other.games
        self.won += other.won
        self.verbs += other.verbs
        self.differences += other.differences


@dataclass
class Walker:
    """Plans an errand on a copy of the state. Methods return whether they succeeded."""

    game: Game
    state: State
    plan: list[str] = field(default_factory=list)

    def do(self, command: str) -> bool:
        meaning = commands(self.game, self.state).get(command)
        if meaning is not None:
            self.state, _ = act(self.game, self.state, meaning)
            self.plan.append(command)
        return meaning is not None

    def reach(self, place: int, inside: bool = True) -> bool:
        """Go to a receptacle; open it if something is to go in or out."""
        name = self.game.receptacles[place]
        if place not in self.game.here(self.state.location) and not self.do("go to " + name):
            return False
        closed = place in self.game.openable and not self.state.opened >> place & 1
        return not (closed and inside) or self.do("open " + name)

    def put_down(self, rng: random.Random) -> bool:
        game, held = self.game, self.state.held
        places = [
            place
            for place, _ in game.tour
            if (game.receptacle_types[place], game.object_types[held]) in game.fits
        ]
        rng.shuffle(places)
        commands = (
            (place, game.wording.put.format(game.objects[held], game.receptacles[place]))
            for place in places
        )
        return any(self.reach(place) and self.do(command) for place, command in commands)

    def fetch(self, ones: set[int], rng: random.Random) -> int:
        """Take one of some objects; return it, or `NOTHING`."""
        if self.state.held in ones:
            return self.state.held
        if self.state.held != NOTHING and not self.put_down(rng):
            return NOTHING
        found = [
            (one, place)
            for place, inside in enumerate(self.state.contents)
            for one in inside
            if one in ones
        ]
        rng.shuffle(found)
        for one, place in found:
            if self.reach(place) and self.do(
                f"take {self.game.objects[one]} from {self.game.receptacles[place]}"
            ):
                return one
        return NOTHING


def errand(game: Game, state: State, verb: str, rng: random.Random) -> list[str]:
    """Return commands that end in one of `verb`; empty if there is no way."""
    walker = Walker(game, state)
    if verb == "use":
        places = [
            place
            for place, inside in enumerate(state.contents)
            for one in inside
            if one in game.toggleable
        ]
        return walker.plan if places and walker.reach(rng.choice(places), inside=False) else []
    knives = {
        one
        for one, kind in enumerate(game.object_types)
        if kind in ("knifetype", "butterknifetype")
    }
    able = {"slice": knives, "heat": game.heatable, "cool": game.coolable, "clean": game.cleanable}
    one = walker.fetch(set(able.get(verb, game.pickupable)) & game.pickupable, rng)
    if one == NOTHING or (verb == "put" and not walker.put_down(rng)):
        return []
    kind = {"heat": "microwavetype", "cool": "fridgetype", "clean": "sinkbasintype"}.get(verb)
    goals = [place for place, there in enumerate(game.receptacle_types) if there == kind]
    if verb == "slice":
        goals = [
            place
            for place, location in game.tour
            if game.sliceable & set(walker.state.lying[location])
        ]
    if goals and not walker.reach(rng.choice(goals), inside=False):
        return []
    starts = "examine " + game.objects[one] if verb == "examine object" else verb + " "
    last = sorted(command for command in commands(game, walker.state) if command.startswith(starts))
    return [*walker.plan, rng.choice(last)] if last else walker.plan


def choices(env: ALFWorldEnv, game: Game, number: int, steps: int) -> Iterator[str]:
    """Yield the commands to play, as the episode goes."""
    rng, queue = random.Random(f"{number} {game.digest}"), []
    for k in range(steps):
        saved = env.snapshot().state
        assert saved is not None
        state, known = saved[0], commands(game, saved[0])
        if not queue and (k == 0 or rng.random() < 0.2):
            queue = errand(
                game,
                state,
                ERRANDS[number % len(ERRANDS)] if k == 0 else rng.choice(ERRANDS + SELDOM),
                rng,
            )
        if rng.random() < 0.06:
            other = commands(game, game.start)
            yield rng.choice([*GARBAGE, " look ", *sorted(other.keys() - known.keys())])
        elif queue:
            yield queue.pop(0)
        else:
            verbs: dict[str, list[str]] = {}
            for command in sorted(known):
                verbs.setdefault(known[command].verb, []).append(command)
            yield rng.choice(verbs[rng.choice(sorted(verbs))])
    while (action := env.expert_action()) is not None:
        yield action


def play(game: Game, written: Any, number: int, steps: int, memoise: bool) -> Tally:
    """Play a game in both engines, from its file `written` in the original."""
    tally, env = Tally(games=1), ALFWorldEnv([game])
    shown, info = env.reset(options={"task": 0})
    with RealEngine(written, memoise) as engine:
        seen = engine.reset()
        ours = (shown, info["admissible"], 0.0, info["success"])
        _compare(tally, game, "reset", ours, tuple(seen))
        for command in choices(env, game, number, steps):
            saved = env.snapshot().state
            assert saved is not None
            meaning = commands(game, saved[0]).get(command.strip())
            tally.verbs[meaning.verb if meaning else "garbage"] += 1
            shown, reward, done, _, info = env.step(command)
            seen = engine.step(command)
            _compare(tally, game, command, (shown, info["admissible"], reward, done), tuple(seen))
            if done or seen.won:
                break
        tally.won += seen.won
    return tally


def _compare(
    tally: Tally, game: Game, command: str, ours: tuple[Any, ...], theirs: tuple[Any, ...]
) -> None:
    if ours != theirs:
        tally.differences.append(
            {"task": game.task, "command": command, "native": ours, "original": theirs}
        )


def cases(asked: argparse.Namespace) -> list[tuple[str, Any]]:
    """Return pairs (kind of game, path or number), from which any process can make the game."""
    found: list[tuple[str, Any]] = []
    if asked.official is not None:
        paths = [str(path) for path in sorted(asked.official.rglob("game.tw-pddl"))]
        random.Random(asked.seed).shuffle(paths)
        few = asked.games // 5
        found += [("official file", path) for path in paths[: asked.games]]
        found += [("official problem, newest rules", path) for path in paths[asked.games :][:few]]
        found += [
            ("official, written here, 0.4", path) for path in paths[asked.games + few :][:few]
        ]
    kinds = ("newest rules", "written here, 0.4", "newest rules", "written here, 2.1.1")
    return found + [("generated, " + kinds[k % 4], k) for k in range(asked.games)]


def one_case(job: tuple[int, str, Any, argparse.Namespace]) -> tuple[str, Tally]:
    number, kind, what, asked = job
    generated = kind.startswith("generated")
    difficulty = DIFFICULTIES[number % 3]
    game = (
        generate(number % 6 + 1, asked.seed * 10_000 + what, None, difficulty)[-1]
        if generated
        else Game.load(what)
    )
    if kind == "official file":
        return kind, play(game, what, number, asked.steps, asked.memoise)
    game = game.reworded("2.1.1" if kind.endswith("2.1.1") else "0.4")
    written = game_content(game)
    if kind.endswith("newest rules"):
        problem = (
            written["pddl_problem"]
            if generated
            else json.loads(Path(what).read_text())["pddl_problem"]
        )
        written = written | newest(game.task) | {"pddl_problem": problem}
    return kind, play(game, written, number, asked.steps, asked.memoise)


def newest(task: str) -> dict[str, str]:
    """Return domain and grammar of the installed `alfworld`, for a task."""
    from alfworld.info import ALFRED_PDDL_PATH, ALFRED_TWL2_PATH  # type: ignore[import-not-found]

    grammar = Path(ALFRED_TWL2_PATH).read_text().replace("UNKNOWN GOAL.", task)
    return {"pddl_domain": Path(ALFRED_PDDL_PATH).read_text(), "grammar": grammar}


def show(tallies: dict[str, Tally]) -> Tally:
    """Print the table; return the sum."""

    def line(kind: str, tally: Tally) -> str:
        counts = f"{tally.games:>8}{tally.verbs.total():>8}{tally.won:>6}"
        return f"{kind:34}{counts}{len(tally.differences):>13}"

    whole = Tally()
    print(f"\n{'games':34}{'number':>8}{'steps':>8}{'won':>6}{'differences':>13}")
    for kind, tally in tallies.items():
        print(line(kind, tally))
        whole.add(tally)
    print(line("all", whole) + "\n")
    print("  ".join(f"{verb} {whole.verbs[verb]}" for verb in VERBS))
    for difference in whole.differences[:5]:
        print("\n" + "\n".join(f"{name}: {value!r}"[:600] for name, value in difference.items()))
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--official", type=Path, help="directory of official games, such as json_2.1.1"
    )
    parser.add_argument(
        "--games", type=int, default=200, help="official files, and as many generated games"
    )
    parser.add_argument("--steps", type=int, default=25, help="commands before the expert's plan")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument(
        "--memoise",
        action="store_true",
        help="parse each text of a grammar once, see real.memoise_parsing",
    )
    parser.add_argument("--json", type=Path, help="file for the figures and every difference")
    asked = parser.parse_args()
    jobs = [(number, kind, what, asked) for number, (kind, what) in enumerate(cases(asked))]
    tallies: dict[str, Tally] = {kind: Tally() for _, kind, _, _ in jobs}
    # Shuffled, so that an interrupted run has played some of each kind.
    random.Random(asked.seed).shuffle(jobs)
    start = time.time()
    with multiprocessing.get_context("spawn").Pool(asked.workers) as pool:
        try:
            for count, (kind, tally) in enumerate(pool.imap_unordered(one_case, jobs), 1):
                tallies[kind].add(tally)
                if count % 20 == 0:
                    wrong = sum(len(tally.differences) for tally in tallies.values())
                    print(
                        f"{count} of {len(jobs)} games, {wrong} differences, "
                        f"{time.time() - start:.0f} s",
                        file=sys.stderr,
                    )
        except KeyboardInterrupt:
            print("interrupted: these are the games played so far", file=sys.stderr)
    whole = show(tallies)
    if asked.json is not None:
        rows = {kind: vars(tally) for kind, tally in tallies.items()}
        asked.json.write_text(
            json.dumps(
                {"kinds": rows, "verbs": whole.verbs, "seconds": time.time() - start}, indent=1
            )
        )
    return 1 if whole.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
