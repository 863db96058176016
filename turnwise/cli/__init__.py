"""The command `turnwise`. Its start-up stays light: no torch until a command that needs a model
runs.
"""

import sys


def main() -> None:
    """Entry point of the command line."""
    from turnwise.cli.runtime import prepare

    try:
        prepare()
        from turnwise.cli.app import app

        app(prog_name="turnwise")
    except (
        KeyboardInterrupt
    ):  # while Python was still reading modules; later ones are the commands' own
        print("interrupted", file=sys.stderr)
        sys.exit(130)
