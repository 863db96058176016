"""TRL's GRPOTrainer on the same work, for benchmarks/rollout.py. Not run by itself.

TRL expects a model that calls tools. A tiny model has no tool-call format, so two checks of the
chat template are patched to pass, and a whole reply is the argument of the one tool, `act`. That
spares TRL its own parsing; it is also spared gradient checkpointing, its default. Its environments
cannot end an episode: a page that says so ends it here, one short generation late. The last act of
an episode at the turn limit is generated but not played.
"""

from __future__ import annotations

import copy
import time
from typing import Any

from turnwise.envs.prompt import Step

EPISODE_OVER = "the episode is over"
MICRO_BATCH_ROWS = 16


def trl_step(work: Any, group: int) -> dict[str, Any]:
    """Run one step of GRPOTrainer; return the fields of `Cost`."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = copy.deepcopy(work.tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "message['role']", "('user' if message['role'] == 'tool' else message['role'])"
    )
    _patch_template_checks(tokenizer)
    episodes = work.episodes[::group]
    first = work.prompt.messages([Step("", {"instruction": ""})])
    data = Dataset.from_list(
        [{"prompt": first, "task": e.task, "split": e.split, "seed": e.seed} for e in episodes]
    )
    settings = GRPOConfig(
        output_dir="unused", per_device_train_batch_size=MICRO_BATCH_ROWS,
        gradient_accumulation_steps=max(1, len(work.episodes) // MICRO_BATCH_ROWS),
        num_generations=group, temperature=1.0, beta=0.0, max_steps=1,
        max_completion_length=work.model.config.max_position_embeddings,
        max_tool_calling_iterations=work.max_turns - 1,
        generation_kwargs={"max_new_tokens": work.max_tokens}, use_cpu=True, bf16=False,
        gradient_checkpointing=False, report_to=[], save_strategy="no", logging_strategy="no",
        disable_tqdm=True,
    )  # fmt: skip
    trainer: Any = GRPOTrainer(
        model=copy.deepcopy(work.model), args=settings, train_dataset=data,
        processing_class=tokenizer, reward_funcs=[], environment_factory=_environment(work),
    )  # fmt: skip
    seen: dict[str, float] = {}
    generate = trainer._generate

    def measured(prompts: Any) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        out = generate(prompts)
        seen.update(
            cpu=time.process_time() - cpu,
            wall=time.perf_counter() - wall,
            tokens=sum(sum(mask) for mask in out[2]),
        )
        return out

    class Clock(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            seen.update(begin_cpu=time.process_time(), begin_wall=time.perf_counter())

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            seen.update(
                step_cpu=time.process_time() - seen["begin_cpu"],
                step_wall=time.perf_counter() - seen["begin_wall"],
            )

    trainer._generate = measured
    trainer.add_callback(Clock())
    trainer.train()
    turns = sum(environment.acts for environment in trainer.environments) + len(work.episodes)
    return {
        "tokens": int(seen["tokens"]), "turns": turns, "episodes": len(work.episodes),
        "cpu": seen["cpu"], "wall": seen["wall"], "train_cpu": seen["step_cpu"] - seen["cpu"],
        "train_wall": seen["step_wall"] - seen["wall"],
    }  # fmt: skip


def _patch_template_checks(tokenizer: Any) -> None:
    from trl.trainer import grpo_trainer as module

    def whole_reply(_: Any, ids: Any, prefix: Any = None, tools: Any = None) -> dict[str, Any]:
        text = tokenizer.decode(ids, skip_special_tokens=True)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if EPISODE_OVER not in tokenizer.decode(list(prefix or [])[-32:]):
            message["tool_calls"] = [
                {"type": "function", "function": {"name": "act", "arguments": {"action": text}}}
            ]
        return message

    tokenizer.response_template = "whole reply"
    module.supports_tool_calling = lambda _: True
    module.is_chat_template_prefix_preserving = lambda _: True
    module.parse_response = whole_reply


def _environment(work: Any) -> Any:
    """Return the class from which TRL makes its environments."""

    class Shop:
        """The environment in TRL's protocol: `reset`, tools, `get_reward`."""

        def __init__(self) -> None:
            self._env, self._history, self._reward, self.acts = work.make_env(), [], 0.0, 0

        def reset(self, task: Any, split: str, seed: int, **_: Any) -> str:
            observation, info = self._env.reset(seed=seed, options={"task": task, "split": split})
            self._history, self._reward, self.acts = [Step(observation, info)], 0.0, 0
            return str(work.prompt.messages(self._history)[-1]["content"])

        def act(self, action: str) -> str:
            """Do something in the shop.

            Args:
                action: what to do.

            Returns:
                The next page.
            """
            self.acts += 1
            done = work.prompt.parse(action).text
            last = self._history[-1]
            self._history[-1] = Step(last.observation, last.info, action, done)
            observation, reward, terminated, truncated, info = self._env.step(done)
            self._reward += reward
            self._history.append(Step(observation, info))
            page = str(work.prompt.messages(self._history)[-1]["content"])
            return f"{page} {EPISODE_OVER}" if terminated or truncated else page

        def get_reward(self) -> float:
            return self._reward

    return Shop
