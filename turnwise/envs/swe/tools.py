"""Tools for working in a repository: view, search, edit, bash, submit; and what they return.

A call is a JSON object, in the form that models are trained to write:

    {"name": "edit", "arguments": {"path": "pocketkit/text.py", "old": "width +", "new": "width -"}}

A transcript must be the same when it is replayed. What varies from run to run is therefore
normalised: durations printed by test runners, and addresses in object names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnwise.envs.swe.editor import EditError, numbered, replace_once
from turnwise.envs.swe.workplace import (
    MAX_COMMAND_CHARS,
    CommandRun,
    Effect,
    Effects,
    FileWritten,
    Workplace,
)
from turnwise.sandbox.contract import Result

DURATION = re.compile(r"\b(in|after) \d+\.\d+ ?s(econds)?\b(?: \(\d+:\d\d:\d\d\))?")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}(?=[>,)\s])")
ENDINGS = {
    "timeout": "stopped after {seconds:g} s; the shell was restarted in /work",
    "memory": "killed: it used more memory than it may; the shell was restarted in /work",
    "output": "killed: it wrote more than it may; the shell was restarted in /work",
    "died": "the shell ended; it was restarted in /work",
    "exception": "the command raised",
}


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """Output of a command as the agent sees it."""

    text: str
    """Exit code (or how the command ended), then the output."""
    output: str
    """The output alone, clipped."""
    exit_code: int | None
    clipped: bool


def normalise(text: str) -> str:
    """Replace durations and addresses in `text`.

    `in 0.12s` becomes `in 0.00s`, and `<X at 0x7f03>` becomes `<X at 0x0>`.
    """
    return ADDRESS.sub(" at 0x0", DURATION.sub(r"\1 0.00s", text))


def clip(text: str, limit: int) -> tuple[str, bool]:
    """Return at most `limit` characters of `text`, cut in the middle, and whether it was cut."""
    if len(text) <= limit:
        return text, False
    head, tail = text[: limit - limit // 2], text[len(text) - limit // 2 :]
    return f"{head}\n[{len(text) - limit} characters left out]\n{tail}", True


def describe_result(result: Result, limit: int, seconds: float) -> CommandOutput:
    """Format the result of a command for the agent.

    Args:
        limit: characters of output to keep.
        seconds: the time limit, named if the command exceeded it.
    """
    written = (result.late + result.stdout + result.stderr).rstrip("\n")
    output, clipped = clip(normalise(written), limit)
    if result.error == "none":
        head = f"exit code {result.exit_code}"
    else:
        head = ENDINGS[result.error].format(seconds=seconds)
    return CommandOutput(
        f"{head}\n{output}" if output else head,
        output,
        result.exit_code,
        clipped or result.truncated,
    )


MAX_LISTED_ENTRIES, MAX_SEARCH_LINES = 200, 100
"""Entries of a directory, and lines of a search, that are shown."""


@dataclass(frozen=True, slots=True)
class ToolParameter:
    """One argument of a tool; `kind` is `string` or `integer`."""

    name: str
    kind: str
    about: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it is described to a model."""

    name: str
    about: str
    parameters: tuple[ToolParameter, ...] = ()


