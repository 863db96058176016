"""PDDL domain of a household, for the original engine (Fast-Downward and TextWorld).

Names of types, predicates, actions and parameters are ALFWorld's interface: its problems, grammar
and planner refer to them. The formulation is this package's own: no costs, conditions as the engine
was found to apply them, and nothing unused. `checked` has no meaning: the engine drops an action
without an effect, so actions that only show text have that one.
"""

from __future__ import annotations

from dataclasses import dataclass

ANYTHING = ("checked",)
ABOUT_OBJECTS = (
    "isReceptacleObject", "pickupable", "toggleable", "cleanable", "heatable", "coolable",
    "sliceable", "isClean", "isHot", "isCool", "isToggled", "isSliced",
)  # fmt: skip
ABOUT_RECEPTACLES = ("openable", "opened")
RELATIONS = {
    "atLocation": ("agent", "location"), "receptacleAtLocation": ("receptacle", "location"),
    "objectAtLocation": ("object", "location"), "inReceptacle": ("object", "receptacle"),
    "inReceptacleObject": ("object", "object"), "receptacleType": ("receptacle", "rtype"),
    "objectType": ("object", "otype"), "canContain": ("rtype", "otype"),
    "holds": ("agent", "object"),
}  # fmt: skip
NAMED_TYPES = {
    "rtype": ("SinkBasinType", "MicrowaveType", "FridgeType"),
    "otype": ("KnifeType", "ButterKnifeType"),
}
"""Types in the actions, which every problem has to declare."""


@dataclass(frozen=True, slots=True)
class PDDLAction:
    """A PDDL action of agent `?a` at location `?l`; other parameters are `name - type`."""

    name: str
    parameters: tuple[str, ...]
    precondition: tuple[str, ...]
    effect: tuple[str, ...]

    def pddl(self) -> str:
        """Return the action as PDDL."""
        parameters = " ".join("?" + one for one in ("a - agent", "l - location", *self.parameters))
        precondition = " ".join(("(atLocation ?a ?l)", *self.precondition))
        return (
            f"(:action {self.name}\n  :parameters ({parameters})\n"
            f"  :precondition (and {precondition})\n  :effect (and {' '.join(self.effect)}))"
        )


_HERE = "(receptacleAtLocation ?r ?l)"
_OPEN = "(or (not (openable ?r)) (opened ?r))"


def _appliance(name: str, kind: str, able: str, done: str, undone: str = "") -> PDDLAction:
    """Return the action of treating the held object at an appliance, open or closed."""
    needs = (_HERE, f"(receptacleType ?r {kind}Type)", "(holds ?a ?o)", f"({able} ?o)")
    effect = (f"({done} ?o)", *([f"(not ({undone} ?o))"] if undone else []))
    return PDDLAction(name, ("r - receptacle", "o - object"), needs, effect)


ACTIONS = (
    PDDLAction("look", (), (), ("(checked ?l)",)),
    PDDLAction("inventory", (), (), ("(checked ?a)",)),
    PDDLAction("examineReceptacle", ("r - receptacle",), (_HERE,), ("(checked ?r)",)),
    PDDLAction("examineObject", ("o - object",), ("(holds ?a ?o)",), ("(checked ?o)",)),
    PDDLAction(
        "GotoLocation", ("lEnd - location", "r - receptacle"),
        ("(receptacleAtLocation ?r ?lEnd)", "(not (= ?l ?lEnd))"),
        ("(not (atLocation ?a ?l))", "(atLocation ?a ?lEnd)"),
    ),
    PDDLAction(
        "OpenObject", ("r - receptacle",),
        (_HERE, "(openable ?r)", "(not (opened ?r))"), ("(opened ?r)",),
    ),
    PDDLAction(
        "CloseObject", ("r - receptacle",),
        (_HERE, "(openable ?r)", "(opened ?r)"), ("(not (opened ?r))",),
    ),
    PDDLAction(
        "PickupObject", ("o - object", "r - receptacle"),
        (_HERE, "(inReceptacle ?o ?r)", "(pickupable ?o)", _OPEN, "(not (holdsAny ?a))"),
        (
            "(holds ?a ?o)", "(holdsAny ?a)", "(not (inReceptacle ?o ?r))",
            "(not (objectAtLocation ?o ?l))",
        ),
    ),
    PDDLAction(
        "PutObject", ("o - object", "r - receptacle", "ot - otype", "rt - rtype"),
        (
            _HERE, "(holds ?a ?o)", _OPEN, "(objectType ?o ?ot)", "(receptacleType ?r ?rt)",
            "(canContain ?rt ?ot)",
        ),
        (
            "(not (holds ?a ?o))", "(not (holdsAny ?a))", "(inReceptacle ?o ?r)",
            "(objectAtLocation ?o ?l)",
        ),
    ),
    _appliance("CleanObject", "SinkBasin", "cleanable", "isClean"),
    _appliance("HeatObject", "Microwave", "heatable", "isHot", "isCool"),
    _appliance("CoolObject", "Fridge", "coolable", "isCool", "isHot"),
    PDDLAction(
        "ToggleObject", ("o - object", "r - receptacle"),
        (_HERE, "(inReceptacle ?o ?r)", "(toggleable ?o)"), ("(isToggled ?o)",),
    ),
    PDDLAction(
        "SliceObject", ("co - object", "ko - object"),
        (
            "(objectAtLocation ?co ?l)", "(sliceable ?co)", "(holds ?a ?ko)",
            "(or (objectType ?ko KnifeType) (objectType ?ko ButterKnifeType))",
        ),
        ("(isSliced ?co)",),
    ),
)  # fmt: skip
HELP = PDDLAction("help", (), (), ("(checked ?a)",))


def write_domain(with_help: bool) -> str:
    """Return the domain; `help` is an action of the newer wording only."""
    predicates = [f"({name} ?x)" for name in ANYTHING] + ["(holdsAny ?a - agent)"]
    predicates += [f"({name} ?o - object)" for name in ABOUT_OBJECTS]
    predicates += [f"({name} ?r - receptacle)" for name in ABOUT_RECEPTACLES]
    predicates += [f"({name} ?x - {one} ?y - {two})" for name, (one, two) in RELATIONS.items()]
    actions = (action.pddl() for action in (*ACTIONS, *([HELP] if with_help else [])))
    listed, defined = "\n  ".join(predicates), "\n".join(actions)
    return (
        "(define (domain alfred)\n(:requirements :adl :typing)\n"
        "(:types agent location receptacle object rtype otype)\n"
        f"(:predicates\n  {listed}\n)\n{defined}\n)\n"
    )
