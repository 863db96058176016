"""Settings for every test: no deadlines, since a busy machine is no defect."""

import signal
import sys
from collections.abc import Iterator

import gymnasium
import pytest
from hypothesis import settings

from turnwise import plugins
from turnwise.envs import registry

settings.register_profile("turnwise", deadline=None)
settings.load_profile("turnwise")


def pytest_configure() -> None:
    """Let Ctrl-C work in tests that were started in the background.

    A shell without job control starts background processes with SIGINT ignored, and whatever they
    start inherits that: the tests that interrupt a program would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


REGISTRIES = (
    ("turnwise.envs.registry", "PROMPTS"),
    ("turnwise.algorithms.registry", "RECIPES"),
    ("turnwise.agents.engines.registry", "ENGINES"),
    ("turnwise.agents.teams", "TEAMS"),
    ("turnwise.training.tracking", "TRACKERS"),
)


@pytest.fixture(autouse=True)
def own_registrations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget what a test registered, and the modules it wrote and imported, so that no test
    depends on those that ran before it.
    """
    modules, folder = set(sys.modules), str(tmp_path_factory.getbasetemp())
    specs, ids = dict(registry._specs), dict(gymnasium.registry)
    named = set(plugins.named_packages)
    loaded = [getattr(sys.modules.get(module), name, None) for module, name in REGISTRIES]
    kept = [(found, dict(found.registered)) for found in loaded if found is not None]
    yield
    for known, before in [
        (registry._specs, specs), (gymnasium.registry, ids),
        *((found.registered, names) for found, names in kept),
    ]:  # fmt: skip
        for name in known.keys() - before.keys():
            del known[name]
    plugins.named_packages &= named
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
            del sys.modules[name]
