"""The unsafe backend: limits and no confinement, for machines where nothing better runs.

Never chosen unless the user asks for it. It still runs nothing as root (a root trainer gives every
sandbox a user of its own), passes no variable or descriptor of the trainer, limits what each
process may use, and kills what is left. Files and network are open.
"""

from __future__ import annotations

from turnwise.sandbox.client import GuestSandbox
from turnwise.sandbox.contract import SandboxCapabilities, Spec
from turnwise.sandbox.landlock import launch


def open_sandbox(spec: Spec) -> GuestSandbox:
    """Open a sandbox that is an ordinary process of this user, with limits."""
    capabilities = SandboxCapabilities(
        filesystem=False,
        network=False,
        processes=False,
        total_memory=True,
        disk_quota=False,
        fork=False,
    )
    return launch(spec, "unsafe", capabilities, confine=False)
