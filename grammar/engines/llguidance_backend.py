"""The llguidance engine: a lazy lexer of regular lexemes under an Earley parser; nothing is precomputed.

What was found out of llguidance 1.9.1 and is relied on (each has a test):

- the lexer takes the longest match: with lexemes `a` and `aac`, `a` before `ab` is never found; with `a+` before
  `a`, nothing is. Of lexemes that match the same text all are kept, and only those that the parser may use next are
  looked for. `lexemes.py` cuts rules so that this loses nothing;
- where bytes are forced, a mask holds only the one token that its own tokenizer would write; `no_forcing` turns that
  off, and `compute_ff_bytes` works all the same. The bytes may end inside a character, and are none at a whole match;
- `try_consume_tokens` of a forbidden token changes nothing, while `consume_token` ends the matcher for good;
- all stop tokens are in the mask exactly while the text is a whole match, and no bits stand past the vocabulary;
- a copy shares the lexer, under a lock, with the original: states found by one branch are there for all, and the
  copy itself takes 2 us. After an error at a limit of the lexer the shared lexer is spent, so it is made anew;
- a token whose first byte is FF is taken as the name of a special one; no text holds that byte, so such tokens are
  shown to it as empty;
- masks of long strings are quick (12 us instead of 280 at 32 k tokens) where the tokens of plain text are known as a
  slice (`json_slices`) and repeats are counted, not written out; `rules/counting.py` sees to that.
"""

from threading import Lock
from typing import Literal

import torch
from llguidance import LLMatcher
from torch import Tensor

from ..bitmask import check_rollback, check_row, pack_row
from ..errors import ConstraintTooComplex, UnsatisfiableConstraint
from .llguidance_engine import LlguidanceEngine

_NO_TOKEN = "NoExtension"
"""How its error begins where no token of the vocabulary can follow."""
BASE_NUM_BYTES = 300_000
"""What the lexer of a small grammar takes after some use."""
BYTES_PER_CHARACTER = 60


class LlguidanceCompiled:
    """A grammar ready for use. Thread-safe."""

    engine: Literal["llguidance"] = "llguidance"

    def __init__(self, grammar: str, engine: LlguidanceEngine, reason: str) -> None:
        self.grammar = grammar
        self.reason = reason
        self.num_bytes = BASE_NUM_BYTES + BYTES_PER_CHARACTER * len(grammar)
        self._engine = engine
        self._lock = Lock()
        self._start = engine.matcher(grammar)
        self._stop_row = pack_row(engine.vocabulary.stop_token_ids, engine.vocabulary.mask_words)
        if not self.new_matcher().can_begin():
            raise UnsatisfiableConstraint(
                "constraint: expected one that some text of this vocabulary begins, got one that no token can begin"
            )

    def new_matcher(self) -> "LlguidanceMatcher":
        """A matcher at the beginning of the text."""
        with self._lock:
            matcher = self._start.deep_copy()
        return LlguidanceMatcher(matcher, self, self._engine, self._stop_row, 0)

    def renew(self) -> None:
        """Begin with a fresh lexer: the shared one has reached a limit."""
        with self._lock:
            self._start = self._engine.matcher(self.grammar)


class LlguidanceMatcher:
    """A `Matcher` over llguidance's."""

    num_revocable_tokens = 0

    def __init__(
        self,
        matcher: LLMatcher,
        compiled: LlguidanceCompiled,
        engine: LlguidanceEngine,
        stop_row: Tensor,
        num_accepted: int,
    ) -> None:
        self._matcher = matcher
        self._compiled = compiled
        self._engine = engine
        self._vocabulary = engine.vocabulary
        self._stop_row = stop_row  # [mask_words] int32
        self._num_accepted = num_accepted
        self._is_terminated: bool | None = None  # of the present state, once asked

    def fill_bitmask(self, row: Tensor) -> bool:
        """See `Matcher`; without the interpreter's lock. Raises `ConstraintTooComplex`."""
        check_row(row, self._vocabulary.mask_words)
        if not row.is_contiguous():
            raise ValueError("row: expected a contiguous row, got one with a stride; use a row of the mask as it is")
        num_bytes = self._engine.num_mask_bytes
        if num_bytes == 4 * row.numel():
            self._matcher.unsafe_compute_mask_ptr(row.data_ptr(), num_bytes)
            self._check()
        else:
            wider = torch.zeros(num_bytes // 4, dtype=torch.int32)  # [mask_words + 1]
            self._matcher.unsafe_compute_mask_ptr(wider.data_ptr(), num_bytes)
            self._check()
            row.copy_(wider[: row.numel()])
        if not self._vocabulary.stop_token_ids:
            _clear_padding(row, self._vocabulary.vocab_size)
        return True

    def accept(self, token_id: int) -> bool:
        """See `Matcher`. Raises `ConstraintTooComplex`."""
        texts = self._vocabulary.text_tokens
        if not 0 <= token_id < len(texts) or not texts[token_id]:
            return False
        if self._matcher.try_consume_tokens([token_id]) == 0:
            self._check()
            return False
        self._num_accepted += 1
        self._is_terminated = None
        return True

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        check_rollback(num_tokens, self._num_accepted)
        if num_tokens:
            self._matcher.rollback(num_tokens)
            self._check()
            self._num_accepted -= num_tokens
            self._is_terminated = None

    def fork(self) -> "LlguidanceMatcher":
        """See `Matcher`."""
        twin = LlguidanceMatcher(
            self._matcher.deep_copy(), self._compiled, self._engine, self._stop_row, self._num_accepted
        )
        twin._is_terminated = self._is_terminated
        return twin

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return self._matcher.is_accepting()

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`; costs a mask, once per completed state."""
        if not self.is_completed:
            return False
        if self._is_terminated is None:
            self._is_terminated = self._matcher.is_stopped() or not self.has_next()
        return self._is_terminated

    def has_next(self) -> bool:
        """Whether any token but a stop token may follow."""
        row = torch.zeros(self._vocabulary.mask_words, dtype=torch.int32)  # [mask_words]
        self.fill_bitmask(row)
        return bool((row & ~self._stop_row).any())

    def can_begin(self) -> bool:
        """Whether the text may end here or some token may follow."""
        try:
            return self.is_completed or self.has_next()
        except ConstraintTooComplex as error:
            if error.reason.startswith(_NO_TOKEN):
                return False
            raise

    def forced_bytes(self) -> bytes:
        """See `Matcher`."""
        return b"" if self.is_completed else self._matcher.compute_ff_bytes()

    def _check(self) -> None:
        if self._matcher.is_error():
            self._compiled.renew()
            raise ConstraintTooComplex("llguidance", _first_line(self._matcher))


def _first_line(matcher: LLMatcher) -> str:
    return matcher.get_error().partition("\n")[0].removeprefix("ERROR: ")


def _clear_padding(row: Tensor, vocab_size: int) -> None:
    """Forbid the bits past the last column, one of which is the stop token that is not there."""
    num_used = vocab_size % 32
    if num_used:
        row[-1] &= (1 << num_used) - 1
