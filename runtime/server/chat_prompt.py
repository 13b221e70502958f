"""render_chat: a conversation written by the model's template, its special tokens and nobody else's among its ids."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..text.chat_template import ChatTemplate
from ..text.tokenizer import Tokenizer
from .api_error import ApiError

ChatMessage = Mapping[str, object]
"""A message as templates know it: `role`, `content` and, of an assistant, `tool_calls` with their arguments parsed."""

_PRIVATE = re.compile("[\ue000-\uf8ff]")

_OUR_KEYS = frozenset({"type", "function", "name", "description", "parameters", "arguments", "id"})
"""What templates ask for in tools and calls; these words are no special tokens of any model."""


@dataclass(frozen=True)
class ChatPrompt:
    """A conversation as the model reads it."""

    text: str
    token_ids: tuple[int, ...]


def render_chat(
    template: ChatTemplate,
    tokenizer: Tokenizer,
    messages: Sequence[ChatMessage],
    tools: Sequence[ChatMessage] = (),
) -> ChatPrompt:
    """The conversation with the beginning of the assistant's turn, tokenised as one text.

    What a user writes never becomes a special token, wherever it stands: in contents, names, arguments, schemas. Where
    a special token is spelt out in such text, it is put between marks, two characters that the text does not have, and
    what comes out between them is read as plain text. All other text is tokenised together with the template's, as
    models learn it.

    Takes as long as the text is; to be called in a thread. Raises: ChatTemplateError.
    """
    marks = _free_marks([messages, tools])
    guard = _Guard([tokenizer.special_text(token_id) for token_id in sorted(tokenizer.special_ids)], marks)
    guarded = [_in_strings(message, guard) for message in messages]
    declared = [_in_strings(tool, guard) for tool in tools]
    rendered = template.render(guarded, declared or None, add_generation_prompt=True)
    token_ids: list[int] = []
    for text, has_special in _segments(rendered, marks):
        token_ids += tokenizer.encode(text, has_special=has_special, is_start=not token_ids)
    return ChatPrompt(rendered.translate({ord(mark): None for mark in marks}), tuple(token_ids))


class _Guard:
    """Puts marks around special tokens in text, and around what becomes one with what may stand next to it."""

    def __init__(self, special_texts: Sequence[str], marks: tuple[str, str]) -> None:
        self._marks = marks
        known = list(filter(None, special_texts))
        self._whole = re.compile(_any_of(known)) if known else None
        self._heads = {text[:length] for text in known for length in range(1, len(text))}
        self._tails = {text[length:] for text in known for length in range(1, len(text))}
        self._max_len = max(map(len, known), default=0)

    def __call__(self, text: str) -> str:
        """The text with its marks, which are rare."""
        if self._whole is None or not text:
            return text
        opening, closing = self._marks
        marked = self._whole.sub(lambda match: opening + match[0] + closing, text)
        head_len = self._longest(lambda length: text[:length] in self._tails, len(text))
        tail_len = self._longest(lambda length: text[-length:] in self._heads, len(text))
        if not head_len and not tail_len:
            return marked
        if marked != text or head_len + tail_len > len(text):  # rarer still: all of it is plain
            return opening + text + closing
        end = len(text) - tail_len
        head = opening + text[:head_len] + closing if head_len else ""
        tail = opening + text[end:] + closing if tail_len else ""
        return head + text[head_len:end] + tail

    def _longest(self, fits: Callable[[int], bool], text_len: int) -> int:
        return next((length for length in range(min(self._max_len, text_len), 0, -1) if fits(length)), 0)


def _any_of(words: Sequence[str]) -> str:
    """A pattern of the longest of `words`, which decides character by character: there may be hundreds of them."""
    by_head: dict[str, list[str]] = {}
    for word in words:
        if word:
            by_head.setdefault(word[0], []).append(word[1:])
    branches = "|".join(re.escape(head) + _any_of(rests) for head, rests in by_head.items())
    if not branches:
        return ""
    return f"(?:{branches})?" if "" in words else f"(?:{branches})"


def _segments(text: str, marks: tuple[str, str]) -> Iterator[tuple[str, bool]]:
    """(text, whether special tokens are read in it), the marks taken out."""
    opening, closing = marks
    is_special = True
    for piece in re.split(f"([{opening}{closing}])", text):
        if piece in marks:
            is_special = piece == closing
        elif piece:
            yield piece, is_special


def _free_marks(values: object) -> tuple[str, str]:
    """Two characters that no string of `values` has. Raises: ApiError for text that has all of them."""
    taken = {character for text in _strings(values) for character in _PRIVATE.findall(text)}
    free = [chr(code) for code in range(0xE000, 0xF900) if chr(code) not in taken][:2]
    if len(free) < 2:
        raise ApiError(400, "messages: expected text with fewer characters of private use", param="messages")
    return free[0], free[1]


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for key, item in value.items():
                yield str(key)
                yield from _strings(item)
        case list() | tuple():
            for item in value:
                yield from _strings(item)


def _in_strings(message: ChatMessage, change: Callable[[str], str]) -> dict[str, object]:
    """The message with its strings changed, and all keys that are not of its form; its role is one of ours."""
    changed = {key: item if key == "role" else _changed(item, change) for key, item in message.items()}
    assert all(isinstance(key, str) for key in changed), changed.keys()
    return changed


def _changed(value: object, change: Callable[[str], str]) -> object:
    match value:
        case str():
            return change(value)
        case Mapping():
            return {
                key if key in _OUR_KEYS else change(str(key)): _changed(item, change) for key, item in value.items()
            }
        case list() | tuple():
            return [_changed(item, change) for item in value]
        case _:
            return value


def parsed_arguments(text: str) -> object:
    """The arguments of a call as templates want them: an object; what is none stays text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text
