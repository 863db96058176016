"""Messages to token ids, incrementally, without tokenising any model output again.

A chat template renders whole conversations. Rendering the whole conversation at every turn would
tokenise the model's replies anew, and the learner would train on tokens that the engine never
sampled. A `Dialogue` therefore keeps the ids it has. When the messages extend the earlier ones, it
renders them with a mark in place of the last reply and tokenises only the text after the mark: the
end of the model's turn, the new messages, and the beginning of its next turn. This holds for
templates that add a default system prompt, trim contents, or render a message differently once
another follows it. When the messages do not extend the earlier ones (a windowed prompt), everything
is rendered, which begins a new row.

`thinking` decides what happens to thoughts in earlier turns:

* `keep`: earlier replies stay as they were sampled, whatever the template would do; an append-only
  prompt is one row.
* `strip`: `<think>…</think>` is removed from earlier replies; the turn after a thought begins a new
  row.
* `template`: the template decides; where it changes any earlier text, a new row begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from turnwise.envs.prompt import Message, Prompt, SelfEnding, Templated
from turnwise.errors import ConfigError

Thinking: TypeAlias = Literal["keep", "strip", "template"]
REPLY_MARK = "ReplyStandsHere"
THOUGHT = re.compile(r"<think>.*?(?:</think>\s*|\Z)|\A(?:(?!<think>).)*?</think>\s*", re.DOTALL)


class Renderer:
    """Renders messages with a tokenizer's chat template. Stateless, and shared by all episodes.

    Args:
        tokenizer: a transformers tokenizer.
        thinking: treatment of thoughts in earlier replies, see above.
        template: a Jinja chat template or the path of one, in place of the tokenizer's own.
        template_options: further variables of the template, such as `{"enable_thinking": False}`.
        stop_ids: tokens that end a turn; taken from the template and the tokenizer by default.

    Raises:
        ConfigError: without a chat template, for an unknown `thinking`, or when no token ends a
            turn.
    """

    def __init__(
        self,
        tokenizer: Any,
        thinking: Thinking = "keep",
        template: str | Path | None = None,
        template_options: Mapping[str, Any] | None = None,
        stop_ids: Sequence[int] | None = None,
    ) -> None:
        if thinking not in get_args(Thinking):
            choices = ", ".join(get_args(Thinking))
            raise ConfigError(f"unknown thinking={thinking!r}: choose one of {choices}")
        self.tokenizer = tokenizer
        self.thinking: Thinking = thinking
        self._name = str(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)
        self._template = _template(tokenizer, template, self._name)
        self._options = dict(template_options or {})
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        self._fold_system = self._rejects_system()
        self.end_of_turn, self.stop_ids = self._find_stops(stop_ids)
        """Ids that end a turn; `end_of_turn` is the one the template writes after a reply."""
        self._stops = frozenset(self.stop_ids)
        self._token_texts: dict[int, str] = {}

    @classmethod
    def of(
        cls,
        tokenizer: Any,
        prompt: Prompt,
        thinking: Thinking = "keep",
        template: str | Path | None = None,
    ) -> Renderer:
        """Return a renderer for `prompt`, with the prompt's own template where it brings one.

        Raises:
            ConfigError: when such a prompt is given another `template`; and as `Renderer`.
        """
        if not isinstance(prompt, Templated):
            return cls(tokenizer, thinking, template)
        if template is not None:
            raise ConfigError(
                f"the prompt {prompt.name} has a format of its own and uses no chat template: "
                "leave out chat_template"
            )
        return cls(tokenizer, thinking, prompt.template)

    def dialogue(self) -> Dialogue:
        """Return the incremental rendering of a new episode."""
        return Dialogue(self)

    def prepare(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages as they are rendered.

        Thoughts are stripped where asked for, and a system message is merged into the first user
        message where the template has no system role.
        """
        prepared = list(messages)
        if self.thinking == "strip":
            prepared = [
                {"role": m["role"], "content": THOUGHT.sub("", m["content"])}
                if m["role"] == "assistant"
                else m
                for m in prepared
            ]
        if self._fold_system and len(prepared) > 1 and prepared[0]["role"] == "system":
            joined = f"{prepared[0]['content']}\n\n{prepared[1]['content']}"
            prepared[:2] = [{"role": prepared[1]["role"], "content": joined}]
        return prepared

    def text(self, messages: Sequence[Message], generation_prompt: bool = True) -> str:
        """Return the template's text, up to where the next reply begins with `generation_prompt`.

        Raises:
            ConfigError: when the template refuses the messages.
        """
        try:
            text = self.tokenizer.apply_chat_template(
                list(messages), chat_template=self._template, tokenize=False,
                add_generation_prompt=generation_prompt, **self._options,
            )  # fmt: skip
            return str(text)
        except Exception as problem:
            raise ConfigError(
                f"the chat template of {self._name} refuses these messages ({problem}): "
                "choose another prompt, or give a file with another template as `chat_template`"
            ) from problem

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text that spells out its special tokens; none are added."""
        if self._backend is not None:
            return list(self._backend.encode(text, add_special_tokens=False).ids)
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a completion, without special tokens."""
        if self._backend is not None:
            return str(self._backend.decode(list(ids), skip_special_tokens=True))
        text = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(text)

    def completion(self, reply: str) -> tuple[int, ...]:
        """Return the tokens of `reply` with an end of turn, as a model would produce them."""
        return (*self.encode(reply), self.end_of_turn)

    def ends(self, prompt: SelfEnding, ids: Sequence[int]) -> bool:
        """Return whether a self-ending reply is complete after its last id."""
        last = ids[-1]
        if last not in self._token_texts:
            self._token_texts[last] = self.decode([last])
        text = self._token_texts[last]
        # Called after every token: the whole reply is decoded only after one that can end it.
        return any(sign in text for sign in prompt.endings) and prompt.ended(self.decode(ids))

    def reply_length(self, prompt: Prompt, ids: Sequence[int]) -> int:
        """Return how many of `ids` belong to the reply.

        That is up to the first id after which a self-ending reply is complete, as an engine with
        `stop_when` would have stopped; otherwise all of them.
        """
        if not isinstance(prompt, SelfEnding):
            return len(ids)
        return next((k for k in range(1, len(ids) + 1) if self.ends(prompt, ids[:k])), len(ids))

    def after_reply(self, messages: Sequence[Message], index: int) -> str:
        """Return the template's text after the content of the assistant message at `index`."""
        mark = REPLY_MARK
        while any(mark in message["content"] for message in messages):
            mark += "X"
        marked: Message = {"role": "assistant", "content": mark}
        text = self.text([*messages[:index], marked, *messages[index + 1 :]])
        _, found, after = text.partition(mark)
        if not found or mark in after:
            raise ConfigError(
                f"the chat template of {self._name} does not contain a reply exactly once: give a "
                "file with another template as `chat_template`"
            )
        return after

    def tail(self, completion_ids: Sequence[int], text: str) -> list[int]:
        """Return the ids of the text after a completion, without repeating its end of turn."""
        ids = self.encode(text)
        # A reply cut at its token limit has no end of turn yet, and gets the template's.
        if ids and completion_ids and completion_ids[-1] == ids[0] and ids[0] in self._stops:
            del ids[0]
        return ids

    def _rejects_system(self) -> bool:
        user: Message = {"role": "user", "content": "u"}
        self.text([user])  # a template that refuses even this raises here
        try:
            self.text([{"role": "system", "content": "s"}, user])
        except ConfigError:
            return True
        return False

    def _find_stops(self, stop_ids: Sequence[int] | None) -> tuple[int, tuple[int, ...]]:
        dialogue: list[Message] = [
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": REPLY_MARK},
        ]
        after = self.encode(self.text(dialogue, generation_prompt=False).rpartition(REPLY_MARK)[2])
        added = getattr(self.tokenizer, "added_tokens_decoder", {})
        special = {*self.tokenizer.all_special_ids, *added}
        # A template may end replies with plain text, which is no token to stop at.
        found = [after[0]] if after and after[0] in special else []
        eos = self.tokenizer.eos_token_id
        if eos is not None and eos not in found:
            found.append(int(eos))
        stops = tuple(stop_ids) if stop_ids is not None else tuple(found)
        if not stops:
            raise ConfigError(
                f"the tokenizer {self._name} has no end-of-sequence token and its chat template "
                "ends a reply with none: give the ids that end a turn as stop_ids"
            )
        return next((i for i in found if i in stops), stops[0]), stops


