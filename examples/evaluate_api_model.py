"""Evaluate a model behind an OpenAI-compatible server, such as vLLM's.

    vllm serve Qwen/Qwen3-4B
    python evaluate_api_model.py Qwen/Qwen3-4B --env webshop --tasks 50

The key, where the server needs one, is read from OPENAI_API_KEY.
"""

import argparse

import turnwise
from turnwise.records import write_jsonl


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate a model behind an API.")
    parser.add_argument("model", help="the model's name on the server")
    parser.add_argument("--url", default="http://localhost:8000/v1", help="where the API begins")
    parser.add_argument("--env", default="webshop", help="a name that `turnwise envs` lists")
    parser.add_argument("--prompt", default="", help="the environment's own by default")
    parser.add_argument("--tasks", type=int, default=20, help="how many tasks of the test split")
    parser.add_argument("--max-tokens", type=int, default=512, help="most tokens of one reply")
    parser.add_argument("--save", default="", help="write the trajectories here (JSON lines)")
    args = parser.parse_args()

    score, trajectories = turnwise.evaluate(
        args.env, f"openai:{args.model}@{args.url}", tasks=args.tasks, prompt=args.prompt,
        max_tokens=args.max_tokens,
    )  # fmt: skip
    metrics = score.metrics
    print(f"{args.model} on {score.environment}, split {score.split}, prompt {score.prompt}")
    print(f"success {metrics.success} over {metrics.tasks} tasks, 95 % interval")
    print(f"score   {metrics.score}")
    print(f"{metrics.turns:.1f} turns an episode, {metrics.invalid_actions:.0%} of them invalid")
    print(f"{metrics.errors} errored episodes {dict(metrics.error_messages) or ''}".rstrip())

    first = trajectories[0]
    print(f"\nTask {first.task}, {first.stop_reason}, score {first.score:.2f}:")
    for turn in first.turns:
        print(f"  {turn.observation[:100]!r}\n  -> {turn.action}")
    if args.save:
        write_jsonl(args.save, trajectories)
        print(f"\n{len(trajectories)} trajectories written to {args.save}")


if __name__ == "__main__":
    main()
