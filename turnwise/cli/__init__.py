"""The command `turnwise`. Its start-up stays light: no torch until a command that needs a model runs."""


def main() -> None:
    """Entry point of the command line."""
    from turnwise.cli.runtime import prepare

    prepare()
    from turnwise.cli.app import app

    app(prog_name="turnwise")