class Dialogue:
    """Tokens of one episode as it grows."""

    __slots__ = ("_completion", "_ids", "_messages", "_renderer", "_reply")

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._messages: list[Message] = []
        self._ids: tuple[int, ...] = ()
        self._completion: tuple[int, ...] = ()
        self._reply: str | None = None

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return the token ids of the prompt for the next reply."""
        prepared = self._renderer.prepare(messages)
        new = self._new_text(prepared)
        if new is None:
            ids = tuple(self._renderer.encode(self._renderer.text(prepared)))
        else:
            ids = (*self._ids, *self._renderer.tail(self._completion, new))
        self._messages, self._ids, self._reply = prepared, ids, None
        return ids

    def add(self, completion_ids: Sequence[int]) -> str:
        """Append what the engine produced; return its text without the end of turn."""
        self._completion = tuple(completion_ids)
        self._ids += self._completion
        self._reply = self._renderer.decode(self._completion)
        return self._reply

    def resume(
        self, messages: Sequence[Message], prompt_ids: Sequence[int], completion_ids: Sequence[int]
    ) -> None:
        """Take over the state of another dialogue after it answered `messages`."""
        self._messages, self._ids = self._renderer.prepare(messages), tuple(prompt_ids)
        self.add(completion_ids)

    def _new_text(self, messages: list[Message]) -> str | None:
        """Return the text after the last reply, or None if it cannot simply be appended."""
        index = len(self._messages)
        if self._reply is None or len(messages) <= index or messages[:index] != self._messages:
            return None
        if messages[index] != {"role": "assistant", "content": self._reply}:
            return None
        if self._renderer.thinking != "template":
            return self._renderer.after_reply(messages, index)
        # Here the template may rewrite earlier text, so both renderings are compared as wholes.
        before, now = self._renderer.text(self._messages), self._renderer.text(messages)
        reply, rest = self._reply.strip(), now[len(before) :]
        if reply:  # templates trim what stands around a reply
            rest = rest.lstrip()
        return rest[len(reply) :] if now.startswith(before) and rest.startswith(reply) else None


def _template(tokenizer: Any, template: str | Path | None, name: str) -> str | None:
    if template is not None and (isinstance(template, Path) or "{" not in template):
        file = Path(template)
        if not file.is_file():
            raise ConfigError(
                f"the chat template file {file} does not exist: give the path of a Jinja file"
            )
        return file.read_text(encoding="utf8")
    if template is None and not getattr(tokenizer, "chat_template", None):
        raise ConfigError(
            f"the tokenizer {name} has no chat template: give a Jinja file with one as "
            "`chat_template`, or use an instruction-tuned model"
        )
    return None if template is None else str(template)
