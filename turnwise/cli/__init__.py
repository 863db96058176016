"""The command `turnwise`. No torch is imported before a command that needs a model."""

import sys


def main() -> None:
    """Run the command line."""
    from turnwise.cli.runtime import prepare

    try:
        prepare()
        from turnwise.cli.app import commands

        commands(prog_name="turnwise")
    except KeyboardInterrupt:  # while modules were imported; later ones are the commands' own
        print("interrupted", file=sys.stderr)
        sys.exit(130)
