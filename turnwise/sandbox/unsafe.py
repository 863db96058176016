"""No confinement but limits: for machines where nothing better runs, and only when the user has
said so.

What it still does: never runs as root (a root trainer gives every sandbox a user of its own),
passes no variable and no descriptor of the trainer, limits what each process may use, and kills
what is left. It holds nothing back of files or network.
"""

from __future__ import annotations

from turnwise.sandbox.client import GuestSandbox
from turnwise.sandbox.contract import Capabilities, Spec
from turnwise.sandbox.landlock import launch


def open_sandbox(spec: Spec) -> GuestSandbox:
    """A process like any other of this user, with limits."""
    held = Capabilities(
        filesystem=False,
        network=False,
        processes=False,
        total_memory=True,
        disk_quota=False,
        fork=False,
    )
    return launch(spec, "unsafe", held, confine=False)