TOOLS = (
    Tool(
        "view",
        "Show a file with line numbers, or list the files of a directory.",
        (
            ToolParameter("path", "string", "Relative to the repository."),
            ToolParameter("first", "integer", "First line to show.", needed=False),
            ToolParameter("last", "integer", "Last line to show.", needed=False),
        ),
    ),
    Tool(
        "search",
        "Find the lines that match an extended regular expression.",
        (
            ToolParameter("pattern", "string", "As grep -E takes it."),
            ToolParameter(
                "path",
                "string",
                "A file or a directory; the whole repository when left out.",
                needed=False,
            ),
        ),
    ),
    Tool(
        "edit",
        "Replace a piece of a file that stands in it exactly once; with an empty `old`, make a "
        "new file.",
        (
            ToolParameter("path", "string", "Relative to the repository."),
            ToolParameter("old", "string", "What stands there, blanks and line breaks included."),
            ToolParameter("new", "string", "What shall stand there."),
        ),
    ),
    Tool(
        "bash",
        "Run a command in a shell that keeps its directory and its variables.",
        (ToolParameter("command", "string", "The command."),),
    ),
    Tool("submit", "Say that the repair is done. It is graded and the episode ends."),
)
_BY_NAME = {tool.name: tool for tool in TOOLS}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call with valid arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ActionResult:
    """Result of an action."""

    text: str
    output: str = ""
    exit_code: int | None = None
    effect: Effect | None = None
    """The change the action made, or may have made."""
    valid: bool = True
    submit: bool = False
    seconds: float = 0.0
    tags: tuple[str, ...] = ()


def refused(why: str) -> ActionResult:
    """Return the result of an invalid action, which changed nothing."""
    return ActionResult(f"error: {why}", valid=False)


def write_call(name: str, **arguments: Any) -> str:
    """Return a call as JSON text."""
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def read_call(text: str) -> ToolCall | str:
    """Parse a call; return it, or a sentence that says why the text is not a valid call."""
    try:
        call = json.loads(text)
    except (ValueError, RecursionError):
        return 'an action is one JSON object, {"name": …, "arguments": {…}}'
    if (
        not isinstance(call, dict)
        or not isinstance(call.get("name"), str)
        or not call.keys() <= {"name", "arguments"}
    ):
        return 'an action is one JSON object, {"name": …, "arguments": {…}}'
    name, arguments = call["name"], call.get("arguments", {})
    if name not in _BY_NAME:
        return f"there is no tool {name!r}; there are {', '.join(_BY_NAME)}"
    if not isinstance(arguments, dict):
        return f"the arguments of {name} are an object"
    known = {parameter.name: parameter for parameter in _BY_NAME[name].parameters}
    for key, value in arguments.items():
        if key not in known:
            return f"{name} has no argument {key!r}; it has {', '.join(known) or 'none'}"
        if type(value) is not (int if known[key].kind == "integer" else str):
            return f"the argument {key!r} of {name} is a {known[key].kind}"
    lacking = [key for key, parameter in known.items() if parameter.needed and key not in arguments]
    return f"{name} needs the argument {lacking[0]!r}" if lacking else ToolCall(name, arguments)


def templates() -> list[str]:
    """Return a call of each tool with placeholders for its required arguments."""
    blanks = {t.name: {p.name: f"<{p.name}>" for p in t.parameters if p.needed} for t in TOOLS}
    return [write_call(name, **arguments) for name, arguments in blanks.items()]


