"""The xgrammar engine: rules as a pushdown automaton over bytes, with masks precomputed for the vocabulary.

What was found out of xgrammar 0.2.8 and is relied on (each has a test):

- a stop token is in the mask exactly while the root rule is fully matched; `is_terminated` with
  `terminate_without_stop_token` holds whenever the text is *a* match, even if it could go on (`[0-9]+` after one
  digit), so termination is derived from the mask;
- a negated class lets surrogates through as bytes ED A0 80; our classes never hold them;
- the forced string may end inside a character, which the Python binding cannot turn into a `str`;
- its compile cache can mix grammars up (`per_rule_fsm_hashes`), so it is off;
- a token without text is refused with a warning on stderr, so such tokens are refused before they get there.
"""

from typing import Literal

import torch
import xgrammar
from torch import Tensor

from ..bitmask import check_rollback, check_row, pack_row
from ..errors import GrammarError, UnsatisfiableConstraint
from ..rules.rule_set import RuleSet
from ..vocabulary import Vocabulary


class XGrammarEngine:
    """Compiles rules for one vocabulary. Thread-safe: what it shares is not changed after construction."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        # xgrammar wants the stop tokens' text too, but looks only at their ids; an empty text is a special token.
        self._tokenizer_info = xgrammar.TokenizerInfo(
            list(vocabulary.text_tokens),
            xgrammar.VocabType.RAW,
            vocab_size=vocabulary.vocab_size,
            stop_token_ids=sorted(vocabulary.stop_token_ids),
        )
        self._compiler = xgrammar.GrammarCompiler(self._tokenizer_info, max_threads=1, cache_enabled=False)

    def compile(self, rules: RuleSet, reason: str) -> "XGrammarCompiled":
        """Compile rules that were made here; raises `GrammarError` where the engine does not take them."""
        try:
            compiled = self._compiler.compile_grammar(rules.pruned().to_gbnf())
        except RuntimeError as error:
            raise GrammarError(f"constraint: expected rules that xgrammar compiles, got its error: {error}") from error
        return XGrammarCompiled(compiled, self.vocabulary, reason)

    def revive(self, serialized: str, reason: str) -> "XGrammarCompiled":
        """What `XGrammarCompiled.serialized` gave, in this or another process, for the same vocabulary."""
        compiled = xgrammar.CompiledGrammar.deserialize_json(serialized, self._tokenizer_info)
        return XGrammarCompiled(compiled, self.vocabulary, reason)


class XGrammarCompiled:
    """A compiled grammar."""

    engine: Literal["xgrammar"] = "xgrammar"

    def __init__(self, compiled: xgrammar.CompiledGrammar, vocabulary: Vocabulary, reason: str) -> None:
        self.reason = reason
        self._compiled = compiled
        self._vocabulary = vocabulary
        self._stop_row = pack_row(vocabulary.stop_token_ids, vocabulary.mask_words)
        start = self.new_matcher()
        if not start.is_completed and not start.has_next():
            raise UnsatisfiableConstraint(
                "constraint: expected one that some text of this vocabulary begins, got one that no token can begin"
            )

    @property
    def num_bytes(self) -> int:
        """Memory it takes, roughly."""
        return int(self._compiled.memory_size_bytes)

    def serialized(self) -> str:
        """The grammar as JSON text, without the vocabulary."""
        return str(self._compiled.serialize_json())

    def new_matcher(self) -> "XGrammarMatcher":
        """A matcher at the beginning of the text."""
        return XGrammarMatcher(xgrammar.GrammarMatcher(self._compiled), self._vocabulary, self._stop_row, 0)


class XGrammarMatcher:
    """A `Matcher` over xgrammar's."""

    num_revocable_tokens = 0

    def __init__(
        self, matcher: xgrammar.GrammarMatcher, vocabulary: Vocabulary, stop_row: Tensor, num_accepted: int
    ) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._stop_row = stop_row  # [mask_words] int32
        self._num_accepted = num_accepted
        self._is_terminated: bool | None = None  # of the present state, once asked

    def fill_bitmask(self, row: Tensor) -> bool:
        """See `Matcher`; 1 to 200 us by grammar and vocabulary."""
        check_row(row, self._vocabulary.mask_words)
        is_restricted = bool(self._matcher.fill_next_token_bitmask(row.unsqueeze(0)))
        _clear_padding(row, self._vocabulary.vocab_size)
        return is_restricted

    def accept(self, token_id: int) -> bool:
        """See `Matcher`."""
        texts = self._vocabulary.text_tokens
        if not 0 <= token_id < len(texts) or not texts[token_id]:
            return False
        if not self._matcher.accept_token(token_id):
            return False
        self._num_accepted += 1
        self._is_terminated = None
        return True

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        check_rollback(num_tokens, self._num_accepted)
        if num_tokens:
            self._matcher.rollback(num_tokens)
            self._num_accepted -= num_tokens
            self._is_terminated = None

    def fork(self) -> "XGrammarMatcher":
        """See `Matcher`."""
        twin = XGrammarMatcher(self._matcher.fork(), self._vocabulary, self._stop_row, self._num_accepted)
        twin._is_terminated = self._is_terminated
        return twin

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return bool(self._matcher.is_completed())

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`; costs a mask, once per completed state."""
        if not self.is_completed:
            return False
        if self._is_terminated is None:
            self._is_terminated = not self.has_next()
        return self._is_terminated

    def has_next(self) -> bool:
        """Whether any token but a stop token may follow."""
        row = torch.zeros(self._vocabulary.mask_words, dtype=torch.int32)  # [mask_words]
        self.fill_bitmask(row)
        return bool((row & ~self._stop_row).any())

    def forced_bytes(self) -> bytes:
        """See `Matcher`."""
        if self.is_completed:
            return b""
        try:
            return self._matcher.find_jump_forward_string().encode()
        except UnicodeDecodeError as error:  # cut inside a character; the bytes themselves are what is wanted
            return bytes(error.object)


def _clear_padding(row: Tensor, vocab_size: int) -> None:
    """Forbid the bits past the last column, which xgrammar leaves set where everything is allowed."""
    num_used = vocab_size % 32
    if num_used:
        row[-1] &= (1 << num_used) - 1
