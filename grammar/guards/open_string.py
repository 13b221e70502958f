"""OpenString: which of the tokens that close one string checks refuse, told for many tokens at a time."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .json_reader import JsonReader
from .location import OPEN_MARK
from .outcome import UNKNOWN, Failure, OpenText
from .reader_state import Container, Mode, State
from .token_classes import TokenClasses, is_in

_MARKED = f'"{OPEN_MARK}"'.encode()
_WHOLE_PARTS = re.compile(rb'(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')

_CUT_CHARACTER = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})?\Z")
"""The bytes at the end that are the beginning of a character."""


@dataclass(slots=True)
class Refusal:
    """Tokens that are refused, and tokens that must be tried one by one."""

    refused: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)


class OpenString:
    """The string that begins at `start` inside `container`; what it finds out once, it keeps while the string grows.

    A token that closes the string is `head`, quote, `rest`. Its checks judge what is written with `head`; first they
    are asked of every string that begins as this one does, which often settles it: `not: {"const": "x"}` is settled
    by the first other letter. The checks of the containers that `rest` closes are asked likewise, once for each `rest`.
    """

    def __init__(self, reader: JsonReader, classes: TokenClasses, state: State) -> None:
        self._reader = reader
        self._classes = classes
        self._container = state.container
        self._start = state.start
        self._own: bool | None = None  # whether the string's own checks hold, once that is settled
        self._rests: dict[bytes, tuple[bool | None, int]] = {}  # and how long the string was when that was asked

    def is_at(self, state: State) -> bool:
        """Whether `state` is inside this string."""
        return state.container is self._container and state.start == self._start

    def judge(self, state: State, text: bytearray, words: NDArray[np.uint32]) -> Refusal:
        """What becomes of the tokens that `words` allows; `text` ends where `state` is, not behind a backslash."""
        classes = self._classes
        raw = bytes(text[self._start + 1 :])
        written = known_beginning(raw)
        own = self._judge_own(state, written)
        if own is False:
            return Refusal(classes.in_string.allowed(words))
        container = state.container
        items = None if container is None or container.is_object or container.location is None else container
        if items is not None and self._can_count_fail(items, written):
            return Refusal([], classes.in_string.allowed(words))
        if own is None and (items is None or items.location is None or not items.location.watches_items):
            return self._judge_heads(state, text, raw, words)
        if own is None:
            return Refusal([], classes.in_string.allowed(words))
        refusal = Refusal()
        if items is not None and items.location is not None and items.location.has_unique_items:
            repeats = repeating_tokens(raw, (name[1:] for name in items.seen if name[0] == '"'), classes)
            refusal.doubtful = [token_id for token_id in repeats if is_in(words, token_id)]
        self._judge_rests(state, text, written, classes.beyond_string.allowed(words), refusal)
        return refusal

    def _judge_own(self, state: State, written: str) -> bool | None:
        if state.location is None or not state.location.is_checked["string"]:
            return True
        if self._own is None:
            failure = state.location.judge_text(OpenText(written))
            self._own = None if failure is UNKNOWN else failure is None
        return self._own

    def _can_count_fail(self, container: Container, written: str) -> bool:
        location = container.location
        assert location is not None
        if location.max_items is not None and container.num_items >= location.max_items:
            return True
        return any(
            count >= high and location.holds(node, OpenText(written)) is not False
            for count, (node, high) in zip(container.counts, location.contained, strict=True)
        )

    def _judge_heads(self, state: State, text: bytearray, raw: bytes, words: NDArray[np.uint32]) -> Refusal:
        """Where the string's own checks hang on its text: each different text, and then each rest."""
        location = state.location
        assert location is not None
        refusal = Refusal()
        holds: dict[bytes, bool | None] = {}
        closing: list[int] = []
        has_escape = b"\\" in raw
        for token_id in self._classes.in_string.allowed(words):
            head = self._classes.parts[token_id][0]
            if head not in holds:
                holds[head] = None
                if not has_escape and b"\\" not in head:
                    whole = (raw + head).decode(errors="replace")
                    holds[head] = location.judge_text(whole) is None
            if holds[head] is None:
                refusal.doubtful.append(token_id)
            elif not holds[head]:
                refusal.refused.append(token_id)
            else:
                closing.append(token_id)
        beyond = [token_id for token_id in closing if token_id in self._classes.beyond_string]
        self._judge_rests(state, text, known_beginning(raw), beyond, refusal)
        return refusal

    def _judge_rests(
        self, state: State, text: bytearray, written: str, token_ids: Sequence[int], refusal: Refusal
    ) -> None:
        """Add what becomes of tokens whose string is in order, by what follows its quote."""
        for token_id in token_ids:
            rest = self._classes.parts[token_id][1]
            may_follow, asked_len = self._rests.get(rest, (None, -1))
            # Asked again, where it hung on the string, when that has doubled: on the whole no dearer than asking once.
            if may_follow is None and len(written) >= 2 * asked_len:
                may_follow = self._ask_rest(state, text, written, rest)
                self._rests[rest] = (may_follow, len(written))
            if may_follow is None:
                refusal.doubtful.append(token_id)
            elif not may_follow:
                refusal.refused.append(token_id)

    def _ask_rest(self, state: State, text: bytearray, written: str, rest: bytes) -> bool | None:
        """Whether checks let `rest` follow the quote whatever the string says; None: it hangs on that."""
        marked = text[: self._start] + _MARKED + rest
        inside = State(Mode.STRING, state.container, None, self._start, False, state.frame)
        after = self._reader.advance(inside, marked, self._start + 1, sketch=written)
        return None if after is UNKNOWN else not isinstance(after, Failure)


def known_beginning(raw: bytes) -> str:
    """What a string surely begins with whose JSON text begins with `raw`, behind the quote."""
    if b"\\" not in raw:
        return raw.decode(errors="ignore")
    parts = _WHOLE_PARTS.match(raw)
    assert parts is not None, "it matches nothing at the least"
    text = json.loads(f'"{parts.group().decode(errors="ignore")}"', strict=False)
    assert isinstance(text, str)
    # The first half of a pair of surrogates is not yet a character.
    return text[:-1] if text and "\ud800" <= text[-1] <= "\udbff" else text


def open_text(raw: bytes) -> OpenText:
    """What stands for the strings whose JSON text begins with `raw`, behind the quote."""
    parts = _WHOLE_PARTS.match(raw)
    assert parts is not None, "it matches nothing at the least"
    tail = raw[parts.end() :] or _cut_character(raw)
    return OpenText(known_beginning(raw), tail or None)


def _cut_character(raw: bytes) -> bytes:
    found = _CUT_CHARACTER.search(raw, max(0, len(raw) - 3))
    assert found is not None, "it matches nothing at the least"
    return found.group()


def repeating_tokens(raw: bytes, texts: Iterable[str], classes: TokenClasses) -> list[int]:
    """The tokens that may close the string begun with `raw` so that it is one of `texts`: some too many at times."""
    if b"\\" in raw:
        every: list[int] = classes.in_string.token_ids.tolist()
        return every
    token_ids = list(classes.escaped_heads)
    for text in texts:
        written = text.encode(errors="surrogatepass")
        if written.startswith(raw):
            token_ids += classes.by_head.get(written[len(raw) :], ())
    return token_ids
