"""Our own engine for a choice among strings: a trie that is never built, only bisected.

The sorted choices are the trie: a node is the range of choices that share a prefix, and its length.

        0  cat            ()  = [0, 3) of length 0
        1  cattle         "cat" = [0, 2) of length 3: choice 0 ends here, choice 1 goes on
        2  dog            "d" = [2, 3) of length 1

So is the vocabulary, sorted by bytes. Which tokens may follow a node is found by walking both at once, narrowing
two ranges by one byte a step: the work is that of the byte strings which begin both a choice and a token.
"""

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from torch import Tensor

from ..bitmask import check_rollback, check_row, pack_row
from ..rules.expression import shared_len
from ..vocabulary import Vocabulary

MAX_ROW_BYTES = 4_000_000
"""Mask rows kept for each grammar."""
BYTES_PER_CHOICE = 41
BYTES_PER_ROW = 500
_PAST_UTF8 = b"\xff"  # greater than any byte of UTF-8 text


@dataclass(frozen=True, slots=True)
class TrieNode:
    """The choices `first` to `end` - 1, which share their first `prefix_len` bytes."""

    first: int
    end: int
    prefix_len: int


class CompiledChoice:
    """Sorted choices; shares the mask rows of its nodes among all matchers. Thread-safe."""

    engine: Literal["automaton"] = "automaton"

    def __init__(self, choices: tuple[str, ...], vocabulary: Vocabulary, reason: str) -> None:
        """`choices`: at least one, all different. O(n log n)."""
        self.choices = sorted(choice.encode() for choice in choices)
        self.vocabulary = vocabulary
        self.reason = reason
        self._num_choice_bytes = sum(map(len, self.choices)) + BYTES_PER_CHOICE * len(self.choices)
        self._max_rows = max(1, MAX_ROW_BYTES // (4 * vocabulary.mask_words))
        self._rows: OrderedDict[TrieNode, Tensor] = OrderedDict()
        self._lock = Lock()

    @property
    def num_bytes(self) -> int:
        """Memory it takes, roughly; grows with the rows that are kept."""
        return self._num_choice_bytes + len(self._rows) * (4 * self.vocabulary.mask_words + BYTES_PER_ROW)

    def new_matcher(self) -> "ChoiceMatcher":
        """A matcher at the beginning of the text."""
        return ChoiceMatcher(self, [TrieNode(0, len(self.choices), 0)])

    def child(self, node: TrieNode, text: bytes) -> TrieNode | None:
        """The node `text` further on, or None where no choice goes on so. O(log n)."""
        prefix = self.choices[node.first][: node.prefix_len] + text
        first = bisect_left(self.choices, prefix, node.first, node.end)
        end = bisect_left(self.choices, prefix + _PAST_UTF8, first, node.end)
        return TrieNode(first, end, len(prefix)) if first < end else None

    def is_completed(self, node: TrieNode) -> bool:
        """Whether a choice ends at the node; the shortest of a range comes first."""
        return len(self.choices[node.first]) == node.prefix_len

    def is_terminated(self, node: TrieNode) -> bool:
        """Whether a choice ends at the node and none goes on."""
        return self.is_completed(node) and node.end - node.first == 1

    def forced_bytes(self, node: TrieNode) -> bytes:
        """What all choices of the node go on with; the ends of a sorted range differ first."""
        if self.is_completed(node):
            return b""
        first, last = self.choices[node.first], self.choices[node.end - 1]
        return first[node.prefix_len : shared_len(first, last)]

    def row(self, node: TrieNode) -> Tensor:
        """The mask after `node`: [mask_words] int32; not to be changed."""
        with self._lock:
            row = self._rows.get(node)
            if row is not None:
                self._rows.move_to_end(node)
                return row
        row = self._make_row(node)
        with self._lock:
            self._rows[node] = row
            while len(self._rows) > self._max_rows:
                self._rows.popitem(last=False)
        return row

    def _make_row(self, node: TrieNode) -> Tensor:
        stops = self.vocabulary.stop_token_ids if self.is_completed(node) else ()
        return pack_row((*self._allowed(node), *stops), self.vocabulary.mask_words)

    def _allowed(self, node: TrieNode) -> list[int]:
        """Ids of the tokens on the paths below `node`."""
        texts, token_ids = self.vocabulary.sorted_texts, self.vocabulary.sorted_token_ids
        allowed: list[int] = []
        pending = [(node, 0, len(texts))]
        while pending:
            here, first_token, end_token = pending.pop()
            path_len = here.prefix_len - node.prefix_len
            # Tokens that end here come before those that go on; doubles of one text lie together.
            while path_len and first_token < end_token and len(texts[first_token]) == path_len:
                allowed.append(token_ids[first_token])
                first_token += 1
            if first_token == end_token:
                continue
            path = texts[first_token][:path_len]
            start = here.first
            while start < here.end and len(self.choices[start]) == here.prefix_len:
                start += 1
            while start < here.end:
                byte = self.choices[start][here.prefix_len : here.prefix_len + 1]
                prefix = self.choices[start][: here.prefix_len] + byte
                end = bisect_left(self.choices, prefix + _PAST_UTF8, start, here.end)
                low = bisect_left(texts, path + byte, first_token, end_token)
                high = bisect_left(texts, path + bytes([byte[0] + 1]), low, end_token)
                if low < high:
                    pending.append((TrieNode(start, end, here.prefix_len + 1), low, high))
                start = end
        return allowed


class ChoiceMatcher:
    """A `Matcher` that keeps the path of nodes it came, so that rollback costs nothing."""

    num_revocable_tokens = 0

    def __init__(self, compiled: CompiledChoice, path: list[TrieNode]) -> None:
        self._compiled = compiled
        self._path = path

    def fill_bitmask(self, row: Tensor) -> bool:
        """See `Matcher`; a copy once the node's row is known."""
        check_row(row, self._compiled.vocabulary.mask_words)
        row.copy_(self._compiled.row(self._path[-1]))
        return True

    def accept(self, token_id: int) -> bool:
        """See `Matcher`; O(log n)."""
        texts = self._compiled.vocabulary.text_tokens
        if not 0 <= token_id < len(texts) or not texts[token_id]:
            return False
        node = self._compiled.child(self._path[-1], texts[token_id])
        if node is None:
            return False
        self._path.append(node)
        return True

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        check_rollback(num_tokens, len(self._path) - 1)
        del self._path[len(self._path) - num_tokens :]

    def fork(self) -> "ChoiceMatcher":
        """See `Matcher`."""
        return ChoiceMatcher(self._compiled, list(self._path))

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return self._compiled.is_completed(self._path[-1])

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`."""
        return self._compiled.is_terminated(self._path[-1])

    def forced_bytes(self) -> bytes:
        """See `Matcher`."""
        return self._compiled.forced_bytes(self._path[-1])
