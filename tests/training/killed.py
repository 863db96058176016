"""Run a config in a process that kills itself at a given point. Started by the tests of resuming.

    python killed.py CONFIG.json POINT NUMBER

At the NUMBERth time that POINT is reached the process sends itself SIGKILL, so that nothing of it
can tidy up.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def deadly(function: Callable[..., Any], number: int, afterwards: bool) -> Callable[..., Any]:
    """Wrap a function to kill the process at its `number`th call, before or after it is done."""
    calls = [0]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == number and not afterwards:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


def main() -> None:
    from turnwise.training import checkpoint, loop
    from turnwise.training import sft as warm_start
    from turnwise.training.config import parse_config
    from turnwise.training.gradient import Gradient
    from turnwise.training.run_folder import RunFolder

    config, point, number = (
        parse_config(json.loads(Path(sys.argv[1]).read_text())),
        sys.argv[2],
        int(sys.argv[3]),
    )
    owner, name, afterwards = {
        "warm start": (warm_start, "_normalised", False),
        "rollouts": (loop, "collect", True),
        "update": (Gradient, "_loss", True),
        "metrics": (RunFolder, "log", True),
        "inside a checkpoint": (checkpoint, "_random_state", False),
        "before the rename": (Path, "rename", False),
        "after the rename": (Path, "rename", True),
        "evaluation": (loop, "evaluate_split", False),
    }[point]
    setattr(owner, name, deadly(getattr(owner, name), number, afterwards))
    loop.train(config)
    print("not killed")


if __name__ == "__main__":
    main()
