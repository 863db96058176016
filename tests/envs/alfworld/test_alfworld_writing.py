"""Games written in the official layout: they read back as the same, and files are consistent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.envs.alfworld.official_games import (
    APPLE,
    DESK,
    GOALS,
    PAN,
    PUT_04,
    PUT_211,
    TABLE,
    household,
    official_directory,
    unpacked,
)
from turnwise.envs.alfworld import Game, generate
from turnwise.envs.alfworld.engine import act, commands, conditions
from turnwise.envs.alfworld.game_file import WORDINGS
from turnwise.envs.alfworld.houses import TASK_TYPES
from turnwise.envs.alfworld.writing.domain import (
    ABOUT_OBJECTS,
    ABOUT_RECEPTACLES,
    ACTIONS,
    ANYTHING,
    NAMED_TYPES,
    RELATIONS,
    write_domain,
)
from turnwise.envs.alfworld.writing.grammar import RESERVED, write_grammar
from turnwise.envs.alfworld.writing.problem import ALFRED_TYPES, spelled, write_problem
from turnwise.envs.alfworld.writing.save import game_content, save_game, trajectory_data, trial_name
from turnwise.errors import DataError

ODDITIES = {
    "an object listed twice": [f"(inReceptacle {APPLE} {TABLE})"],
    "a pan that holds something": [f"(inReceptacleObject {APPLE} {PAN})"],
    "an open door and a cool apple": ["(opened Fridge_bar__plus_01)", f"(isCool {APPLE})"],
    "a receptacle at two places": [f"(receptacleAtLocation {DESK} loc_bar_9)"],
    "an id that only counts": ["(pickupable Apple_bar__plus_01_dot_50)"],
    "an id without a position": [
        "(objectType Soap_dot_Bar SoapType)",
        f"(inReceptacle Soap_dot_Bar {TABLE})",
    ],
}


@pytest.mark.parametrize("grammar_text", [PUT_211, PUT_04])
@pytest.mark.parametrize("kind", GOALS)
def test_a_written_game_is_the_same_game(kind: str, grammar_text: str, tmp_path: Path) -> None:
    game = Game.of(household(kind, grammar_text))
    path = game.save(tmp_path)
    assert Game.load(path).digest == game.digest and path.name == "game.tw-pddl"


@pytest.mark.parametrize("extra", ODDITIES.values(), ids=ODDITIES)
def test_oddities_survive(extra: list[str]) -> None:
    game = Game.of(household(extra=extra))
    assert Game.of(game_content(game)).digest == game.digest != Game.of(household()).digest


def test_a_goal_that_asks_for_closed_doors_survives() -> None:
    game = Game.of(
        household(
            "pick_cool_then_place_in_recep", goal="(forall (?re - receptacle) (not (opened ?re)))"
        )
    )
    assert Game.of(game_content(game)).goal == game.goal and game.goal.all_closed


def test_generated_games_come_back(tmp_path: Path) -> None:
    for game in generate(60, 4, difficulty="hard"):
        loaded = Game.load(save_game(game, tmp_path))
        assert loaded.digest == game.digest and loaded.task == game.task
    assert len(list(tmp_path.rglob("game.tw-pddl"))) == 60


@pytest.mark.parametrize("release", WORDINGS)
def test_a_reworded_game_is_the_one_that_was_written_so(release: str) -> None:
    for game in generate(6, 2):
        assert Game.of(game_content(game.reworded(release))).digest == game.reworded(release).digest


@pytest.mark.slow
def test_official_games_come_back(tmp_path: Path) -> None:
    paths = sorted(unpacked(official_directory(), tmp_path).rglob("game.tw-pddl"))[::20]
    assert [
        path
        for path in paths
        if Game.of(game_content(game := Game.load(path))).digest != game.digest
    ] == []


def test_the_layout(tmp_path: Path) -> None:
    game = generate(1, 0, "pick_heat_then_place_in_recep")[0]
    path = game.save(str(tmp_path))
    said = json.loads((path.parent / "traj_data.json").read_text())
    scene, names = said["scene"]["scene_num"], said["pddl_params"]
    assert path.parent.name == trial_name(game) == said["task_id"] and path.parent.name.startswith(
        "trial_T"
    )
    assert (
        path.parent.parent.name
        == f"{game.goal.kind}-{names['object_target']}-None-{names['parent_target']}-{scene}"
    )
    assert path.parent.parent.parent == tmp_path and 0 <= scene < 1000
    assert {one.name for one in path.parent.iterdir()} == {
        "game.tw-pddl",
        "initial_state.pddl",
        "traj_data.json",
    }
    assert (path.parent / "initial_state.pddl").read_text() == json.loads(path.read_text())[
        "pddl_problem"
    ]
    assert (
        said["turk_annotations"]["anns"][0]["task_desc"] == game.task
        and said["task_type"] == game.goal.kind
    )
    assert game.save(tmp_path) == path and len(list(tmp_path.iterdir())) == 1, (
        "the same game goes to the same place"
    )


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_the_walkthrough_wins(kind: str) -> None:
    game = generate(1, 5, kind)[0]
    written = game_content(game)
    assert written["solvable"] is True and list(written)[-1] == "solvable"
    state = game.start
    for command in written["walkthrough"]:
        state, _ = act(game, state, commands(game, state)[command])
    assert all(conditions(game, state))
    params = trajectory_data(game)["pddl_params"]
    assert (
        (params["toggle_target"] == "DeskLamp")
        is (params["parent_target"] == "")
        is (kind == "look_at_obj_in_light")
    )


def test_a_game_without_a_plan_is_not_marked_solvable() -> None:
    said = household()
    said["pddl_problem"] = re.sub(r"\(canContain DeskType \w+\)", "", said["pddl_problem"])
    written = game_content(Game.of(said))
    assert written["solvable"] is None and written["walkthrough"] is None


@pytest.mark.parametrize("character", RESERVED)
def test_a_task_with_reserved_characters(character: str) -> None:
    with pytest.raises(DataError, match=r"which the original's grammar cannot express"):
        write_grammar(f"put an apple{character} away.", WORDINGS["0.4"])


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"cannot write the ALFWorld game .*Not a directory; give another directory"
    ):
        generate(1, 0)[0].save(tmp_path / "file")


def test_the_domain_declares_what_it_uses() -> None:
    for with_help in (False, True):
        text = write_domain(with_help)
        assert text.count("(") == text.count(")") and ("(:action help" in text) is with_help
        known = {*ANYTHING, *ABOUT_OBJECTS, *ABOUT_RECEPTACLES, *RELATIONS, "holdsAny"}
        rules = text[text.index("(:action") :]
        assert {name for name in re.findall(r"\((\w+) \?", rules) if name != "not"} <= known
        named = set(re.findall(r"\w+Type(?=\))", rules))
        assert named == {one for kinds in NAMED_TYPES.values() for one in kinds}


@pytest.mark.parametrize("release", WORDINGS)
def test_the_grammar_defines_every_symbol_it_uses(release: str) -> None:
    text = write_grammar("put a mug in sink.", WORDINGS[release])
    symbols = json.loads(text.split('"""')[1])
    referred = {
        name
        for rules in symbols.values()
        for rule in rules
        for name in re.findall(r"#(\w+)#", rule["rhs"])
    }
    assert referred <= set(symbols) and {
        "intro",
        "list_empty",
        "list_separator",
        "list_last_separator",
    } <= set(symbols)
    answered = dict(
        re.findall(r'action (\w+) \{\n    template :: "[^"]+";\n    feedback :: "#(\w+)#"', text)
    )
    assert set(answered) - {"help"} == {action.name for action in ACTIONS} and set(
        answered.values()
    ) <= set(symbols)
    for rules in symbols.values():
        assert all("condition" in rule for rule in rules[:-1]) and "condition" not in rules[-1]


def test_a_problem_declares_every_id() -> None:
    text = write_problem(Game.of(household(extra=ODDITIES["an id that only counts"])), "here")
    declared = set(re.findall(r"^    (\S+) - \w+$", text, re.MULTILINE))
    used = {
        one
        for fact in re.findall(r"^    \(\w+ (.*)\)$", text, re.MULTILINE)
        for one in fact.split()
    }
    assert used <= declared and {"SinkBasinType", "ButterKnifeType", "agent1"} <= declared


def test_spelling() -> None:
    assert [spelled(kind) for kind in ("soapbottle", "tvstandtype", "cd", "thing")] == [
        "SoapBottle",
        "TVStandType",
        "CD",
        "thing",
    ]
    assert len({kind.lower() for kind in ALFRED_TYPES.split()}) == len(ALFRED_TYPES.split())
