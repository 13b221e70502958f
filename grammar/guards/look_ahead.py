"""LookAhead: tokens that no check refuses, and after which nothing could follow or no check come to hold."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary
from .json_reader import JsonReader
from .number_reach import NumberReach
from .outcome import Failure
from .prospects import has_prospects, is_hopeless
from .reader_state import Container, Mode, State
from .token_classes import TokenSet, is_in
from .validator import Allowance

MAX_KEPT = 4_096
MAX_TRIED = 64
"""Where more tokens than this are allowed, they are not tried one by one."""
MAX_WORK = 1_000
"""Continuations that one mask looks into, each counted once more for every 64 bytes of open values: some 30 ms."""
MAX_ASKED = 10_000
"""Schemas that are asked for one mask, where values within values are checked again and again: some 30 ms, too."""
_NUMBER_PART = re.compile(rb"[ \t\r\n]*([0-9.\-]+)")
_BLANKS = b" \t\r\n"
_OTHER_TEXT = "\uf8ff".encode()
"""What no check asks for."""
_VALUE_MODES = (Mode.VALUE, Mode.STRING, Mode.NUMBER)


class LookAheadTokens:
    """The tokens of one vocabulary, as looking ahead asks for them."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.texts = vocabulary.text_tokens
        self.by_text: dict[bytes, list[int]] = {}
        in_number: list[int] = []
        opening: dict[bytes, list[int]] = {}
        for token_id, text in enumerate(self.texts):
            self.by_text.setdefault(text, []).append(token_id)
            if (part := _NUMBER_PART.fullmatch(text)) is not None and part.group(1):
                in_number.append(token_id)
            if first := text.lstrip(_BLANKS)[:1]:
                opening.setdefault(b"0" if first in b"-0123456789" else first, []).append(token_id)
        self.in_number = TokenSet(in_number)
        """Digits, signs and points, perhaps behind blanks."""
        self.opening = {first: TokenSet(opening[first]) for first in opening if first in b'"{[0tfn'}
        """By how the value begins that they open; those of numbers under 0."""


