"""`turnwise eval`: play a split with an agent, and print the claim that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from turnwise.cli.arguments import EnvArgs, settings
from turnwise.errors import DataError
from turnwise.records import Trajectory, read_jsonl, write_jsonl

if TYPE_CHECKING:
    from turnwise.cli.agents import Request
    from turnwise.evaluation.score import Score


def evaluate_command(
    environment: Annotated[str, typer.Argument(help="Its name, such as webshop; `turnwise envs` lists them.")],
    agent: Annotated[
        str, typer.Option("--agent", "-a", help="expert, random, replay:FILE, openai:MODEL@URL, or a model's directory or hub id.")
    ] = "expert",
    split: Annotated[str, typer.Option(help="The split to play.")] = "test",
    tasks: Annotated[int | None, typer.Option(help="How many of its tasks, drawn by --seed; all when left out.")] = None,
    attempts: Annotated[int, typer.Option(help="Episodes of each task; more than one gives pass@k.")] = 1,
    seed: Annotated[int, typer.Option(help="Seeds the choice of tasks, every episode and the intervals.")] = 0,
    prompt: Annotated[str | None, typer.Option(help="Name of the prompt; the environment's own when left out.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0)] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of one reply.")] = 256,
    max_turns: Annotated[int | None, typer.Option(min=1, help="Turn limit; the environment's own when left out.")] = None,
    env_arg: EnvArgs = [],  # noqa: B006  (typer copies it)
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the score here.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the trajectories here (JSON lines).")] = None,
    baseline: Annotated[Path | None, typer.Option(help="A score (JSON) to compare with, task by task.")] = None,
    chat_template: Annotated[Path | None, typer.Option(help="A Jinja file in place of the tokenizer's template.")] = None,
    tokenizer: Annotated[str, typer.Option(help="For an endpoint: exchange token ids, not chat messages.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto (as saved), float32, bfloat16, float16.")] = "auto",
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes played at once.")] = 64,
) -> None:
    """Measure an agent on a split.

    [bold]turnwise eval webshop --agent expert --split test[/]
    [bold]turnwise eval webshop --agent runs/quickstart/final --tasks 200 --json score.json --save played.jsonl[/]
    [bold]turnwise eval webshop --agent Qwen/Qwen3-0.6B --attempts 4 --temperature 0.7[/]
    [bold]turnwise eval webshop --agent openai:my-model@http://localhost:8000/v1 --tasks 50[/]
    [bold]turnwise eval webshop -e catalogue=data/webshop -e reward=fixed --agent expert[/]

    The score holds everything that was measured and under which conditions; errors are reported apart and count nowhere.
    """
    from turnwise.agents.engine import Sampling
    from turnwise.cli.agents import Request
    from turnwise.envs.registration import card, make

    given, chosen = settings(env_arg), card(environment)
    env = make(environment, **given)
    request = Request(
        agent, prompt or chosen.prompt, Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed),
        tokenizer, str(chat_template or ""), device, dtype, slots=concurrency,
    )  # fmt: skip
    options: dict[str, Any] = {
        "split": split, "tasks": tasks, "attempts": attempts, "seed": seed, "max_turns": max_turns or chosen.max_turns,
        "concurrency": concurrency, "progress": True,
    }  # fmt: skip
    console = Console(highlight=False)
    if attempts > 1 and temperature == 0.0 and agent not in ("expert", "random"):
        Console(stderr=True).print("note: greedy attempts at one task are all alike; set --temperature to learn from them")
    try:
        _run(console, env, chosen.id, given, request, options, json_file, save, baseline)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            "interrupted: no score was written, since one over part of the tasks would be another claim"
        ) from stop


def _run(
    console: Console, env: Any, name: str, given: dict[str, Any], request: Request, options: dict[str, Any],
    json_file: Path | None, save: Path | None, baseline: Path | None,
) -> None:  # fmt: skip
    from turnwise.evaluation import score as scores
    from turnwise.evaluation.table import percent, table

    before = scores.read(baseline) if baseline is not None else None
    score, played, same = asyncio.run(_measure(env, name, given, request, options))
    console.print(table(score))
    if same:
        console.print(same, soft_wrap=True)
    if before is not None:
        for what in ("success", "score"):
            gain = scores.compare(before, score, what)
            verdict = "excludes zero" if gain.excludes_zero else "holds zero"
            console.print(
                f"{what} against {baseline}: {percent(gain)} over {gain.n} shared tasks, the interval {verdict}", soft_wrap=True
            )
    if json_file is not None:
        scores.write(json_file, score)
        console.print(f"score written to {json_file}", soft_wrap=True)
    if save is not None:
        _save(save, played)
        console.print(f"{len(played)} trajectories written to {save}", soft_wrap=True)


async def _measure(
    env: Any, name: str, given: dict[str, Any], request: Request, options: dict[str, Any]
) -> tuple[Score, list[Trajectory], str]:  # fmt: skip
    """The score, what was played, and for a replay whether it happened again."""
    from turnwise.agents.scripted import ReplayAgent
    from turnwise.cli.agents import opened
    from turnwise.evaluation.evaluate import Claim, evaluation
    from turnwise.evaluation.replay import compare_replays

    async with opened(request) as agent:
        if isinstance(agent, ReplayAgent):
            options["episodes"] = agent.episodes()
        score, played = await evaluation(env.spawn, agent, claim=Claim(name, given, request.spec), **options)
        if not isinstance(agent, ReplayAgent):
            return score, played, ""
        recorded = read_jsonl(request.spec.partition(":")[2])
        return score, played, str(compare_replays(recorded, played))


def _save(path: Path, played: Sequence[Trajectory]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(path, played)
    except OSError as problem:
        raise DataError(f"cannot write the trajectories to {path}: {problem.strerror}") from problem