class Toolbox:
    """The tools, bound to a workplace.

    Args:
        workplace: the sandbox they act in.
        limit: characters of output shown.
        seconds: wall-clock limit of one command, as reported to the agent.
    """

    def __init__(self, workplace: Workplace, limit: int, seconds: float) -> None:
        self._workplace, self._limit, self._seconds = workplace, limit, seconds

    def use(self, call: ToolCall, before: Effects) -> ActionResult:
        """Execute a call after the effects `before`. Raises as `Workplace` does."""
        if call.name == "submit":
            return ActionResult("", submit=True)
        result = getattr(self, f"_{call.name}")(before, **call.arguments)
        assert isinstance(result, ActionResult)
        return result

    def bash(self, before: Effects, command: str) -> ActionResult:
        """Run a command in the shell and return its output."""
        if not command.strip() or "\0" in command or len(command) > MAX_COMMAND_CHARS:
            return refused(
                f"a command is not empty, holds no NUL and is shorter than {MAX_COMMAND_CHARS} "
                "characters"
            )
        try:
            command.encode()
        except UnicodeEncodeError:
            return refused("a command is text, and this one holds half a character")
        result = self._workplace.run(before, command)
        seen = describe_result(result, self._limit, self._seconds)
        tags = (f"ended={result.error}",) * (result.error != "none") + ("clipped",) * seen.clipped
        known = seen.text, seen.output, seen.exit_code, CommandRun(command)
        return ActionResult(*known, seconds=result.seconds, tags=tags)

    _bash = bash

    def _view(self, before: Effects, path: str, first: int = 1, last: int = 0) -> ActionResult:
        path = _relative(path)
        data = self._workplace.read(before, path) if path else None
        if data is None:
            return self._list(before, path)
        text = data.decode("utf8", "replace")
        count = len(text.splitlines())
        if not 1 <= first <= max(count, 1) or (last and last < first):
            return refused(f"{path} has {count} lines")
        return self._shown(numbered(text, first, last or count) or f"{path} is empty")

    def _list(self, before: Effects, path: str) -> ActionResult:
        prefix = f"{path}/" if path else ""
        inside = [name for name in self._workplace.files(before) if name.startswith(prefix)]
        if not inside:
            return refused(f"there is no file or directory {path!r}")
        hidden = len(inside) - MAX_LISTED_ENTRIES
        more = f"\n[{hidden} more]" if hidden > 0 else ""
        return self._shown("\n".join(inside[:MAX_LISTED_ENTRIES]) + more)

    def _search(self, before: Effects, pattern: str, path: str = "") -> ActionResult:
        path = _relative(path)
        prefix = f"{path}/" if path else ""
        names = [
            name
            for name in self._workplace.files(before)
            if name == path or name.startswith(prefix)
        ]
        if not names:
            return refused(f"there is no file or directory {path!r}")
        if "\0" in pattern or "\n" in pattern:
            return refused("a pattern is one line")
        command = ["xargs", "-0", "grep", "-nHIE", "-e", pattern, "--"]
        result = self._workplace.program(before, command, "\0".join(names))
        output = (result.stdout + result.stderr).strip("\n")
        # grep exits with 1 if nothing matches and with 2 for a bad pattern; xargs turns both into
        # 123, so only the output tells them apart.
        if result.error != "none" or (result.stderr and not result.stdout):
            return refused(output or f"the search ended with {result.error}")
        lines = output.splitlines()
        if not lines:
            return self._shown("no line matches")
        hidden = len(lines) - MAX_SEARCH_LINES
        more = f"\n[{hidden} more lines]" if hidden > 0 else ""
        return self._shown("\n".join(lines[:MAX_SEARCH_LINES]) + more)

    def _edit(self, before: Effects, path: str, old: str, new: str) -> ActionResult:
        path = _relative(path)
        try:
            data = self._workplace.read(before, path) if path else None
            if not old and data is not None:
                return refused(
                    f"{path} exists; give the piece of it that is to be replaced as `old`"
                )
            if old and data is None:
                return refused(f"there is no file {path!r}")
            made = (
                replace_once(data.decode("utf8"), old, new).encode()
                if data is not None
                else new.encode()
            )
            self._workplace.write(before, path, made)
        except UnicodeError:
            return refused(f"{path} is not UTF-8 text, or the new text is none")
        except EditError as why:
            return refused(str(why))
        except ValueError as why:
            return refused(f"{path} cannot be written: {why}")
        return ActionResult(
            f"{path} is changed" if old else f"{path} is made", effect=FileWritten(path, made)
        )

    def _shown(self, text: str) -> ActionResult:
        text, clipped = clip(text, self._limit)
        return ActionResult(text, text, tags=("clipped",) * clipped)


def _relative(path: str) -> str:
    """Return a path as the sandbox lists it: without `/work/`, leading `./` or trailing slash."""
    path = path.removeprefix("/work/") if path != "/work" else ""
    while path.startswith("./"):
        path = path[2:]
    return "" if path == "." else path.rstrip("/")
