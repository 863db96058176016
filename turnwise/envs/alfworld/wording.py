"""The two wordings of ALFWorld: what changed in the text between data release 2.1.1 and 2.1.2
(alfworld 0.4).

Interface strings from the grammar of each release (`alfred.twl2`, github.com/alfworld/alfworld).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from turnwise.errors import DataError, unknown

HELP_04 = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


@dataclass(frozen=True, slots=True)
class Wording:
    """How a release says what the other one says differently."""

    release: str
    put: str
    """The command, a format of object and receptacle."""
    did_put: str
    """The answer to it."""
    names_location: bool
    """Whether `go to` answers with the location (`loc 13`) rather than the receptacle."""
    help: str | None
    """The answer to `help`; None where there is no such command."""


WORDINGS = {
    "2.1.1": Wording("2.1.1", "put {} in/on {}", "You put the {} in/on the {}.", True, None),
    "0.4": Wording("0.4", "move {} to {}", "You move the {} to the {}.", False, HELP_04),
}


def wording(release: str) -> Wording:
    """The wording called `2.1.1` or `0.4`. Raises `ConfigError` for another."""
    if release not in WORDINGS:
        raise unknown("wording", release, WORDINGS, "ALFWorld")
    return WORDINGS[release]


def wording_of(grammar: str) -> Wording:
    """The wording of a game file's grammar. Raises `DataError` where it is of neither release."""
    if 'template :: "put {o} in/on {r}"' in grammar:
        return WORDINGS["2.1.1"]
    if 'template :: "move {o} to {r}"' in grammar:
        return WORDINGS["0.4"]
    raise DataError(
        "its grammar is of no known release: take json_2.1.1 (alfworld up to 0.3) or json_2.1.2 / 2.1.3 (alfworld 0.4)"
    )


def task_of(grammar: str) -> str:
    """What the player is asked to do, with the full stop. Raises `DataError` where the grammar does
    not say it.
    """
    found = re.search(r'"Your task is to: (.*?)"', grammar)
    if found is None:
        raise DataError(
            "its grammar has no task: the original's game files say 'Your task is to: ...'"
        )
    return found[1]
