"""Detokenizer: token ids, one at a time -> text, one whole character at a time."""

import codecs
from bisect import bisect_right
from collections.abc import Callable, Sequence

_decoder_of_utf8 = codecs.getincrementaldecoder("utf-8")
_CLEAN = _decoder_of_utf8("replace").getstate()
"""No bytes are held back."""


class Detokenizer:
    """The text of a growing list of tokens.

    A character whose bytes are spread over tokens is held back until its last byte has come; bytes that are no UTF-8
    become U+FFFD. The sum of what `append` and `flush` return is the text of all tokens.
    """

    def __init__(
        self,
        token_bytes: Sequence[bytes | None],  # [vocab_size], None for special tokens
        special_text: Callable[[int], str] | None = None,
        *,
        num_hidden_bytes: int = 0,
    ) -> None:
        """`special_text`: how a token without bytes is spelt; None: such tokens give no text. `num_hidden_bytes`: so
        many at the beginning, which end with a whole character, are no part of the text.
        """
        self._token_bytes = token_bytes
        self._special_text = special_text
        self._hidden = [num_hidden_bytes]  # bytes that are still to be hidden after 0, 1, ... tokens, down to 0
        self._decoder = _decoder_of_utf8("replace")
        self._pieces: list[str] = []  # [num_tokens] what `append` returned
        self._ends: list[int] = [0]  # [1 + num_tokens] characters shown after that many tokens
        self._clean_counts: list[int] = [0]  # numbers of tokens after which no character is held back, ascending
        self._states: list[tuple[bytes, int]] = [_CLEAN]  # [1 + num_tokens] the decoder after that many tokens

    @property
    def num_tokens(self) -> int:
        """Tokens so far."""
        return len(self._pieces)

    @property
    def text_len(self) -> int:
        """Characters shown so far."""
        return self._ends[-1]

    @property
    def text(self) -> str:
        """What was shown so far."""
        return "".join(self._pieces)

    def append(self, token_id: int) -> str:
        """The text that became whole with this token; empty where it ends inside a character."""
        data = self._token_bytes[token_id]
        if data is not None:
            if self._hidden[-1]:
                num_hidden = min(self._hidden[-1], len(data))
                self._hidden.append(self._hidden[-1] - num_hidden)
                data = data[num_hidden:]
            piece = self._decoded(data)
        elif self._special_text is None:
            piece = ""
        else:
            piece = self._decoder.decode(b"", True) + self._special_text(token_id)
        self._pieces.append(piece)
        self._ends.append(self._ends[-1] + len(piece))
        state = self._decoder.getstate()
        self._states.append(_CLEAN if state == _CLEAN else state)  # one object for nearly all tokens
        if not state[0]:
            self._clean_counts.append(len(self._pieces))
        return piece

    def _decoded(self, data: bytes) -> str:
        if self._states[-1] is _CLEAN:
            try:
                return data.decode()  # whole characters, as most tokens are: several times as fast
            except UnicodeDecodeError:
                pass
        return self._decoder.decode(data)

    def flush(self) -> str:
        """The text of a character that will not be finished: U+FFFD; empty where nothing is held back."""
        rest = self._decoder.decode(b"", True)
        if rest:
            self._pieces[-1] += rest
            self._ends[-1] += len(rest)
            self._clean_counts.append(len(self._pieces))
        return rest

    def take_back(self, num_tokens: int) -> int:
        """Forget all but the first `num_tokens` tokens, as if they had never come; not after `flush`.

        Returns how many characters are left. O(tokens forgotten).
        """
        assert 0 <= num_tokens <= len(self._pieces), f"expected at most {len(self._pieces)} tokens, got {num_tokens}"
        while self._clean_counts[-1] > num_tokens:
            self._clean_counts.pop()
        del self._hidden[num_tokens + 1 :]
        del self._pieces[num_tokens:], self._ends[num_tokens + 1 :], self._states[num_tokens + 1 :]
        self._decoder.setstate(self._states[-1])
        return self._ends[-1]

    def start_of(self, token_index: int) -> int:
        """Where in the text a token begins, in characters; one that goes on with a character begins with it."""
        return self._ends[token_index]

    def cut(self, text_len: int) -> tuple[int, str]:
        """How to keep just the first `text_len` characters: that many tokens, then this text.

        The tokens lie wholly before the cut and end with a whole character. O(log num_tokens) and the text after them.
        """
        assert 0 <= text_len <= self._ends[-1], f"expected a cut within {self._ends[-1]} characters, got {text_len}"
        # The last number of tokens that shows no more than `text_len` and holds nothing back.
        best = bisect_right(self._clean_counts, text_len, key=self._ends.__getitem__) - 1
        num_tokens = self._clean_counts[best]
        rest, needed = "", text_len - self._ends[num_tokens]
        index = num_tokens
        while len(rest) < needed:
            rest += self._pieces[index]
            index += 1
        return num_tokens, rest[:needed]

    def copy(self) -> "Detokenizer":
        """One that goes on from here on its own. O(num_tokens)."""
        other = Detokenizer(self._token_bytes, self._special_text)
        other._hidden = self._hidden.copy()
        other._decoder.setstate(self._decoder.getstate())
        other._pieces = self._pieces.copy()
        other._ends = self._ends.copy()
        other._clean_counts = self._clean_counts.copy()
        other._states = self._states.copy()
        return other
