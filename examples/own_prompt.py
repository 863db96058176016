"""A prompt of your own: how a model sees an environment, and how its reply is read.

    python own_prompt.py                                            # print an episode as messages
    turnwise eval search --prompt own_prompt:terse --agent MODEL    # use it

A score depends on the words of its prompt, so a prompt has a name and a version. Raise the version
when you change it.
"""

import argparse
import re
from collections.abc import Sequence

import turnwise
from turnwise.envs.dialogue_prompts import DialoguePrompt
from turnwise.envs.prompt import Action, Message, Step


def terse() -> DialoguePrompt:
    """A growing dialogue, from the class that most prompts of the package use."""
    return DialoguePrompt("own/terse@1", "Reply with one action and nothing else.")


class LatestOnly:
    """A windowed prompt: one message, rebuilt each turn from the latest observation."""

    name = "own/latest-only@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        now = history[-1]
        done = [str(step.action) for step in history[:-1]]
        lines = [
            f"Task: {now.info['instruction']}",
            f"Observation: {now.observation}",
            f"Done: {', '.join(done) or 'nothing'}",
            f"Possible: {', '.join(now.info['admissible'])}",
            "Reply with <action>…</action>.",
        ]
        return [{"role": "user", "content": "\n".join(lines)}]

    def parse(self, text: str) -> Action:
        found = re.search(r"<action>(.*?)</action>", text, re.DOTALL)
        if found is None:
            return Action("", valid=False, reason="the reply has no <action>")
        return Action(found[1].strip(), valid=True)

    def reply(self, action: str, thought: str = "") -> str:
        return f"{thought}<action>{action}</action>"


def main() -> None:
    parser = argparse.ArgumentParser(description="Print an episode as a prompt shows it.")
    parser.add_argument("prompt", nargs="?", choices=["terse", "LatestOnly"], default="terse")
    parser.add_argument("--env", default="search", help="an environment with an expert")
    parser.add_argument("--turns", type=int, default=3, help="how many to print")
    args = parser.parse_args()
    prompt = terse() if args.prompt == "terse" else LatestOnly()

    env = turnwise.make(args.env)
    observation, info = env.reset(seed=0)
    history: list[Step] = []
    over = False
    while not over and len(history) < args.turns:
        history.append(Step(observation, info))
        action = str(env.expert_action())
        reply = prompt.reply(action)
        print(f"--- turn {len(history)}")
        for message in prompt.messages(history):
            print(f"{message['role']}: {message['content']}")
        print(f"the expert's reply: {reply}\nread as {prompt.parse(reply)}")
        history[-1] = Step(observation, info, reply, action)
        observation, _, over, _, info = env.step(action)


if __name__ == "__main__":
    main()
