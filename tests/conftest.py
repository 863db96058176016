"""Settings for every test: no deadlines, since a busy machine is no defect."""

from hypothesis import settings

settings.register_profile("turnwise", deadline=None)
settings.load_profile("turnwise")
