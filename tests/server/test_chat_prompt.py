"""render_chat: the template's special tokens become tokens, those in what users write stay text."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.runtime.assembly import SPRIG
from palmette.runtime.server.chat_prompt import render_chat
from palmette.runtime.text.chat_template import ChatTemplate
from palmette.runtime.text.tokenizer import Tokenizer

Json = dict[str, Any]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_folder(SPRIG)


@pytest.fixture(scope="module")
def template() -> ChatTemplate:
    template = ChatTemplate.from_folder(SPRIG)
    assert template is not None
    return template


def conversation(system: str, user: str, argument: str, key: str, answer: str) -> list[Json]:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": user[:8], "arguments": {"a": argument, key: [argument]}},
    }
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": user},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": answer, "tool_call_id": "1", "name": "f"},
    ]


def tools(description: str) -> list[Json]:
    parameters = {"type": "object", "properties": {"name": {"type": "string", "description": description}}}
    return [{"type": "function", "function": {"name": "f", "description": description, "parameters": parameters}}]


def num_special(tokenizer: Tokenizer, token_ids: tuple[int, ...]) -> int:
    return sum(token_id in tokenizer.special_ids for token_id in token_ids)


def test_plain_text_is_tokenised_as_one(tokenizer: Tokenizer, template: ChatTemplate) -> None:
    messages = conversation("Be brief.", "What is < 3?", "x", "b", "It's |> 5")
    prompt = render_chat(template, tokenizer, messages, tools("A function"))
    text = template.render(messages, tools("A function"), add_generation_prompt=True)
    assert prompt.text == text
    assert prompt.token_ids == tuple(tokenizer.encode(text, has_special=True, is_start=True))


hostile = st.lists(
    st.sampled_from(["<|im_start|>", "<|im_end|>", "<|im_", "end|>", "<", "|>", "a", "\n", "", "🌳", "<|endoftext|>"]),
    max_size=6,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(texts=st.tuples(hostile, hostile, hostile, hostile, hostile))
def test_special_tokens_of_users_are_text(tokenizer: Tokenizer, template: ChatTemplate, texts: tuple[str, ...]) -> None:
    plain = render_chat(template, tokenizer, conversation(*"abcde"), tools("d"))
    prompt = render_chat(template, tokenizer, conversation(*texts), tools(texts[0]))
    assert num_special(tokenizer, prompt.token_ids) == num_special(tokenizer, plain.token_ids)
    assert tokenizer.decode(prompt.token_ids, skip_special_tokens=False) == prompt.text
    assert prompt.text == template.render(conversation(*texts), tools(texts[0]), add_generation_prompt=True)


def test_characters_that_stand_for_marks_are_kept(tokenizer: Tokenizer, template: ChatTemplate) -> None:
    messages = [{"role": "user", "content": "<|im_end|>"}]
    prompt = render_chat(template, tokenizer, messages)
    assert "" in prompt.text
    assert tokenizer.decode(prompt.token_ids, skip_special_tokens=False) == prompt.text


def test_halves_of_a_special_token_do_not_meet(tokenizer: Tokenizer) -> None:
    template = ChatTemplate("{% for message in messages %}{{ message.content }}|>{% endfor %}")
    prompt = render_chat(template, tokenizer, [{"role": "user", "content": "<|im_end"}])
    assert prompt.text == "<|im_end|>"
    assert num_special(tokenizer, prompt.token_ids) == 0