class LookAhead:
    """Belongs to one matcher. What it finds saves going back; what it misses is found out a few tokens later."""

    def __init__(self, tokens: LookAheadTokens, reader: JsonReader) -> None:
        self._tokens = tokens
        self._reader = reader
        self._allowance = Allowance(MAX_ASKED)
        self._string: tuple[Container | None, int, bool] | None = None  # the last one, and whether its text matters

    def refused(
        self, state: State, text: bytearray, words: NDArray[np.uint32], is_dead: Callable[[int], bool]
    ) -> list[int]:
        """Of the tokens that `words`, [mask_words], allows; `is_dead`: whether nothing may follow a token."""
        self._allowance = Allowance(MAX_ASKED)
        refused: list[int] = []
        if state.location is not None and state.location.reaches and state.mode in (Mode.VALUE, Mode.NUMBER):
            refused += self._out_of_reach(state, text, words, state.location.reaches, is_dead)
        refused += self._dead_repeats(state, text, words, is_dead)
        if has_prospects(state):
            refused += self._hopeless(state, text, words)
        return refused

    def leading_to(self, dead_texts: Collection[bytes], text: bytearray) -> list[int]:
        """The tokens that make of `text` one of those texts."""
        num_written = len(text)
        return [
            token_id
            for dead in dead_texts
            if len(dead) > num_written and dead.startswith(text)
            for token_id in self._tokens.by_text.get(dead[num_written:], ())
        ]

    # Numbers

    def _out_of_reach(
        self,
        state: State,
        text: bytearray,
        words: NDArray[np.uint32],
        reaches: list[NumberReach],
        is_dead: Callable[[int], bool],
    ) -> list[int]:
        written = bytes(text[state.start :]) if state.mode is Mode.NUMBER else b""
        if all(reach.is_ample(written, 4) for reach in reaches):
            return [token_id for token_id in self._allowed(b".", words, has_blank=False) if is_dead(token_id)]
        # Behind a point the grammar may want a digit that no multiple has.
        return [
            token_id
            for token_id in self._tokens.in_number.allowed(words)
            if (self._tokens.texts[token_id].endswith(b".") and is_dead(token_id))
            or not all(reach.can_become(written + self._tokens.texts[token_id].lstrip(_BLANKS)) for reach in reaches)
        ]

    # Repeated items and keys

    def _dead_repeats(
        self, state: State, text: bytearray, words: NDArray[np.uint32], is_dead: Callable[[int], bool]
    ) -> Iterator[int]:
        """Tokens that make an item or a key the same as an earlier one, where it can then not be gone on with."""
        container = state.container
        if container is None or container.location is None:
            return
        if container.is_object:
            if state.mode not in (Mode.KEY, Mode.KEY_STRING) or not container.location.has_unique_keys:
                return
            earlier = [f'"{key}'.encode() for key in container.keys]
        elif state.mode in _VALUE_MODES and container.location.has_unique_items:
            earlier = list(_written_items(container))
        else:
            return
        begun = b"" if state.mode in (Mode.VALUE, Mode.KEY) else bytes(text[state.start :])
        known = container.location.open_beginnings
        num_longer: Counter[bytes] | None = None
        has_few = _few(words) is not None
        for each in earlier:
            if not each.startswith(begun):
                continue
            # Where there is much to choose from, no beginning leads to earlier items alone.
            for end in range(len(begun) + 1 if has_few else len(each), len(each) + 1):
                token_ids = self._allowed(each[len(begun) : end], words, has_blank=not begun)
                if not token_ids:
                    continue
                if num_longer is None:
                    num_longer = Counter(other[:cut] for other in earlier for cut in range(1, len(other) + 1))
                # What it can go on to has changed only if more items begin with it: they are all different.
                key = (each[:end], num_longer[each[:end]])
                if key in known:
                    continue
                if is_dead(token_ids[0]):  # perhaps for what stands elsewhere in this text: not to be remembered
                    yield from token_ids
                    continue
                if len(known) >= MAX_KEPT:
                    known.clear()
                known.add(key)

    def _allowed(self, written: bytes, words: NDArray[np.uint32], *, has_blank: bool) -> list[int]:
        """The allowed tokens of that text, perhaps behind a blank."""
        token_ids = self._tokens.by_text.get(written, [])
        if has_blank:
            token_ids = token_ids + self._tokens.by_text.get(b" " + written, [])
        return [token_id for token_id in token_ids if is_in(words, token_id)]

    # What is checked of open values

    def _hopeless(self, state: State, text: bytearray, words: NDArray[np.uint32]) -> list[int]:
        allowed = _few(words)
        if allowed is not None:
            return self._sifted(state, text, allowed)
        if state.mode is Mode.STRING:
            return self._sifted(state, text, _allowed(words)) if self._matters(state, text) else []
        refused: list[int] = []
        if state.mode is Mode.VALUE:
            for first, tokens in self._tokens.opening.items():
                opening = tokens.allowed(words)
                if not opening:
                    continue
                if self._leads_nowhere(state, text, first):
                    refused += opening
                elif first == b'"' and self._leads_nowhere(state, text, first + _OTHER_TEXT):
                    refused += self._sifted(state, text, opening)
        return refused

    def _matters(self, state: State, text: bytearray) -> bool:
        """Whether checks fail because of what the open string begins with, if that is not what they ask for."""
        if self._string is None or self._string[:2] != (state.container, state.start):
            self._allowance = Allowance(MAX_ASKED)  # the answer is kept: it must not depend on what was asked before
            self._string = (state.container, state.start, self._leads_nowhere(state, text, _OTHER_TEXT))
        return self._string[2]

    def _sifted(self, state: State, text: bytearray, token_ids: list[int]) -> list[int]:
        """The tokens after which checks are lost, tried byte by byte, those that begin alike together.

        As many as `MAX_WORK` lets it find: the same ones for the same text, whatever was asked before.
        """
        refused: list[int] = []
        pending = [(0, token_ids)]
        cost = 1 + (0 if state.container is None else len(text) - _outermost(state.container).start) // 64
        num_left = MAX_WORK // cost
        while pending:
            depth, members = pending.pop()
            groups: dict[int, list[int]] = {}
            for token_id in members:
                if len(self._tokens.texts[token_id]) > depth:
                    groups.setdefault(self._tokens.texts[token_id][depth], []).append(token_id)
            for group in groups.values():
                if num_left == 0:
                    return refused
                num_left -= 1
                if self._leads_nowhere(state, text, self._tokens.texts[group[0]][: depth + 1]):
                    refused += group
                else:
                    pending.append((depth + 1, group))
        return refused

    def _leads_nowhere(self, state: State, text: bytearray, more: bytes) -> bool:
        end = len(text)
        text += more
        after = self._reader.advance(state, text, end)
        answer = not isinstance(after, Failure) and is_hopeless(after, text, self._allowance)
        del text[end:]
        return answer


@lru_cache(maxsize=8)
def look_ahead_tokens(vocabulary: Vocabulary) -> LookAheadTokens:
    """The one of `vocabulary`; 30 ms for 32 k tokens, kept for the last few vocabularies."""
    return LookAheadTokens(vocabulary)


def _outermost(container: Container) -> Container:
    while container.parent is not None:
        container = container.parent
    return container


def _written_items(container: Container) -> Iterator[bytes]:
    """The earlier items that are written in one way: strings, without their closing quote, and integers."""
    for name in container.seen:
        if name[0] == '"':
            yield name.encode(errors="surrogatepass")
        elif (number := name.strip()).lstrip("-").isdigit():
            yield number.encode()


def _few(words: NDArray[np.uint32]) -> list[int] | None:
    """The tokens that `words` allows; None where they are many."""
    if np.count_nonzero(words) > MAX_TRIED:
        return None
    token_ids = _allowed(words)
    return token_ids if len(token_ids) <= MAX_TRIED else None


def _allowed(words: NDArray[np.uint32]) -> list[int]:
    token_ids: list[int] = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist()
    return token_ids
