"""`turnwise eval`: play a split with an agent and print its score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from turnwise.cli.arguments import ENV_HELP, EnvArgs, Imports, import_modules, option, settings
from turnwise.errors import DataError
from turnwise.records import Trajectory, read_jsonl, write_jsonl

if TYPE_CHECKING:
    from turnwise.evaluation.score import Score

AGENT_HELP = (
    "expert, random, always:ACTION, replay:FILE, openai:MODEL@URL, module:attribute, or a model's "
    "directory or hub id."
)
PROMPT_HELP = (
    "A name, module:factory or file:PROMPT.toml; by default the one the model was trained with, or "
    "the environment's."
)


def evaluate_command(
    environment: Annotated[str, typer.Argument(help=ENV_HELP)],
    agent: Annotated[str, option(AGENT_HELP, "--agent", "-a")] = "expert",
    split: Annotated[str, option("The environment's evaluation split by default.")] = "",
    tasks: Annotated[
        int | None, option("Number of tasks, drawn by --seed; all by default.")
    ] = None,
    attempts: Annotated[int, option("Episodes of each task; more than one gives pass@k.")] = 1,
    seed: Annotated[int, option("Seeds the tasks drawn, the episodes and the intervals.")] = 0,
    prompt: Annotated[str, option(PROMPT_HELP)] = "",
    temperature: Annotated[float, option("0 is greedy.", min=0.0)] = 0.0,
    top_p: Annotated[float, option("Nucleus sampling.", min=0.0, max=1.0)] = 1.0,
    max_tokens: Annotated[int, option("Maximum number of tokens in a reply.", min=1)] = 256,
    max_turns: Annotated[
        int | None, option("Turn limit; by default the environment's.", min=1)
    ] = None,
    env_arg: EnvArgs = [],  # noqa: B006  (typer copies it)
    imports: Imports = [],  # noqa: B006
    json_file: Annotated[Path | None, option("Write the score here.", "--json")] = None,
    save: Annotated[Path | None, option("Write the trajectories here (JSON lines).")] = None,
    baseline: Annotated[
        Path | None, option("An earlier score (JSON) to compare with task by task.")
    ] = None,
    engine: Annotated[
        str, option("What runs a local model: a name or module:factory.")
    ] = "transformers",
    engine_arg: Annotated[
        list[str], option("An option of the engine; repeatable.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006
    chat_template: Annotated[
        Path | None, option("A Jinja file in place of the tokenizer's template.")
    ] = None,
    tokenizer: Annotated[
        str,
        option("Tokenizer (directory or hub id) for an endpoint, which is then sent token ids."),
    ] = "",
    device: Annotated[str, option("auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, option("auto (as saved), float32, bfloat16, float16.")] = "auto",
    concurrency: Annotated[int, option("Episodes played at once.", min=1)] = 64,
) -> None:
    """Measure an agent on a split.

    [bold]turnwise eval webshop --agent expert[/]
    [bold]turnwise eval webshop --agent runs/quickstart/model --json score.json[/]
    [bold]turnwise eval webshop --agent Qwen/Qwen3-0.6B --attempts 4 --temperature 0.7[/]
    [bold]turnwise eval webshop --agent openai:qwen@http://localhost:8000/v1[/]
    [bold]turnwise eval webshop -e catalogue=data/webshop -e reward=fixed[/]
    [bold]turnwise eval my_envs:Guess --agent random[/]

    The score records what was measured and how. Errored episodes are counted apart.
    """
    from turnwise.evaluation import score as scores

    import_modules(imports)
    before = scores.read(baseline) if baseline is not None else None
    score, played = _measure(
        environment, agent, attempts, temperature,
        {
            "split": split, "tasks": tasks, "seed": seed, "prompt": prompt, "top_p": top_p,
            "max_tokens": max_tokens, "max_turns": max_turns, "env_options": settings(env_arg),
            "engine": engine, "engine_options": settings(engine_arg, "--engine-arg"),
            "chat_template": str(chat_template or ""), "tokenizer": tokenizer, "device": device,
            "dtype": dtype, "concurrency": concurrency, "baseline": before,
        },
    )  # fmt: skip
    _show(Console(highlight=False), score, _replayed(agent, played), before)
    _write(score, json_file, played, save)


def _measure(
    environment: str, agent: str, attempts: int, temperature: float, options: dict[str, Any]
) -> tuple[Score, list[Trajectory]]:
    from turnwise.agents.named import SCRIPTED
    from turnwise.evaluation.api import evaluate

    if attempts > 1 and temperature == 0.0 and agent not in SCRIPTED:
        _note("greedy attempts at a task are all the same; set --temperature above 0")
    try:
        return evaluate(
            environment, agent, attempts=attempts, temperature=temperature, progress=True,
            note=_note, **options,
        )  # fmt: skip
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            "interrupted: no score was written, since not all tasks were played"
        ) from stop


def _note(sentence: str) -> None:
    Console(stderr=True).print(f"note: {sentence}", markup=False, highlight=False, soft_wrap=True)


def _replayed(agent: str, played: Sequence[Trajectory]) -> str:
    """Return whether a replay gave the recorded observations; empty for other agents."""
    from turnwise.evaluation.runner import compare_replays

    kind, _, file = agent.partition(":")
    return str(compare_replays(read_jsonl(file), played)) if kind == "replay" else ""


def _show(console: Console, score: Score, replayed: str, before: Score | None) -> None:
    from turnwise.evaluation.score import compare
    from turnwise.evaluation.tables import percent, signed, table

    console.print(table(score))
    if replayed:
        console.print(replayed, soft_wrap=True)
    if before is None:
        return
    for what in ("success", "score"):
        gain, earlier = compare(before, score, what), getattr(before.metrics, what)
        verdict = "excludes zero" if gain.excludes_zero else "includes zero"
        line = (
            f"{what} was {percent(earlier)}; paired difference {signed(gain)} over {gain.n} shared "
            f"tasks, the interval {verdict}"
        )
        console.print(line, soft_wrap=True)


def _write(
    score: Score, json_file: Path | None, played: Sequence[Trajectory], save: Path | None
) -> None:
    from turnwise.evaluation.score import write

    if json_file is not None:
        write(json_file, score)
        typer.echo(f"score written to {json_file}")
    if save is not None:
        try:
            save.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(save, played)
        except OSError as problem:
            raise DataError(
                f"cannot write the trajectories to {save}: {problem.strerror}"
            ) from problem
        typer.echo(f"{len(played)} trajectories written to {save}")
