"""A stranger's path: the built wheel in a fresh venv, without the repository.

What is his own is used twice: by import path, from a file in his directory, and by name, through
the entry points of a package that he installed.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("accelerate")

ENTRY_POINTS = """
[turnwise.envs]
stranger/Digit-v0 = stranger_package:Guess
stranger/Echo-v0 = stranger_package:ECHO
[turnwise.prompts]
stranger/short@1 = stranger_package:short
[turnwise.algorithms]
stranger_grpo = stranger_package:stranger_grpo
[turnwise.engines]
stranger_engine = stranger_package:fixed
"""

RECIPE = '''

def stranger_grpo():
    """GRPO under another name."""
    import dataclasses

    return dataclasses.replace(turnwise.recipe("grpo"), name="stranger_grpo")


ECHO = turnwise.EnvSpec("stranger/Echo-v0", "stranger_package:wrapped", max_turns=1)
'''

TRAIN = """
[run]
name = "{name}"
[env]
name = "{env}"
[prompt]
name = "{prompt}"
[model.tiny]
vocab = 300
hidden = 32
layers = 1
heads = 2
kv_heads = 1
head_dim = 16
intermediate = 32
texts = 4
[warm_start]
episodes = 4
[algorithm]
name = "{recipe}"
[rollout]
tasks = 2
group_size = 2
max_tokens = 4
[train]
steps = 2
[eval]
split = "held_out"
dev_split = "held_out"
tasks = 2
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git would check out."""
    out = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if find_spec("hatchling") is not None else []
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *isolation, "-w", out, ROOT]
    subprocess.run([str(part) for part in command], check=True)
    return next(out.glob("turnwise-*.whl"))


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a venv in which the wheel is installed, and the stranger's file."""
    home = tmp_path_factory.mktemp("home")
    subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
    python = home / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run([str(part) for part in install], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home / "venv")}))
    # What turnwise depends on comes from the environment of the tests; .pth files there, such as
    # that of an editable install of this repository, are not followed.
    theirs = [sysconfig.get_path("purelib"), *site.getsitepackages()]
    (packages / "theirs.pth").write_text("\n".join(dict.fromkeys(theirs)) + "\n")
    source = (ROOT / "tests/cli/own_things.py").read_text(encoding="utf8") + RECIPE
    (home / "my_things.py").write_text(source, encoding="utf8")
    (packages / "stranger_package.py").write_text(source, encoding="utf8")
    info = packages / "stranger_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return home


def run(home: Path, *arguments: object, **more: object) -> str:
    """Run `turnwise` in the stranger's directory; return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(home / "venv" / "bin" / "turnwise"), *map(str, arguments)],
        cwd=home, capture_output=True, text=True, check=False,
        env={**environment, "COLUMNS": "200"}, **more,  # type: ignore[call-overload]
    )  # fmt: skip
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return str(done.stdout)


def test_the_wheel_is_what_runs(home: Path) -> None:
    program = "import turnwise; print(turnwise.__file__, turnwise.__version__)"
    python = home / "venv" / "bin" / "python"
    shown = subprocess.run(
        [str(python), "-I", "-c", program], cwd=home, capture_output=True, text=True, check=True
    ).stdout
    assert str(home / "venv") in shown and str(ROOT) not in shown


def test_packaged_configs(home: Path) -> None:
    assert "quickstart" in run(home, "configs")
    assert run(home, "configs", "quickstart") == (ROOT / "configs/quickstart.toml").read_text()


@pytest.mark.parametrize("env", ["my_things:Guess", "stranger/Digit-v0", "digit"])
def test_an_environment(home: Path, env: str) -> None:
    assert "100.0" in run(home, "eval", env)
    assert "Guess the digit." in run(home, "envs", env)
    (home / "moves.txt").write_text("hint\n5\n")  # the fifth action is 4
    assert "success, score 1.000 in 1 turns" in run(
        home, "play", env, "--task", 4, "--script", home / "moves.txt"
    )
    assert "score 1.000" in run(home, "play", env, "--task", 4, input="5\n")


@pytest.mark.parametrize("env", ["my_things:wrapped", "echo"])
def test_a_text_environment_of_gymnasium(home: Path, env: str) -> None:
    assert "random on" in run(home, "eval", env, "--agent", "random")
    (home / "word.txt").write_text("red\n")
    assert "in 1 turns" in run(home, "play", env, "--script", home / "word.txt")


@pytest.mark.parametrize(
    ("name", "env", "prompt", "recipe", "engine"),
    [
        (
            "path",
            "my_things:Guess",
            "my_things:short",
            "my_things:stranger_grpo",
            "my_things:fixed",
        ),
        ("entry", "digit", "stranger/short@1", "stranger_grpo", "stranger_engine"),
    ],
)
def test_training_and_an_engine(
    home: Path, name: str, env: str, prompt: str, recipe: str, engine: str
) -> None:
    text = TRAIN.format(name=name, env=env, prompt=prompt, recipe=recipe)
    (home / f"{name}.toml").write_text(text)
    run(home, "train", f"{name}.toml")
    folder = home / "runs" / name
    assert (folder / "report.html").is_file() and (folder / "after.json").is_file()
    shown = run(
        home, "eval", env, "--agent", folder / "model", "--prompt", prompt,
        "--engine", engine, "--engine-arg", "text=8",
    )  # fmt: skip
    assert "50.0" in shown and "own/short@1" in shown
    assert "own/short@1" in run(home, "eval", env, "--agent", folder / "model", "--max-tokens", 4)
