"""The rules of a household as a PDDL domain, for the original engine (Fast-Downward grounds it,
TextWorld plays it).

Names of types, predicates, actions and parameters are ALFWorld's interface: its problems, its
grammar and its planner refer to them. The formulation is this package's own: no costs, conditions
as the engine turned out to apply them, and nothing that is never used. `checked` has no meaning; an
action without an effect would be dropped, so those that only show text have that one.
"""

from __future__ import annotations

from dataclasses import dataclass

ANYTHING = ("checked",)
ABOUT_OBJECTS = (
    "isReceptacleObject", "pickupable", "toggleable", "cleanable", "heatable", "coolable", "sliceable",
    "isClean", "isHot", "isCool", "isToggled", "isSliced",
)  # fmt: skip
ABOUT_RECEPTACLES = ("openable", "opened")
RELATIONS = {
    "atLocation": ("agent", "location"), "receptacleAtLocation": ("receptacle", "location"),
    "objectAtLocation": ("object", "location"), "inReceptacle": ("object", "receptacle"),
    "inReceptacleObject": ("object", "object"), "receptacleType": ("receptacle", "rtype"), "objectType": ("object", "otype"),
    "canContain": ("rtype", "otype"), "holds": ("agent", "object"),
}  # fmt: skip
NAMED_TYPES = {
    "rtype": ("SinkBasinType", "MicrowaveType", "FridgeType"),
    "otype": ("KnifeType", "ButterKnifeType"),
}
"""Types that the actions name: a problem has to declare them, even where there is nothing of them.
"""


@dataclass(frozen=True, slots=True)
class Action:
    """A PDDL action. The agent is `?a` and stands at `?l`; parameters beyond these are `name -
    type`.
    """

    name: str
    parameters: tuple[str, ...]
    precondition: tuple[str, ...]
    effect: tuple[str, ...]

    def pddl(self) -> str:
        parameters = " ".join("?" + one for one in ("a - agent", "l - location", *self.parameters))
        precondition = " ".join(("(atLocation ?a ?l)", *self.precondition))
        return (
            f"(:action {self.name}\n  :parameters ({parameters})\n  :precondition (and {precondition})\n"
            f"  :effect (and {' '.join(self.effect)}))"
        )


_HERE = "(receptacleAtLocation ?r ?l)"
_OPEN = "(or (not (openable ?r)) (opened ?r))"


def _appliance(name: str, kind: str, able: str, done: str, undone: str = "") -> Action:
    """An action on what is held, at a receptacle of type `kind`; whether that is open does not
    matter.
    """
    needs = (_HERE, f"(receptacleType ?r {kind}Type)", "(holds ?a ?o)", f"({able} ?o)")
    effect = (f"({done} ?o)", *([f"(not ({undone} ?o))"] if undone else []))
    return Action(name, ("r - receptacle", "o - object"), needs, effect)


ACTIONS = (
    Action("look", (), (), ("(checked ?l)",)),
    Action("inventory", (), (), ("(checked ?a)",)),
    Action("examineReceptacle", ("r - receptacle",), (_HERE,), ("(checked ?r)",)),
    Action("examineObject", ("o - object",), ("(holds ?a ?o)",), ("(checked ?o)",)),
    Action(
        "GotoLocation", ("lEnd - location", "r - receptacle"), ("(receptacleAtLocation ?r ?lEnd)", "(not (= ?l ?lEnd))"),
        ("(not (atLocation ?a ?l))", "(atLocation ?a ?lEnd)"),
    ),
    Action("OpenObject", ("r - receptacle",), (_HERE, "(openable ?r)", "(not (opened ?r))"), ("(opened ?r)",)),
    Action("CloseObject", ("r - receptacle",), (_HERE, "(openable ?r)", "(opened ?r)"), ("(not (opened ?r))",)),
    Action(
        "PickupObject", ("o - object", "r - receptacle"),
        (_HERE, "(inReceptacle ?o ?r)", "(pickupable ?o)", _OPEN, "(not (holdsAny ?a))"),
        ("(holds ?a ?o)", "(holdsAny ?a)", "(not (inReceptacle ?o ?r))", "(not (objectAtLocation ?o ?l))"),
    ),
    Action(
        "PutObject", ("o - object", "r - receptacle", "ot - otype", "rt - rtype"),
        (_HERE, "(holds ?a ?o)", _OPEN, "(objectType ?o ?ot)", "(receptacleType ?r ?rt)", "(canContain ?rt ?ot)"),
        ("(not (holds ?a ?o))", "(not (holdsAny ?a))", "(inReceptacle ?o ?r)", "(objectAtLocation ?o ?l)"),
    ),
    _appliance("CleanObject", "SinkBasin", "cleanable", "isClean"),
    _appliance("HeatObject", "Microwave", "heatable", "isHot", "isCool"),
    _appliance("CoolObject", "Fridge", "coolable", "isCool", "isHot"),
    Action(
        "ToggleObject", ("o - object", "r - receptacle"), (_HERE, "(inReceptacle ?o ?r)", "(toggleable ?o)"),
        ("(isToggled ?o)",),
    ),
    Action(
        "SliceObject", ("co - object", "ko - object"),
        (
            "(objectAtLocation ?co ?l)", "(sliceable ?co)", "(holds ?a ?ko)",
            "(or (objectType ?ko KnifeType) (objectType ?ko ButterKnifeType))",
        ),
        ("(isSliced ?co)",),
    ),
)  # fmt: skip
HELP = Action("help", (), (), ("(checked ?a)",))


def domain(with_help: bool) -> str:
    """The domain; `help` is an action of the newer wording only."""
    predicates = [f"({name} ?x)" for name in ANYTHING] + ["(holdsAny ?a - agent)"]
    predicates += [f"({name} ?o - object)" for name in ABOUT_OBJECTS]
    predicates += [f"({name} ?r - receptacle)" for name in ABOUT_RECEPTACLES]
    predicates += [f"({name} ?x - {one} ?y - {two})" for name, (one, two) in RELATIONS.items()]
    actions = (action.pddl() for action in (*ACTIONS, *([HELP] if with_help else [])))
    return (
        "(define (domain alfred)\n(:requirements :adl :typing)\n(:types agent location receptacle object rtype otype)\n"
        f"(:predicates\n  {chr(10).join(predicates).replace(chr(10), chr(10) + '  ')}\n)\n"
        + "\n".join(actions)
        + "\n)\n"
    )
