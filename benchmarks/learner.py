"""Tokens per second of training: our packed learner, a padded one, and TRL's on the same rows.

    python benchmarks/learner.py [--rows 128] [--rounds 3] [--layers 4 --hidden 192] [--bf16]

Each learner takes one GRPO step over the same rows (demonstrations in the compact WebShop, random
advantages) with a copy of the same model and AdamW, in turns, in one process on one thread. Only
real tokens are counted, not padding; time is the process's CPU time, which other programs disturb
least. The padded learner does what most trainers do: 8 rows at a time in their order, padded to the
longest, logits of every token; `sorted` sorts them by length first. TRL is measured where it is
installed (the loss of its GRPOTrainer, 8 rows at a time). Prints ratios.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from turnwise.agents.scripted import Demonstrator
from turnwise.algorithms import Batch, recipe
from turnwise.envs.registry import make, make_prompt
from turnwise.records import Row, rows
from turnwise.training.config import Optimiser, Tiny
from turnwise.training.learner import Learner
from turnwise.training.model import texts_of, tiny_model, tiny_tokenizer
from turnwise.training.sft import demonstrations

MICRO = 8
"""Rows of a padded micro-batch."""


def made_rows(number: int, settings: Tiny) -> tuple[Any, list[Row]]:
    """Return a tokenizer, and rows with an advantage per trajectory and weights that sum to one."""
    env = make("webshop", style="compact", products=1000, reward="fixed")
    prompt = make_prompt("webshop/act@1")
    tasks = env.tasks("train")
    tokenizer = tiny_tokenizer(texts_of(env.spawn, prompt, tasks[:200], "train", 15), settings)
    shown = demonstrations(
        env.spawn, Demonstrator(tokenizer, prompt, noise=0.2), tasks, number, "train", 15
    )
    rng = np.random.default_rng(0)
    total = sum(len(turn.completion_ids) for t in shown for turn in t.turns)
    made: list[Row] = []
    for t in shown:
        lengths = [len(turn.completion_ids) for turn in t.turns]
        value = float(rng.normal())
        streams = {
            "advantage": [[value] * n for n in lengths],
            "weight": [[1 / total] * n for n in lengths],
        }
        made += rows(t, streams)
    return tokenizer, made


class Padded:
    """Rows padded to the longest of their micro-batch, logits of all tokens."""

    def __init__(self, model: Any, by_length: bool, autocast: bool) -> None:
        self.model, self.by_length, self.autocast = model.train(), by_length, autocast
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
        self.recipe = recipe("grpo")

    def step(self, batch: Sequence[Row]) -> None:
        order = sorted(batch, key=lambda row: len(row.ids)) if self.by_length else list(batch)
        for start in range(0, len(order), MICRO):
            ids, attention, keep = padded(order[start : start + MICRO])
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
                logits = self.model(input_ids=ids, attention_mask=attention).logits[:, :-1].float()
            every = torch.log_softmax(logits, -1).gather(2, ids[:, 1:, None])[..., 0]
            streams = {
                name: torch.tensor(
                    np.concatenate([r.streams[name][r.mask] for r in order[start : start + MICRO]]),
                    dtype=torch.float32,
                )
                for name in ("advantage", "weight")
            }
            logp = every[keep]
            number = torch.zeros_like(logp, dtype=torch.int64)
            self.recipe.loss(Batch(logp, logp.detach(), logp.detach(), number, number, streams))[
                0
            ].backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()


def padded(batch: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return [B, L] ids and attention mask, and [B, L - 1] True before policy tokens."""
    longest = max(len(row.ids) for row in batch)
    ids, mask = (
        np.zeros((len(batch), longest), dtype=np.int64),
        np.zeros((len(batch), longest), dtype=np.int64),
    )
    keep = np.zeros((len(batch), longest), dtype=np.bool_)
    for k, row in enumerate(batch):
        ids[k, : len(row.ids)], mask[k, : len(row.ids)], keep[k, : len(row.ids)] = (
            row.ids,
            1,
            row.mask,
        )
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(keep[:, 1:])


