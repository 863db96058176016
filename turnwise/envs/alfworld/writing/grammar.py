"""What the original engine answers, as a grammar that it reads (`.twl2`), for both wordings.

Its notation: `#symbol#` is replaced by the first rule of that name whose condition holds,
`{r.name}` by a Python value, `[{x | facts}]` by the values of `x` for all that satisfies the facts,
joined by the `list_...` symbols. Symbols `intro` and `list_...`, and the names of actions,
parameters and predicates, are the engine's interface; sentences are its text.
"""

from __future__ import annotations

import json

from turnwise.envs.alfworld.text import WELCOME
from turnwise.envs.alfworld.wording import Wording
from turnwise.errors import DataError

UNSAYABLE = ';|"<>[]#{}\\\n'
"""Characters of the notation, which a task cannot have."""

Rule = dict[str, str]


def _rule(says: str, *facts: str) -> Rule:
    """A rule; a fact is written `predicate variable:type ...`."""
    called = (fact.split() for fact in facts)
    condition = " & ".join(
        f"{predicate}({', '.join(variables)})" for predicate, *variables in called
    )
    return {"condition": condition, "rhs": says} if facts else {"rhs": says}


def _all(one: str, *facts: str) -> str:
    """`a x, a y, and a z` for all `one` that satisfy the facts."""
    return f"[{{'a ' + {one}.name | {_rule('', *facts)['condition']}}}]"


_IN = _all("o", "inreceptacle o:object r:receptacle")
_STANDING = ("atlocation a:agent l:location", "receptacleatlocation r:receptacle l:location")
_BESIDE = (
    "atlocation a:agent l:location", "objectatlocation o:object l:location", "receptacleatlocation r:receptacle l:location",
    "not_inreceptacle o:object r:receptacle",
)  # fmt: skip


def _of_object() -> list[Rule]:
    """What is said of a held object, from the most that can be said to the least."""
    rules = [_rule(f"This is a normal {{o.name}}. In it, you see {_all('o2', 'inreceptacleobject o2:object o:object')}.",
                   "isreceptacleobject o:object")]  # fmt: skip
    clean, hot, cool, cut = (f"is{word} o:object" for word in ("clean", "hot", "cool", "sliced"))
    for sliced, also in ((" sliced", (cut,)), ("", ())):
        rules += [_rule(f"This is a {word} and clean{sliced} {{o.name}}.", clean, fact, *also)
                  for word, fact in (("hot", hot), ("cool", cool))]  # fmt: skip
        cold = "cool" if sliced else "cold"
        rules += [_rule(f"This is a {word}{sliced} {{o.name}}.", fact, *also)
                  for word, fact in (("clean", clean), ("hot", hot), (cold, cool))]  # fmt: skip
    rules.append(_rule("This {o.name} is on.", "toggleable o:object", "istoggled o:object"))
    rules.append(_rule("This is a sliced {o.name}.", "sliceable o:object", cut))
    return [*rules, _rule("There's nothing special about {o.name}.")]


def _symbols(task: str, said: Wording) -> dict[str, list[Rule]]:
    """Every symbol and its rules; the answer to an action is the symbol of that action's name."""
    arrived = "lend" if said.names_location else "r"  # the parameter ?lEnd, as the engine spells it
    put = said.did_put.format("{o.name}", "{r.name}")
    symbols = {
        "intro": [_rule(f"{WELCOME}\n\n#look#\n\n#task#")],
        "task": [_rule(f"Your task is to: {task}")],
        "look": [
            _rule("You are facing the #furniture#. Next to it, you see #beside#.", *_STANDING),
            _rule("You are in the middle of a room. Looking quickly around you, you see #room#."),
        ],
        "furniture": [_rule(f"[{{r.name | {_rule('', *_STANDING)['condition']}}}]")],
        "beside": [_rule(_all("o", *_BESIDE), *_BESIDE), _rule("#list_empty#")],
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
        "examineObject": _of_object(),
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
    return symbols if said.help is None else symbols | {"help": [_rule(said.help)]}


def _commands(said: Wording) -> dict[str, str]:
    """The command for each action."""
    commands = {
        "look": "look", "inventory": "inventory", "examineReceptacle": "examine {r}", "examineObject": "examine {o}",
        "GotoLocation": "go to {r}", "OpenObject": "open {r}", "CloseObject": "close {r}", "PickupObject": "take {o} from {r}",
        "PutObject": said.put.format("{o}", "{r}"), "CleanObject": "clean {o} with {r}", "HeatObject": "heat {o} with {r}",
        "CoolObject": "cool {o} with {r}", "ToggleObject": "use {o}", "SliceObject": "slice {co} with {ko}",
    }  # fmt: skip
    return commands if said.help is None else commands | {"help": "help"}


def grammar(task: str, said: Wording) -> str:
    """The grammar of a game whose player is asked to do `task`.

    Raises:
        DataError: for a task with a character that the notation cannot say.
    """
    if found := sorted(set(task) & set(UNSAYABLE)):
        raise DataError(
            f"the task {task!r} has {found[0]!r}, which the original's grammar cannot say: reword it"
        )
    symbols = json.dumps(_symbols(task, said), indent=1, ensure_ascii=False)
    pairs = _commands(said).items()
    actions = [
        f'action {name} {{\n    template :: "{command}";\n    feedback :: "#{name}#";\n}}\n'
        for name, command in pairs
    ]
    return f'grammar :: """\n{symbols}\n""";\n\n' + "\n".join(actions)
