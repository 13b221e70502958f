"""visible_logprobs, LogprobFlow: of the tokens that were sampled those whose text is shown, with their spelling."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ...lang.events import GenResult, TokenLogprob
from ..text.tokenizer import Tokenizer

LEAST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON has no number for."""


@dataclass(frozen=True, slots=True)
class SpelledToken:
    """One token with its probability; `bytes` None: a special token."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class SpelledLogprob(SpelledToken):
    """One token that was sampled, and the best alternatives."""

    top_logprobs: tuple[SpelledToken, ...]


def visible_logprobs(tokenizer: Tokenizer, result: GenResult) -> list[SpelledLogprob]:
    """One for each token that has a part in the text: what ended it, and is not shown, is left out."""
    tokens = result.output_logprobs or ()
    if result.finish_reason.type == "length":
        return [_spelled(tokenizer, token) for token in tokens]
    text_len = len(result.text.encode())
    shown: list[SpelledLogprob] = []
    num_bytes = 0
    for token in tokens:
        content = tokenizer.token_bytes[token.token_id]
        if num_bytes >= text_len:
            break
        num_bytes += len(content or b"")
        shown.append(_spelled(tokenizer, token))
    return shown


class LogprobFlow:
    """The same, as the text comes: a token is told of once part of its text is shown.

    A token that may be part of a stop is held back with its text; what ends the text is never told of.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._held: deque[TokenLogprob] = deque()
        self._num_text_bytes = 0
        self._num_token_bytes = 0
        self._num_told = 0

    def more(self, text: str, tokens: Iterable[TokenLogprob]) -> list[SpelledLogprob]:
        """What may be told of, now that more tokens were sampled and `text` is shown."""
        self._held += tokens
        self._num_text_bytes += len(text.encode())
        told: list[SpelledLogprob] = []
        while self._held and self._num_token_bytes < self._num_text_bytes:
            token = self._held.popleft()
            self._num_token_bytes += len(self._tokenizer.token_bytes[token.token_id] or b"")
            told.append(_spelled(self._tokenizer, token))
        self._num_told += len(told)
        return told

    def rest(self, result: GenResult) -> list[SpelledLogprob]:
        """What has not been told of when the text has ended."""
        return visible_logprobs(self._tokenizer, result)[self._num_told :]


def _spelled(tokenizer: Tokenizer, token: TokenLogprob) -> SpelledLogprob:
    text, content = _spelling(tokenizer, token.token_id)
    top = tuple(_alternative(tokenizer, token_id, logprob) for token_id, logprob in token.top)
    return SpelledLogprob(text, _finite(token.logprob), content, top)


def _alternative(tokenizer: Tokenizer, token_id: int, logprob: float) -> SpelledToken:
    text, content = _spelling(tokenizer, token_id)
    return SpelledToken(text, _finite(logprob), content)


def _spelling(tokenizer: Tokenizer, token_id: int) -> tuple[str, tuple[int, ...] | None]:
    content = tokenizer.token_bytes[token_id] if token_id < len(tokenizer.token_bytes) else None
    if content is None:
        return tokenizer.special_text(token_id), None
    return content.decode("utf-8", "replace"), tuple(content)


def _finite(logprob: float | None) -> float:
    return LEAST_LOGPROB if logprob is None else max(logprob, LEAST_LOGPROB)
