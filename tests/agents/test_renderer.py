"""The renderer on chosen dialogues: what each choice about thinking does, and each way a template
can be unfit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agents.made_tokenizers import (
    CHATML,
    KINDS,
    NO_SYSTEM,
    byte_bpe,
    made,
    unigram,
    word_piece,
)
from turnwise.agents.renderer import Renderer, Thinking
from turnwise.errors import ConfigError

SYSTEM = {"role": "system", "content": "Walk."}
THOUGHT = "<think>hm</think>go[on]"


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def said(text: str) -> Any:
    return {"role": "assistant", "content": text}


def extended(
    kind: str, thinking: Thinking, reply: str, cut: bool = False
) -> tuple[Renderer, tuple[int, ...], tuple[int, ...], bool]:
    """One turn and the prompt of the next: (renderer, first prompt + completion, second prompt,
    whether it extends).
    """
    renderer = Renderer(made(kind), thinking)
    dialogue = renderer.dialogue()
    first = dialogue.prompt([SYSTEM, user("one")])
    completion = tuple(renderer.encode(reply)) if cut else renderer.completion(reply)
    text = dialogue.add(completion)
    second = dialogue.prompt([SYSTEM, user("one"), said(text), user("two")])
    return (
        renderer,
        first + completion,
        second,
        second[: len(first + completion)] == first + completion,
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("reply", ["go[on]", THOUGHT, " spaces  ", "x"])
def test_keep_always_extends(kind: str, reply: str) -> None:
    renderer, before, second, extends = extended(kind, "keep", reply)
    assert extends
    assert "two" in renderer.tokenizer.decode(second[len(before) :])


def test_the_end_of_a_turn_stands_exactly_once_whether_the_model_wrote_it_or_was_cut() -> None:
    renderer, before, second, _ = extended("byte-bpe/chatml", "keep", "go[on]")
    new = "\n<|im_start|>user\ntwo<|im_end|>\n<|im_start|>assistant\n"
    assert list(second[len(before) :]) == renderer.encode(new)
    renderer, before, second, _ = extended("byte-bpe/chatml", "keep", "go[on]", cut=True)
    assert list(second[len(before) :]) == renderer.encode("<|im_end|>" + new)


def test_another_stop_token_stays_and_the_templates_own_follows_it() -> None:
    renderer = Renderer(made("byte-bpe/chatml"))
    end, eos = renderer.encode("<|im_end|><|endoftext|>")
    assert renderer.stop_ids == (end, eos) and renderer.end_of_turn == end
    assert renderer.tail([5, eos], "<|im_end|>\n")[0] == end
    assert renderer.tail([5, end], "<|im_end|>\n")[0] != end


@pytest.mark.parametrize(
    ("kind", "thinking", "reply", "extends"),
    [
        ("byte-bpe/strips-thinking", "template", THOUGHT, False),
        ("byte-bpe/strips-thinking", "template", "go[on]", True),
        ("byte-bpe/chatml", "template", THOUGHT, True),
        ("byte-bpe/prefix-changes", "template", "go[on]", False),
        ("unigram/default-system", "template", "go[on] ", True),
        ("byte-bpe/chatml", "strip", THOUGHT, False),
        ("byte-bpe/chatml", "strip", "go[on]", True),
    ],
)
def test_history_changes_only_where_template_or_choice_changes_it(
    kind: str, thinking: Thinking, reply: str, extends: bool
) -> None:
    renderer, _, second, found = extended(kind, thinking, reply)
    assert found == extends
    if reply == THOUGHT and not extends:
        assert "<think>" not in renderer.tokenizer.decode(second)


def test_stripping_cuts_thoughts_of_every_form() -> None:
    renderer = Renderer(made("byte-bpe/chatml"), "strip")
    for reply in (
        "<think>a</think>go[on]",
        "<think>a\nb</think>\n\ngo[on]",
        "opened by the template</think>go[on]",
        "go[on]<think>cut off",
    ):
        assert renderer.prepare([user("<think>mine</think>"), said(reply)]) == [
            user("<think>mine</think>"),
            said("go[on]"),
        ]


def test_messages_that_do_not_extend_are_rendered_anew() -> None:
    renderer = Renderer(made("byte-bpe/chatml"))
    for messages in (
        [user("one")],
        [user("other"), said("go[on]"), user("two")],
        [user("one"), said("edited"), user("two")],
    ):
        dialogue = renderer.dialogue()
        dialogue.prompt([user("one")])
        dialogue.add(renderer.completion("go[on]"))
        assert list(dialogue.prompt(messages)) == renderer.encode(renderer.text(messages))


def test_a_template_without_system_role_gets_the_system_message_before_the_first_user_message() -> (
    None
):
    renderer = Renderer(made("word-piece/no-system-role"))
    assert renderer.prepare([SYSTEM, user("one")]) == [user("Walk.\n\none")]
    assert Renderer(made("byte-bpe/chatml")).prepare([SYSTEM, user("one")]) == [SYSTEM, user("one")]


def test_a_template_can_come_from_a_file_or_a_string(tmp_path: Path) -> None:
    bare = byte_bpe(None)
    with pytest.raises(ConfigError, match="has no chat template: give a Jinja file"):
        Renderer(bare)
    file = tmp_path / "chat.jinja"
    file.write_text(CHATML)
    assert Renderer(bare, template=file).text([user("x")]) == Renderer(bare, template=CHATML).text(
        [user("x")]
    )
    with pytest.raises(ConfigError, match="does not exist"):
        Renderer(bare, template=tmp_path / "absent.jinja")


def test_template_options_reach_the_template() -> None:
    options = Renderer(byte_bpe(CHATML + "{{ ending }}"), template_options={"ending": "!"})
    assert options.text([user("x")]).endswith("!")


def test_unfit_templates_and_tokenizers_are_clear_errors() -> None:
    with pytest.raises(ConfigError, match="unknown thinking='sometimes'"):
        Renderer(made("byte-bpe/chatml"), "sometimes")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"refuses these messages .*no users here"):
        Renderer(byte_bpe("{{ raise_exception('no users here') }}"))
    endless = word_piece("{% for m in messages %}{{ m.content }} {% endfor %}")
    endless.sep_token = None
    with pytest.raises(ConfigError, match="ends a reply with none"):
        Renderer(endless)
    assert Renderer(endless, stop_ids=[7]).end_of_turn == 7
    forgetful = Renderer(
        byte_bpe("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}<|im_end|>")
    )
    with pytest.raises(ConfigError, match="does not contain a reply exactly once"):
        forgetful.after_reply([user("a"), said("b"), user("c")], 1)


def test_ends_of_turn_are_found_in_every_template() -> None:
    for kind, end in {
        "unigram/default-system": "</s>",
        "word-piece/no-system-role": "[SEP]",
        "byte-bpe/chatml": "<|im_end|>",
    }.items():
        renderer = Renderer(made(kind))
        assert renderer.end_of_turn == made(kind).convert_tokens_to_ids(end)
    assert Renderer(unigram(NO_SYSTEM)).stop_ids == (made("unigram/default-system").eos_token_id,)


def test_ids_beyond_the_vocabulary_and_broken_utf8_have_a_text() -> None:
    renderer = Renderer(made("byte-bpe/chatml"))
    broken = renderer.encode("é")[:1]
    assert renderer.decode([*renderer.encode("go"), 10_000_000]) == "go"
    assert renderer.decode(broken if len(renderer.encode("é")) > 1 else [0]) in ("\ufffd", "")


def test_a_tokenizer_without_a_rust_core_is_asked_itself() -> None:
    class Slow:
        """The methods that every transformers tokenizer has."""

        def __init__(self) -> None:
            self._fast = made("byte-bpe/chatml")
            for name in (
                "chat_template",
                "eos_token_id",
                "all_special_ids",
                "added_tokens_decoder",
                "apply_chat_template",
                "encode",
            ):
                setattr(self, name, getattr(self._fast, name))

        def decode(self, ids: list[int], **options: Any) -> str:
            return str(self._fast.decode(ids, **options))

    slow, fast = Renderer(Slow()), Renderer(made("byte-bpe/chatml"))
    assert slow.completion("go[on]") == fast.completion("go[on]")
    assert slow.decode(slow.completion("go[on]")) == "go[on]"
