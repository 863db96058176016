"""Prompts made of text templates, built in or loaded from a TOML file (`file:my_prompt.toml`).

A score depends on the words of its prompt, and the words of published prompts are their authors':
put yours, or theirs, in a file. The fields are named as in the verl-agent codebase, so that
its templates can be pasted:

    name = "verl-agent/webshop-original"   # recorded with every score
    answers = "webshop/verl-agent@1"       # the prompt whose format of replies is asked for
    first = \"\"\"… {task_description} … {current_observation} … {available_actions} …\"\"\"
    later = \"\"\"… {step_count} … {history_length} … {action_history} … {current_step} …\"\"\"
    system = ""                            # a system message, when not empty
    style = "windowed"                     # one message, rebuilt each turn; or "dialogue"
    history = 2                            # earlier turns that `action_history` shows
    max_chars = 13000                      # a longer message is written with `first`; 0: no limit

`later` is used from the second turn on. Fields: `task_description`; `observation` (the page);
`current_observation` (what follows the instruction, each segment in quotes); `available_actions`
(one in quotes a line, each with a comma, for WebShop's templates); `admissible_actions` (one in
quotes a line, without `help`, for ALFWorld's); `step_count`, `current_step`, `history_length`,
`action_history`. A literal brace is written twice.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from turnwise.envs.prompt import Action, Message, Prompt, Step
from turnwise.errors import ConfigError, unknown

SEPARATOR = " [SEP] "
FIELDS = (
    "task_description", "observation", "current_observation", "available_actions",
    "admissible_actions", "step_count", "current_step", "history_length", "action_history",
)  # fmt: skip
STYLES = ("windowed", "dialogue")


def task_of(history: Sequence[Step]) -> str:
    """Return the instruction as the first page shows it, else that of `info`."""
    parts = history[0].observation.split(SEPARATOR)
    if len(parts) > 2 and parts[1] == "Instruction:":
        return parts[2]
    return str(history[0].info.get("instruction", ""))


def quoted(observation: str, task: str) -> str:
    """Return the segments after the instruction, each in quotes.

    The whole page where the instruction is no segment of it.
    """
    parts = observation.split(SEPARATOR)
    if task not in parts:
        return observation
    return SEPARATOR.join(f"'{part}'" for part in parts[parts.index(task) + 1 :])


def listed(step: Step) -> str:
    """Return the admissible actions, quoted, one a line.

    From `clickables` where there are any, which adds `click[search]`.
    """
    clickables = step.info.get("clickables")
    actions = list(step.info.get("admissible") or [])
    if clickables is not None:
        actions = ["search[<your query>]"] * ("search" in clickables) + [
            f"click[{name}]" for name in clickables
        ]
    return "\n".join(f"'{action}'," for action in actions)


def quoted_lines(step: Step) -> str:
    """Return the admissible actions but `help`, quoted, one a line."""
    return "\n".join(
        f"'{action}'" for action in step.info.get("admissible") or [] if action != "help"
    )


@dataclass(frozen=True, slots=True)
class TemplatePrompt:
    """A prompt made of templates with the fields of the module's docstring.

    `answers` parses and writes the replies.
    """

    name: str
    answers: Prompt
    first: str
    later: str = ""
    system: str = ""
    style: str = "windowed"
    history: int = 2
    max_chars: int = 13_000

    def messages(self, history: Sequence[Step]) -> list[Message]:
        messages: list[Message] = (
            [{"role": "system", "content": self.system}] if self.system else []
        )
        if self.style == "windowed":
            return [*messages, {"role": "user", "content": self.text(history)}]
        for k, step in enumerate(history):
            messages.append({"role": "user", "content": self.text(history[: k + 1])})
            if step.reply is not None:
                messages.append({"role": "assistant", "content": step.reply})
        return messages

    def text(self, history: Sequence[Step]) -> str:
        """Return the message that shows the last step of `history`."""
        values = self._values(history)
        if len(history) == 1 or not self.later:
            return self.first.format_map(values)
        text = self.later.format_map(values)
        too_long = self.max_chars and len(text) > self.max_chars
        return self.first.format_map(values) if too_long else text

    def parse(self, text: str) -> Action:
        return self.answers.parse(text)

    def reply(self, action: str, thought: str = "") -> str:
        return self.answers.reply(action, thought)

    def _values(self, history: Sequence[Step]) -> dict[str, Any]:
        task, done = task_of(history), len(history) - 1
        shown = range(max(0, done - self.history), done)
        lines = [
            f"[Observation {k + 1}: '{quoted(history[k].observation, task)}', "
            f"Action {k + 1}: '{history[k].action}']"
            for k in shown
        ]
        return {
            "task_description": task,
            "observation": history[-1].observation,
            "current_observation": quoted(history[-1].observation, task),
            "available_actions": listed(history[-1]),
            "admissible_actions": quoted_lines(history[-1]),
            "step_count": done,
            "current_step": done + 1,
            "history_length": len(shown),
            "action_history": "\n".join(lines),
        }


def load_prompt(path: str | Path, known: Callable[[str], Prompt]) -> TemplatePrompt:
    """Load a prompt from a TOML file.

    Args:
        known: makes the prompt that `answers` names.

    Raises:
        ConfigError: for a file that is absent or not TOML, an unknown or missing key, a value of
            another type, or an unknown field in a template.
    """
    file = Path(path)
    try:
        data = tomllib.loads(file.read_text(encoding="utf8"))
    except FileNotFoundError:
        raise ConfigError(
            f"the prompt file {file} does not exist: give the path of a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"the prompt file {file} is not TOML ({problem})") from problem
    keys: dict[str, type] = {
        f.name: int if f.name in ("history", "max_chars") else str for f in fields(TemplatePrompt)
    }
    for key, value in data.items():
        if key not in keys:
            raise unknown("key", key, keys, str(file))
        if type(value) is not keys[key]:
            raise ConfigError(
                f"{key} = {value!r} in {file} is not {'a number' if keys[key] is int else 'text'}"
            )
    for key in ("name", "answers", "first"):
        if not data.get(key):
            raise ConfigError(f"the prompt file {file} lacks {key!r}: add a line {key} = …")
    if data.get("style", "windowed") not in STYLES:
        raise unknown("style", data["style"], STYLES, str(file))
    for key in ("first", "later"):
        _check_fields(data.get(key, ""), f"{key} of {file}")
    return TemplatePrompt(**{**data, "answers": known(data["answers"])})


def _check_fields(template: str, where: str) -> None:
    try:
        found = [
            (name, form, conversion)
            for _, name, form, conversion in string.Formatter().parse(template)
            if name is not None
        ]
    except ValueError as problem:
        raise ConfigError(
            f"the template {where} has a stray brace ({problem}): double a literal brace"
        ) from problem
    for name, form, conversion in found:
        if name not in FIELDS or form or conversion:
            raise unknown("field", f"{name}{':' + form if form else ''}", FIELDS, where)
