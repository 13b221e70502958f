"""GuardedMatcher: an engine's matcher narrowed by the checks of a guard plan, value by value as tokens close them."""

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..bitmask import check_rollback
from ..matcher import Matcher
from ..vocabulary import Vocabulary
from .json_reader import JsonReader
from .look_ahead import LookAhead, LookAheadTokens
from .open_string import OpenString, repeating_tokens
from .opening_tokens import OpeningTokens
from .outcome import Failure
from .reader_state import Mode, State
from .token_classes import TokenClasses, is_in

if TYPE_CHECKING:  # torch is heavy, and only a name here
    from torch import Tensor


MAX_DEAD_TEXTS = 256


class GuardedMatcher:
    """A `Matcher`: a token is allowed where `inner` allows it and no check fails of what it closes.

    What a token closes is read off the text, which `reader` follows; the end of the text closes a number that is the
    whole text. Cost of a mask beside the inner one, at 32 k tokens, by where the text stands:

    - nothing is checked of the open values nor below them: 1 us;
    - inside a string, number or key of which nothing is checked itself: 4 us, and the checks of the containers around
      only for tokens that close those too, once a string where they do not hang on its text;
    - inside a string whose check its beginning has settled: the same;
    - where a checked value can close: the check, for each different text that the allowed tokens make of the value
      (some 10 us for each of a dozen tokens; 0.4 ms in a string that must not match a pattern).

    Over documents in which one value of several is checked that is 8 to 18 us a token. Following an accepted token
    costs 3 us.

    Looking ahead takes out of masks, too, what would have to be taken back: tokens after which nothing could follow, or
    no check of an open value come to hold. It makes that 10 to 160 us a token inside of checked values, and nothing
    elsewhere. What only looking ahead finds is in masks alone; `accept` goes there all the same.
    """

    def __init__(
        self,
        inner: Matcher,
        reader: JsonReader,
        classes: TokenClasses,
        openings: OpeningTokens | None,
        vocabulary: Vocabulary,
        look_ahead_tokens: LookAheadTokens | None,
    ) -> None:
        self._inner = inner
        self._look_ahead_tokens = look_ahead_tokens
        self._look_ahead = None if look_ahead_tokens is None else LookAhead(look_ahead_tokens, reader)
        self._reader = reader
        self._classes = classes
        self._openings = openings  # None: the whole text is one document
        self._vocabulary = vocabulary
        self._text = bytearray()
        self._states: list[State] = [reader.start]
        self._ends: list[int] = []  # the text's length after each token
        self._dead_texts: set[bytes] = set()
        """Texts that nothing may follow: another row of tokens to the same text leads nowhere either."""
        self._open: OpenString | None = None  # the string last asked about

    def fill_bitmask(self, row: "Tensor") -> bool:
        """See `Matcher`; the row may be left without any bit."""
        is_restricted = self._inner.fill_bitmask(row)
        state = self._states[-1]
        if not state.is_relevant and state.mode is not Mode.FREE:
            return is_restricted
        words: NDArray[np.uint32] = row.numpy().view(np.uint32)  # [mask_words], the row's own memory
        refused = self._refused(state, words)
        if state.mode is Mode.NUMBER and not self._reader.may_end(state, self._text):
            refused += self._vocabulary.stop_token_ids
        _forbid(words, refused)
        if self._look_ahead is not None and state.mode is not Mode.FREE:
            refused += self._narrow_ahead(self._look_ahead, state, row)
        return is_restricted or bool(refused)

    def _narrow_ahead(self, look_ahead: LookAhead, state: State, row: "Tensor") -> list[int]:
        """Take out of the row what leads nowhere, too; returns that."""
        words: NDArray[np.uint32] = row.numpy().view(np.uint32)
        before = words.copy()
        ahead = look_ahead.refused(state, self._text, words, lambda each: self._is_dead(each, row))
        ahead += look_ahead.leading_to(self._dead_texts, self._text)
        _forbid(words, ahead)
        if words.any():
            return ahead
        if before.any() and not self.num_revocable_tokens:  # further on there are tokens that can be taken back
            words[:] = before
            return []
        if len(self._dead_texts) < MAX_DEAD_TEXTS:
            self._dead_texts.add(bytes(self._text))
        return ahead

    def _is_dead(self, token_id: int, like: "Tensor") -> bool:
        """Whether nothing may follow an allowed token."""
        if token_id in self._vocabulary.stop_token_ids or not self.accept(token_id):
            return False
        row = like.new_zeros(like.shape)
        self.fill_bitmask(row)
        self.rollback(1)
        return not bool(row.any())

    def accept(self, token_id: int) -> bool:
        """See `Matcher`."""
        if not self._inner.accept(token_id):
            return False
        end = len(self._text)
        self._text += self._vocabulary.text_tokens[token_id]
        state = self._reader.advance(self._states[-1], self._text, end)
        if isinstance(state, Failure):
            del self._text[end:]
            self._inner.rollback(1)
            return False
        self._states.append(state)
        self._ends.append(len(self._text))
        return True

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        check_rollback(num_tokens, len(self._ends))
        if num_tokens:
            self._inner.rollback(num_tokens)
            self._open = None  # what was settled of a longer string need not be of a shorter one
            del self._states[-num_tokens:]
            del self._ends[-num_tokens:]
            del self._text[self._ends[-1] if self._ends else 0 :]

    def fork(self) -> "GuardedMatcher":
        """See `Matcher`; copies the text and one reference a token."""
        twin = GuardedMatcher(
            self._inner.fork(), self._reader, self._classes, self._openings, self._vocabulary, self._look_ahead_tokens
        )
        twin._text = self._text.copy()
        twin._dead_texts = self._dead_texts.copy()
        twin._states = self._states.copy()
        twin._ends = self._ends.copy()
        return twin

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return self._inner.is_completed and self._reader.may_end(self._states[-1], self._text)

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`."""
        return self._inner.is_terminated and self._reader.may_end(self._states[-1], self._text)

    def forced_bytes(self) -> bytes:
        """See `Matcher`: what the grammar forces; the guards may still leave no way to write it."""
        return self._inner.forced_bytes()

    @property
    def num_revocable_tokens(self) -> int:
        """See `Matcher`: the tokens since the outermost open value began of which something is checked."""
        start = self._states[-1].outermost_start
        return 0 if start is None else len(self._ends) - bisect_right(self._ends, start)

    # Which of the allowed tokens are refused

    def _refused(self, state: State, words: NDArray[np.uint32]) -> list[int]:
        classes = self._classes
        if state.mode is Mode.FREE:
            return self._refused_of(state, self._opening(state, words))
        if state.mode in (Mode.STRING, Mode.KEY_STRING):
            if state.is_escaped:
                return self._refused_of(state, classes.with_quote.allowed(words))
            if state.mode is Mode.KEY_STRING:
                return self._refused_of(state, self._key_closing(state, words))
            if self._open is None or not self._open.is_at(state):
                self._open = OpenString(self._reader, classes, state)
            refusal = self._open.judge(state, self._text, words)
            return refusal.refused + self._refused_of(state, refusal.doubtful)
        if state.mode is Mode.NUMBER and state.container is None and state.frame is not None:
            # A number that is a whole document ends with whatever stands behind the document.
            return self._refused_of(
                state, np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist()
            )
        tokens = classes.in_number if state.mode is Mode.NUMBER else classes.outside
        return self._refused_of(state, tokens.allowed(words))

    def _refused_of(self, state: State, token_ids: list[int]) -> list[int]:
        """Those after which some check has failed, each tried."""
        if not token_ids:
            return []
        text, texts, end = self._text, self._vocabulary.text_tokens, len(self._text)
        advance = self._reader.advance
        refused = []
        for token_id in token_ids:
            text += texts[token_id]
            if isinstance(advance(state, text, end), Failure):
                refused.append(token_id)
            del text[end:]
        return refused

    def _key_closing(self, state: State, words: NDArray[np.uint32]) -> list[int]:
        """The allowed tokens that close a key and may be refused."""
        classes, container = self._classes, state.container
        assert container is not None
        location = container.location
        if location is None or not location.watches_keys:
            return classes.beyond_string.allowed(words)
        if not location.checks_only_unique_keys:
            return classes.in_string.allowed(words)
        repeats = repeating_tokens(bytes(self._text[state.start + 1 :]), container.keys, classes)
        allowed = {token_id for token_id in repeats if is_in(words, token_id)}
        return sorted(allowed | set(classes.beyond_string.allowed(words)))

    def _opening(self, state: State, words: NDArray[np.uint32]) -> list[int]:
        """Outside of documents: the allowed tokens that go into one and may close something there."""
        assert state.frame is not None
        assert self._openings is not None
        token_ids = self._openings.after(state.frame)
        return [token_id for token_id in token_ids if is_in(words, token_id)]


def _forbid(words: NDArray[np.uint32], token_ids: list[int]) -> None:
    for token_id in token_ids:
        words[token_id >> 5] &= np.uint32(~(1 << (token_id & 31)) & 0xFFFFFFFF)
