"""Settings for every test: no deadlines, since a busy machine is no defect."""

import signal

from hypothesis import settings

settings.register_profile("turnwise", deadline=None)
settings.load_profile("turnwise")


def pytest_configure() -> None:
    """Let Ctrl-C work in tests that were started in the background.

    A shell without job control starts background processes with SIGINT ignored, and whatever they
    start inherits that: the tests that interrupt a program would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
