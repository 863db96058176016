"""Messages to token ids, incrementally: what the model produced is never tokenised again.

A chat template is written for whole conversations. Rendering the whole conversation each turn would
tokenise the model's own words anew, and the learner would then train on tokens the engine never
sampled. A `Dialogue` therefore keeps the ids it has. When the messages extend the earlier ones it
puts a mark where the last reply stands, renders, and tokenises only the text after the mark: the
end of the model's turn, the new messages, and the beginning of its next turn. Default system
prompts, trimmed contents and templates that render a message differently once another follows it do
not matter then. When the messages do not extend the earlier ones (a windowed prompt), all of it is
rendered, and that begins a new row.

What becomes of thinking in earlier turns is an explicit choice:

* `keep`: earlier replies stay as they were sampled, whatever the template would do; an append-only
  prompt is one row.
* `strip`: `<think>…</think>` is cut out of earlier replies; a turn after a thought begins a new
  row.
* `template`: the template decides; where it changes anything that was already there, a new row
  begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from turnwise.envs.prompt import Message, Prompt, SelfEnding, Templated
from turnwise.errors import ConfigError

Thinking: TypeAlias = Literal["keep", "strip", "template"]
MARK = "ReplyStandsHere"
THOUGHT = re.compile(r"<think>.*?(?:</think>\s*|\Z)|\A(?:(?!<think>).)*?</think>\s*", re.DOTALL)


class Renderer:
    """A tokenizer's chat template, ready to render episodes. Stateless; shared by all of them.

    Args:
        tokenizer: a transformers tokenizer.
        thinking: what becomes of thoughts in earlier replies, see above.
        template: a Jinja chat template, or the path of a file with one, in place of the tokenizer's
        own.
        template_options: further variables of the template, such as `{"enable_thinking": False}`.
        stop_ids: tokens that end a turn; found from the template and the tokenizer when not given.

    Raises:
        ConfigError: without a chat template, for an unknown `thinking`, or when nothing could end a
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
            raise ConfigError(
                f"thinking={thinking!r} is not a choice: use one of {', '.join(get_args(Thinking))}"
            )
        self.tokenizer = tokenizer
        self.thinking: Thinking = thinking
        self._name = str(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)
        self._template = _template(tokenizer, template, self._name)
        self._options = dict(template_options or {})
        self._backend = getattr(tokenizer, "backend_tokenizer", None)
        self._fold_system = self._rejects_system()
        self.end_of_turn, self.stop_ids = self._ends(stop_ids)
        """Ids that end a turn; `end_of_turn` is the one the template writes after a reply."""
        self._stops = frozenset(self.stop_ids)
        self._pieces: dict[int, str] = {}

    @classmethod
    def of(
        cls, tokenizer: Any, prompt: Prompt, thinking: Thinking = "keep", template: str | Path | None = None
    ) -> Renderer:  # fmt: skip
        """A renderer for `prompt`: with the template it is written for, where it is written for
        one.

        Raises:
            ConfigError: where such a prompt is given another `template`; and as for `Renderer`.
        """
        if not isinstance(prompt, Templated):
            return cls(tokenizer, thinking, template)
        if template is not None:
            raise ConfigError(
                f"the prompt {prompt.name} is written for a template of its own: leave chat_template out"
            )
        return cls(tokenizer, thinking, prompt.template)

    def dialogue(self) -> Dialogue:
        """The incremental rendering of one episode."""
        return Dialogue(self)

    def prepare(self, messages: Sequence[Message]) -> list[Message]:
        """The messages as they are rendered: thoughts stripped, a system message folded in where
        the template has none.
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

    def text(self, messages: Sequence[Message], ask: bool = True) -> str:
        """The template's text; with `ask`, up to where the next reply begins. Raises `ConfigError`
        when it refuses.
        """
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    list(messages),
                    chat_template=self._template,
                    tokenize=False,
                    add_generation_prompt=ask,
                    **self._options,
                )
            )
        except Exception as problem:
            raise ConfigError(
                f"the chat template of {self._name} refuses these messages ({problem}): "
                "choose another prompt, or give a file with another template as `chat_template`"
            ) from problem

    def encode(self, text: str) -> list[int]:
        """Token ids of a text in which special tokens are written out; nothing is added."""
        if self._backend is not None:
            return list(self._backend.encode(text, add_special_tokens=False).ids)
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a completion, without special tokens."""
        if self._backend is not None:
            return str(self._backend.decode(list(ids), skip_special_tokens=True))
        return str(
            self.tokenizer.decode(
                list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def completion(self, reply: str) -> tuple[int, ...]:
        """The tokens with which a model would say `reply` and end its turn. For demonstrations."""
        return (*self.encode(reply), self.end_of_turn)

    def ends(self, prompt: SelfEnding, ids: Sequence[int]) -> bool:
        """Whether a reply of `ids` ended by itself at its last token. Cheap at tokens that cannot
        be the last.
        """
        last = ids[-1]
        if last not in self._pieces:
            self._pieces[last] = self.decode([last])
        return any(sign in self._pieces[last] for sign in prompt.endings) and prompt.ended(
            self.decode(ids)
        )

    def heard(self, prompt: Prompt, ids: Sequence[int]) -> int:
        """How many of `ids` belong to the reply: up to the first at which it ended by itself, else
        all of them.

        What an engine that stopped there would have produced. Nothing is tokenised again: the rest
        is dropped.
        """
        if not isinstance(prompt, SelfEnding):
            return len(ids)
        return next((k for k in range(1, len(ids) + 1) if self.ends(prompt, ids[:k])), len(ids))

    def after_reply(self, messages: Sequence[Message], place: int) -> str:
        """The template's text after the content of the assistant message at index `place`."""
        mark = MARK
        while any(mark in message["content"] for message in messages):
            mark += "X"
        text = self.text(
            [*messages[:place], {"role": "assistant", "content": mark}, *messages[place + 1 :]]
        )
        _, found, after = text.partition(mark)
        if not found or mark in after:
            raise ConfigError(
                f"the chat template of {self._name} does not show a reply exactly once: "
                "give a file with another template as `chat_template`"
            )
        return after

    def tail(self, completion_ids: Sequence[int], text: str) -> list[int]:
        """Token ids of what follows a completion; an end of turn the model already produced is not
        repeated.
        """
        ids = self.encode(text)
        if ids and completion_ids and completion_ids[-1] == ids[0] and ids[0] in self._stops:
            del ids[0]
        return ids

    def _rejects_system(self) -> bool:
        user: Message = {"role": "user", "content": "u"}
        self.text([user])
        try:
            self.text([{"role": "system", "content": "s"}, user])
        except ConfigError:
            return True
        return False

    def _ends(self, given: Sequence[int] | None) -> tuple[int, tuple[int, ...]]:
        talk: list[Message] = [
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": MARK},
        ]
        after = self.encode(self.text(talk, ask=False).rpartition(MARK)[2])
        special = set(self.tokenizer.all_special_ids) | set(
            getattr(self.tokenizer, "added_tokens_decoder", {})
        )
        found = [after[0]] if after and after[0] in special else []
        eos = self.tokenizer.eos_token_id
        if eos is not None and eos not in found:
            found.append(int(eos))
        stops = tuple(given) if given is not None else tuple(found)
        if not stops:
            raise ConfigError(
                f"the tokenizer {self._name} has no end-of-sequence token and its chat template ends a reply with none: "
                "give the ids that end a turn as stop_ids"
            )
        return next((i for i in found if i in stops), stops[0]), stops


class Dialogue:
    """The tokens of one episode as it grows."""

    __slots__ = ("_completion", "_ids", "_messages", "_renderer", "_reply")

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._messages: list[Message] = []
        self._ids: tuple[int, ...] = ()
        self._completion: tuple[int, ...] = ()
        self._reply: str | None = None

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids that ask for the next reply."""
        prepared = self._renderer.prepare(messages)
        new = self._new_text(prepared)
        if new is None:
            ids = tuple(self._renderer.encode(self._renderer.text(prepared)))
        else:
            ids = (*self._ids, *self._renderer.tail(self._completion, new))
        self._messages, self._ids, self._reply = prepared, ids, None
        return ids

    def add(self, completion_ids: Sequence[int]) -> str:
        """Record what the engine produced; returns its text without the end of the turn."""
        self._completion = tuple(completion_ids)
        self._ids += self._completion
        self._reply = self._renderer.decode(self._completion)
        return self._reply

    def resume(
        self, messages: Sequence[Message], prompt_ids: Sequence[int], completion_ids: Sequence[int]
    ) -> None:
        """Stand where another dialogue stood after it answered `messages`."""
        self._messages, self._ids = self._renderer.prepare(messages), tuple(prompt_ids)
        self.add(completion_ids)

    def _new_text(self, messages: list[Message]) -> str | None:
        """The text after the last reply, or None where the messages do not extend what is there."""
        place = len(self._messages)
        if self._reply is None or len(messages) <= place or messages[:place] != self._messages:
            return None
        if messages[place] != {"role": "assistant", "content": self._reply}:
            return None
        if self._renderer.thinking != "template":
            return self._renderer.after_reply(messages, place)
        was, now, reply = (
            self._renderer.text(self._messages),
            self._renderer.text(messages),
            self._reply.strip(),
        )
        rest = now[len(was) :].lstrip() if reply else now[len(was) :]
        return rest[len(reply) :] if now.startswith(was) and rest.startswith(reply) else None


def _template(tokenizer: Any, given: str | Path | None, name: str) -> str | None:
    if given is not None and (isinstance(given, Path) or "{" not in given):
        file = Path(given)
        if not file.is_file():
            raise ConfigError(
                f"the chat template file {file} does not exist: give the path of a Jinja file"
            )
        return file.read_text(encoding="utf8")
    if given is None and not getattr(tokenizer, "chat_template", None):
        raise ConfigError(
            f"the tokenizer {name} has no chat template: give a Jinja file with one as `chat_template`, "
            "or use an instruction-tuned model"
        )
    return None if given is None else str(given)
