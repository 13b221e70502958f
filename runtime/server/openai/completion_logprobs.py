"""completion_logprobs: the log-probabilities of a text in the older form of OpenAI's, as parallel lists."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from ....lang.events import GenResult, TokenLogprob
from ...text.tokenizer import Tokenizer
from ..token_logprobs import LEAST_LOGPROB, visible_logprobs
from .completion_types import CompletionLogprobs


@dataclass(frozen=True)
class _Entry:
    token: str
    content: bytes | None
    """None: a special token."""
    logprob: float | None
    top: dict[str, float] | None


def completion_logprobs(
    tokenizer: Tokenizer, prompt: Sequence[TokenLogprob], result: GenResult, *, has_top: bool
) -> CompletionLogprobs:
    """Of the tokens of `prompt`, none unless it is echoed, and of those of the result that its text shows.

    Offsets count the characters of the text of all these; a token within a character has that of the character.
    """
    entries = [_of_prompt(tokenizer, token) for token in prompt]
    for token in visible_logprobs(tokenizer, result):
        top = {each.token: each.logprob for each in token.top_logprobs}
        content = None if token.bytes is None else bytes(token.bytes)
        entries.append(_Entry(token.token, content, token.logprob, {**top, token.token: token.logprob}))
    return CompletionLogprobs(
        [entry.token for entry in entries],
        [entry.logprob for entry in entries],
        [entry.top for entry in entries] if has_top else None,
        _offsets(entries),
    )


def _of_prompt(tokenizer: Tokenizer, token: TokenLogprob) -> _Entry:
    text = _spelling(tokenizer, token.token_id)
    content = tokenizer.token_bytes[token.token_id]
    if token.logprob is None:
        return _Entry(text, content, None, None)
    logprob = max(token.logprob, LEAST_LOGPROB)
    top = {_spelling(tokenizer, token_id): max(each, LEAST_LOGPROB) for token_id, each in token.top}
    return _Entry(text, content, logprob, {**top, text: logprob})


def _spelling(tokenizer: Tokenizer, token_id: int) -> str:
    return tokenizer.decode([token_id], skip_special_tokens=False)


def _offsets(entries: Sequence[_Entry]) -> list[int]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    offsets: list[int] = []
    position = 0
    for entry in entries:
        offsets.append(position)
        position += len(entry.token) if entry.content is None else len(decoder.decode(entry.content))
    return offsets