class Trl:
    """GRPOTrainer's loss on rows divided into prompt and completion, with its tool mask."""

    def __init__(self, model: Any, tokenizer: Any, autocast: bool, number: int) -> None:
        from datasets import Dataset
        from trl import GRPOConfig, GRPOTrainer

        self.directory = tempfile.TemporaryDirectory()
        settings = GRPOConfig(
            output_dir=self.directory.name, per_device_train_batch_size=MICRO,
            num_generations=MICRO, use_cpu=True, bf16=autocast,
            report_to=[], learning_rate=1e-5, gradient_accumulation_steps=max(1, number // MICRO),
            beta=0.0,
            gradient_checkpointing=False,
        )  # fmt: skip
        self.trainer: Any = GRPOTrainer(
            model=model, reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=settings, processing_class=tokenizer,
            train_dataset=Dataset.from_list([{"prompt": "a"}] * MICRO),
        )  # fmt: skip
        self.trainer.create_optimizer()
        self.trainer.current_gradient_accumulation_steps = settings.gradient_accumulation_steps
        self.trainer.model.train()

    def step(self, batch: Sequence[Row]) -> None:
        total = torch.tensor(float(sum(int(row.mask.sum()) for row in batch)))
        for start in range(0, len(batch), MICRO):
            inputs = {**trl_inputs(batch[start : start + MICRO]), "num_items_in_batch": total}
            with self.trainer.compute_loss_context_manager():
                loss = self.trainer.compute_loss(self.trainer.model, inputs)
            self.trainer.accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.trainer.model.parameters(), 1.0)
        self.trainer.optimizer.step()
        self.trainer.model.zero_grad()


def trl_inputs(batch: Sequence[Row]) -> dict[str, torch.Tensor]:
    """Pad prompts on the left and completions on the right, as GRPOTrainer does."""
    cuts = [int(np.flatnonzero(row.mask)[0]) for row in batch]
    before, after = max(cuts), max(len(row.ids) - cut for row, cut in zip(batch, cuts, strict=True))
    prompt_ids, prompt_mask = np.zeros((2, len(batch), before), dtype=np.int64)
    ids, mask, tools = np.zeros((3, len(batch), after), dtype=np.int64)
    for k, (row, cut) in enumerate(zip(batch, cuts, strict=True)):
        prompt_ids[k, before - cut :], prompt_mask[k, before - cut :] = row.ids[:cut], 1
        length = len(row.ids) - cut
        ids[k, :length], mask[k, :length], tools[k, :length] = row.ids[cut:], 1, row.mask[cut:]
    arrays = {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": ids,
        "completion_mask": mask,
        "tool_mask": tools,
    }
    advantages = torch.tensor(
        [row.streams["advantage"][row.mask][0] for row in batch], dtype=torch.float32
    )
    return {
        **{name: torch.from_numpy(array) for name, array in arrays.items()},
        "advantages": advantages,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (
        ("rows", 128),
        ("rounds", 3),
        ("layers", 4),
        ("hidden", 192),
        ("intermediate", 512),
        ("heads", 3),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--bf16", action="store_true", help="matrix products in bfloat16, for every learner"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    settings = Tiny(
        hidden=asked.hidden,
        layers=asked.layers,
        intermediate=asked.intermediate,
        heads=asked.heads,
        kv_heads=1,
        lowercase=True,
    )
    tokenizer, batch = made_rows(asked.rows, settings)
    model, tokens = tiny_model(settings, tokenizer), sum(len(row.ids) for row in batch)
    ours = Learner(copy.deepcopy(model), Optimiser(lr=1e-5), autocast=asked.bf16)
    grpo = recipe("grpo")
    learners: dict[str, Callable[[], object]] = {
        "turnwise, packed": lambda: ours.update(batch, grpo)
    }
    for name, by_length in (("padded", False), ("padded, sorted", True)):
        learner = Padded(copy.deepcopy(model), by_length, asked.bf16)
        learners[name] = lambda learner=learner: learner.step(batch)  # type: ignore[misc]
    if importlib.util.find_spec("trl") and importlib.util.find_spec("datasets"):
        theirs = Trl(copy.deepcopy(model), tokenizer, asked.bf16, len(batch))
        learners["TRL"] = lambda: theirs.step(batch)
    else:
        print("trl and datasets are not installed here: TRL is left out")
    report(learners, tokens, asked.rounds, batch, model)


def report(
    learners: dict[str, Callable[[], object]],
    tokens: int,
    rounds: int,
    batch: Sequence[Row],
    model: Any,
) -> None:
    """Run the learners in turns, and print the median time of each."""
    spent: dict[str, list[float]] = {name: [] for name in learners}
    for number in range(rounds + 1):
        for name, step in learners.items():
            began = time.process_time()
            step()
            if number:  # the first round warms up
                spent[name].append(time.process_time() - began)
    policy = sum(int(row.mask.sum()) for row in batch)
    size = sum(p.numel() for p in model.parameters())
    print(
        f"{len(batch)} rows, {tokens} tokens ({policy} of the policy), {size / 1e6:.1f}M weights, "
        f"CPU seconds, median of {rounds}"
    )
    ours = float(np.median(spent["turnwise, packed"]))
    for name, seconds in spent.items():
        took = float(np.median(seconds))
        print(
            f"  {name:18s} {took:7.2f} s  {tokens / took:8.0f} tokens/s   "
            f"ours is {took / ours:.2f} x as fast"
        )


if __name__ == "__main__":
    main()
