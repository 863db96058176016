"""Text grammar (`.twl2`) from which the original engine makes its answers, in either wording.

Notation: `#symbol#` is replaced by the first rule of that name whose condition holds, `{r.name}` by
a Python value, `[{x | facts}]` by `x` for every binding that satisfies the facts, joined by the
`list_...` symbols. The symbols `intro` and `list_...`, and the names of actions, parameters and
predicates, are the engine's interface; sentences are the original's text.
"""

from __future__ import annotations

import json

from turnwise.envs.alfworld.game_file import GameWording
from turnwise.envs.alfworld.text import WELCOME
from turnwise.errors import DataError

RESERVED = ';|"<>[]#{}\\\n'
"""Characters of the notation, which a task cannot contain."""

Rule = dict[str, str]


def _rule(text: str, *facts: str) -> Rule:
    """Return a rule; a fact is written `predicate variable:type ...`."""
    split = (fact.split() for fact in facts)
    condition = " & ".join(
        f"{predicate}({', '.join(variables)})" for predicate, *variables in split
    )
    return {"condition": condition, "rhs": text} if facts else {"rhs": text}


def _all(one: str, *facts: str) -> str:
    """Return the notation for `a x, a y, and a z`, of all `one` that satisfy the facts."""
    return f"[{{'a ' + {one}.name | {_rule('', *facts)['condition']}}}]"


_IN = _all("o", "inreceptacle o:object r:receptacle")
_STANDING = ("atlocation a:agent l:location", "receptacleatlocation r:receptacle l:location")
_NEXT_TO = (
    "atlocation a:agent l:location", "objectatlocation o:object l:location",
    "receptacleatlocation r:receptacle l:location", "not_inreceptacle o:object r:receptacle",
)  # fmt: skip


def _descriptions() -> list[Rule]:
    """Return the rules that describe a held object, the most specific first."""
    inside = _all("o2", "inreceptacleobject o2:object o:object")
    rules = [
        _rule(
            f"This is a normal {{o.name}}. In it, you see {inside}.", "isreceptacleobject o:object"
        )
    ]
    clean, hot, cool, cut = (f"is{word} o:object" for word in ("clean", "hot", "cool", "sliced"))
    for sliced, also in ((" sliced", (cut,)), ("", ())):
        for word, fact in (("hot", hot), ("cool", cool)):
            text = f"This is a {word} and clean{sliced} {{o.name}}."
            rules.append(_rule(text, clean, fact, *also))
        cold = "cool" if sliced else "cold"
        for word, fact in (("clean", clean), ("hot", hot), (cold, cool)):
            rules.append(_rule(f"This is a {word}{sliced} {{o.name}}.", fact, *also))
    rules.append(_rule("This {o.name} is on.", "toggleable o:object", "istoggled o:object"))
    rules.append(_rule("This is a sliced {o.name}.", "sliceable o:object", cut))
    return [*rules, _rule("There's nothing special about {o.name}.")]


def _symbols(task: str, wording: GameWording) -> dict[str, list[Rule]]:
    """Return the rules of every symbol; the symbol named as an action is the answer to it."""
    # The engine spells the parameter ?lEnd in lower case.
    arrived = "lend" if wording.names_location else "r"
    put = wording.did_put.format("{o.name}", "{r.name}")
    symbols = {
        "intro": [_rule(f"{WELCOME}\n\n#look#\n\n#task#")],
        "task": [_rule(f"Your task is to: {task}")],
        "look": [
            _rule("You are facing the #furniture#. Next to it, you see #beside#.", *_STANDING),
            _rule("You are in the middle of a room. Looking quickly around you, you see #room#."),
        ],
        "furniture": [_rule(f"[{{r.name | {_rule('', *_STANDING)['condition']}}}]")],
        "beside": [_rule(_all("o", *_NEXT_TO), *_NEXT_TO), _rule("#list_empty#")],
        "room": [_rule(_all("r", _STANDING[1]), _STANDING[1]), _rule("#list_empty#")],
        "inventory": [
            _rule(f"You are carrying: {_all('o', 'holds a:agent o:object')}.", "holdsany a:agent"),
            _rule("You are not carrying anything."),
        ],
        "examineReceptacle": [
            _rule(
                f"The {{r.name}} is open. In it, you see {_IN}.",
                "openable r:receptacle",
                "opened r:receptacle",
            ),
            _rule("The {r.name} is closed.", "openable r:receptacle"),
            _rule(f"On the {{r.name}}, you see {_IN}."),
        ],
        "examineObject": _descriptions(),
        "GotoLocation": [_rule(f"You arrive at {{{arrived}.name}}. #examineReceptacle#")],
        "OpenObject": [_rule("You open the {r.name}. #examineReceptacle#")],
        "CloseObject": [_rule("You close the {r.name}.")],
        "PickupObject": [_rule("You pick up the {o.name} from the {r.name}.")],
        "PutObject": [_rule(put)],
        "ToggleObject": [_rule("You turn on the {o.name}.")],
        "SliceObject": [_rule("You sliced the {co.name} with the {ko.name}.")],
        "list_empty": [_rule("nothing")],
        "list_separator": [_rule(", ")],
        "list_last_separator": [_rule(", and ")],
    }
    for verb in ("Clean", "Heat", "Cool"):
        symbols[verb + "Object"] = [
            _rule(f"You {verb.lower()} the {{o.name}} using the {{r.name}}.")
        ]
    return symbols if wording.help is None else symbols | {"help": [_rule(wording.help)]}


def _commands(wording: GameWording) -> dict[str, str]:
    """Return the command of each action."""
    commands = {
        "look": "look", "inventory": "inventory",
        "examineReceptacle": "examine {r}", "examineObject": "examine {o}",
        "GotoLocation": "go to {r}", "OpenObject": "open {r}", "CloseObject": "close {r}",
        "PickupObject": "take {o} from {r}", "PutObject": wording.put.format("{o}", "{r}"),
        "CleanObject": "clean {o} with {r}", "HeatObject": "heat {o} with {r}",
        "CoolObject": "cool {o} with {r}", "ToggleObject": "use {o}",
        "SliceObject": "slice {co} with {ko}",
    }  # fmt: skip
    return commands if wording.help is None else commands | {"help": "help"}


def write_grammar(task: str, wording: GameWording) -> str:
    """Return the grammar of a game with this task.

    Raises:
        DataError: for a task with a character of the notation.
    """
    if found := sorted(set(task) & set(RESERVED)):
        raise DataError(
            f"the task {task!r} has {found[0]!r}, which the original's grammar cannot express: "
            "reword it"
        )
    symbols = json.dumps(_symbols(task, wording), indent=1, ensure_ascii=False)
    pairs = _commands(wording).items()
    actions = [
        f'action {name} {{\n    template :: "{command}";\n    feedback :: "#{name}#";\n}}\n'
        for name, command in pairs
    ]
    return f'grammar :: """\n{symbols}\n""";\n\n' + "\n".join(actions)
