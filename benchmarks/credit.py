"""CPU time of the credit plane, as a share of the update that follows it, for every recipe.

    OMP_NUM_THREADS=1 python benchmarks/credit.py                     # 30 turns, 4,096 tokens
    OMP_NUM_THREADS=1 python benchmarks/credit.py --turns 15,30,60    # how it grows with turns
    OMP_NUM_THREADS=1 python benchmarks/credit.py --json FILE

The trajectories are random (with 200 states, so that SALT and GiGPO find shared ones). The update
is one pass of the learner, forward and backward, over `--sample` of the trajectories, extrapolated
to all; a larger model only makes it longer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from turnwise.algorithms import Streams, recipe, recipe_names  # noqa: E402
from turnwise.records import Group, Trajectory, Turn, rows  # noqa: E402

VOCAB, SIZE = 1024, 8


def batch(trajectories: int, turns: int, tokens: int, seed: int = 0) -> list[Group]:
    """Generate groups of eight, with equally long turns. Half of the tokens are the policy's."""
    rng = np.random.default_rng(seed)
    own = tokens // turns // 2
    made = []
    for g in range(trajectories // SIZE):
        episodes = []
        for i in range(SIZE):
            acts: list[Turn] = []
            prompt: tuple[int, ...] = ()
            states = rng.integers(200, size=turns + 1)
            for k in range(turns):
                prompt = prompt + tuple(rng.integers(VOCAB, size=own).tolist())
                written = tuple(rng.integers(VOCAB, size=own).tolist())
                logprobs = tuple(rng.normal(-1, 0.1, own).tolist())
                entropies = tuple(rng.uniform(0, 3, own).tolist())
                acts.append(
                    Turn(
                        agent="solver" if k % 2 else "checker",
                        prompt_ids=prompt,
                        completion_ids=written,
                        logprobs=logprobs,
                        entropies=entropies,
                        observation="",
                        completion="",
                        action=f"a{rng.integers(5)}",
                        valid=True,
                        rewards={"env": float(rng.integers(2)) if k == turns - 1 else 0.0},
                        state=f"s{states[k]}",
                        next_state=f"s{states[k + 1]}",
                    )
                )
                prompt = prompt + written
            episodes.append(
                Trajectory(
                    g, f"g{g}", f"g{g}t{i}", tuple(acts), bool(rng.integers(2)), 0.0, "terminated"
                )
            )
        made.append(Group(g, f"g{g}", tuple(episodes)))
    return made


def precomputed_streams(groups: list[Group]) -> Streams:
    """Return the streams that a trainer would compute before the credit plane."""
    found: Streams = {}
    for t in (t for g in groups for t in g.trajectories):
        own = [np.asarray(turn.logprobs) for turn in t.turns]
        found[t.uid] = dict.fromkeys(("value", "old_logp", "ref_logp"), own)
    return found


def credit_seconds(name: str, groups: list[Group], repeats: int = 3) -> float:
    """Return the shortest CPU time of the credit plane in `repeats` runs."""
    made, known, spent = recipe(name), precomputed_streams(groups), []
    for _ in range(repeats):
        begin = time.process_time()
        made.credit(groups, None, known)
        spent.append(time.process_time() - begin)
    return min(spent)


def update_seconds(groups: list[Group], sample: int) -> float:
    """Return the CPU time of a GRPO update over all groups, from `sample` trajectories."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from turnwise.training.config import Optimiser
    from turnwise.training.learner import Learner

    torch.set_num_threads(1)
    config = Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=64,
        tie_word_embeddings=True,
        max_position_embeddings=8192,
    )
    learner = Learner(
        Qwen3ForCausalLM(config), Optimiser(micro_tokens=4096, skip_zero_advantage=False)
    )
    part = groups[: max(1, sample // SIZE)]
    made = recipe("grpo")
    streams = made.credit(part)
    chosen = [t for g in part for t in g.trajectories][:sample]
    laid = [row for t in chosen for row in rows(t, streams[t.uid])]
    begin = time.process_time()
    learner.update(laid, made)
    return (time.process_time() - begin) * sum(len(g.trajectories) for g in groups) / len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trajectories", type=int, default=512)
    parser.add_argument("--turns", default="30", help="one number, or several with commas")
    parser.add_argument("--tokens", type=int, default=4096, help="of a trajectory")
    parser.add_argument(
        "--sample", type=int, default=2, help="trajectories the update is measured on, once"
    )
    parser.add_argument("--recipes", default="", help="names with commas; all by default")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    names = asked.recipes.split(",") if asked.recipes else [n for n in recipe_names() if n != "sft"]
    figures: dict[str, dict[str, float]] = {}
    whole = 0.0
    for turns in map(int, asked.turns.split(",")):
        groups = batch(asked.trajectories, turns, asked.tokens)
        whole = whole or update_seconds(groups, asked.sample)
        print(
            f"{asked.trajectories} trajectories of {turns} turns and {asked.tokens} tokens; "
            f"update {whole:.1f} s"
        )
        for name in names:
            spent = credit_seconds(name, groups)
            figures.setdefault(name, {})[str(turns)] = spent
            print(
                f"  {name:14s} {1e3 * spent:8.0f} ms   {100 * spent / whole:6.2f} % of the update"
            )
    figures["update"] = {"all": whole}
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
