"""`turnwise eval`: play a split with an agent, and print the claim that comes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from turnwise.cli.arguments import EnvArgs, settings
from turnwise.errors import DataError
from turnwise.records import Trajectory, read_jsonl, write_jsonl

if TYPE_CHECKING:
    from turnwise.agents.teams.team import Team
    from turnwise.cli.agents import Request
    from turnwise.envs.base import TurnEnv
    from turnwise.evaluation.runner import Claim
    from turnwise.evaluation.score import Score


def evaluate_command(
    environment: Annotated[
        str, typer.Argument(help="Its name, such as webshop; `turnwise envs` lists them.")
    ],
    agent: Annotated[
        str,
        typer.Option(
            "--agent",
            "-a",
            help="expert, random, always:ACTION, replay:FILE, openai:MODEL@URL, or a model's directory or hub id.",
        ),
    ] = "expert",
    split: Annotated[str, typer.Option(help="The split to play.")] = "test",
    tasks: Annotated[
        int | None, typer.Option(help="How many of its tasks, drawn by --seed; all when left out.")
    ] = None,
    attempts: Annotated[
        int, typer.Option(help="Episodes of each task; more than one gives pass@k.")
    ] = 1,
    seed: Annotated[
        int, typer.Option(help="Seeds the choice of tasks, every episode and the intervals.")
    ] = 0,
    prompt: Annotated[
        str | None,
        typer.Option(help="Its name; else the one the model was trained with, or the usual one."),
    ] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0)] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of one reply.")] = 256,
    max_turns: Annotated[
        int | None, typer.Option(min=1, help="Turn limit; the environment's own when left out.")
    ] = None,
    env_arg: EnvArgs = [],  # noqa: B006  (typer copies it)
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the score here.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the trajectories here (JSON lines).")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="A score (JSON) to compare with, task by task.")
    ] = None,
    chat_template: Annotated[
        Path | None, typer.Option(help="A Jinja file in place of the tokenizer's template.")
    ] = None,
    tokenizer: Annotated[
        str, typer.Option(help="For an endpoint: exchange token ids, not chat messages.")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option(help="auto (as saved), float32, bfloat16, float16.")
    ] = "auto",
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes played at once.")] = 64,
) -> None:
    """Measure an agent on a split.

    [bold]turnwise eval webshop --agent expert --split test[/] [bold]turnwise eval webshop --agent
    runs/quickstart/model --tasks 200 --json score.json --save played.jsonl[/] [bold]turnwise eval
    webshop --agent Qwen/Qwen3-0.6B --attempts 4 --temperature 0.7[/] [bold]turnwise eval webshop
    --agent openai:my-model@http://localhost:8000/v1 --tasks 50[/] [bold]turnwise eval webshop -e
    catalogue=data/webshop -e reward=fixed --agent expert[/]

    The score holds everything that was measured and under which conditions; errors are reported
    apart and count nowhere.
    """
    from turnwise.agents.engines.base import Sampling
    from turnwise.agents.teams.team import TeamEnv
    from turnwise.cli.agents import SCRIPTED, Request
    from turnwise.envs.registry import env_spec, make
    from turnwise.evaluation import score as scores
    from turnwise.evaluation.runner import Claim

    given, chosen = (
        settings(env_arg) if env_arg else _trained_in(agent, environment),
        env_spec(environment),
    )
    env, cast = make(environment, **given), _trained_team(agent)
    if cast is not None:
        env = TeamEnv(env, cast.orchestration)
    sampling = Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed)
    told = prompt or _trained_prompt(agent, env) or chosen.prompt
    request = Request(
        agent,
        told,
        sampling,
        tokenizer,
        str(chat_template or ""),
        device,
        dtype,
        slots=concurrency,
        team=cast,
    )
    limit = max_turns or chosen.max_turns * (
        len(cast.orchestration.roles) if cast is not None else 1
    )
    options: dict[str, Any] = {
        "split": split, "tasks": tasks, "attempts": attempts, "seed": seed, "max_turns": limit,
        "concurrency": concurrency, "progress": True,
    }  # fmt: skip
    if attempts > 1 and temperature == 0.0 and agent not in SCRIPTED:
        _note("greedy attempts at one task are all alike; set --temperature to learn from them")
    before = scores.read(baseline) if baseline is not None else None
    if before is not None:
        scores.check_comparable(before, chosen.id, env.data_hash, split)
    try:
        score, played, same = asyncio.run(
            _measure(env, Claim(chosen.id, given, agent), request, options)
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            "interrupted: no score was written; one over part of the tasks would be another claim"
        ) from stop
    _show(Console(highlight=False), score, same, before)
    _write(score, json_file, played, save)


def _note(sentence: str) -> None:
    Console(stderr=True).print(f"note: {sentence}", markup=False, highlight=False, soft_wrap=True)


def _trained_in(agent: str, environment: str) -> dict[str, Any]:
    """The settings of the environment that a model inside a run folder was trained in; none for
    models from elsewhere.
    """
    config = Path(agent).parent / "config.json"
    if not Path(agent).is_dir() or not config.is_file():
        return {}
    env = json.loads(config.read_text(encoding="utf8")).get("env", {})
    options = dict(env.get("options", {})) if env.get("name") == environment else {}
    if options:
        told = " ".join(f"{name}={value}" for name, value in options.items())
        _note(
            f"playing with the settings this model was trained with ({told}); --env-arg says otherwise"
        )
    return options


def _trained_team(agent: str) -> Team | None:
    """The team whose models the run folder holds; None for a single agent and for models from
    elsewhere.
    """
    config = Path(agent).parent / "config.json"
    if not Path(agent).is_dir() or not config.is_file():
        return None
    from turnwise.agents.teams import make_team

    section = json.loads(config.read_text(encoding="utf8")).get("team", {})
    return (
        make_team(section["name"], section["style"], **section["options"])
        if section.get("name")
        else None
    )


def _trained_prompt(agent: str, env: TurnEnv[Any]) -> str:
    """The prompt that the run folder of a model names; empty for models from elsewhere. A small
    model knows no other.
    """
    facts = Path(agent).parent / "facts.json"
    if not Path(agent).is_dir() or not facts.is_file():
        return ""
    found = json.loads(facts.read_text(encoding="utf8"))
    if found.get("data_hash") != env.data_hash:
        _note(
            "this model was trained on other data or settings than these; give those of its run with --env-arg"
        )
    return str(found.get("prompt", ""))


async def _measure(
    env: TurnEnv[Any], claim: Claim, request: Request, options: dict[str, Any]
) -> tuple[Score, list[Trajectory], str]:  # fmt: skip
    """The score, what was played, and for a replay whether it happened again."""
    from turnwise.agents.scripted import ReplayAgent
    from turnwise.cli.agents import opened
    from turnwise.evaluation.runner import compare_replays
    from turnwise.evaluation.runner import evaluation

    async with opened(request) as agent:
        if isinstance(agent, ReplayAgent):
            options["episodes"] = agent.episodes()
        score, played = await evaluation(env.spawn, agent, claim=claim, **options)
        if not isinstance(agent, ReplayAgent):
            return score, played, ""
        recorded = read_jsonl(request.spec.partition(":")[2])
        return score, played, str(compare_replays(recorded, played))


def _show(console: Console, score: Score, same: str, before: Score | None) -> None:
    from turnwise.evaluation.score import compare
    from turnwise.evaluation.tables import percent, signed, table

    console.print(table(score))
    if same:
        console.print(same, soft_wrap=True)
    if before is None:
        return
    for what in ("success", "score"):
        gain, earlier = compare(before, score, what), getattr(before.metrics, what)
        verdict = "excludes zero" if gain.excludes_zero else "holds zero"
        line = f"{what} was {percent(earlier)}; paired difference {signed(gain)} over {gain.n} shared tasks, the interval {verdict}"
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
