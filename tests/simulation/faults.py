"""Faults that a simulation puts into the engine: parts that fail when told to, and the error they fail with."""

from collections.abc import Sequence

from tiny_language import COMPILER, FAULTY_CONSTRAINTS, TOKENIZER, VOCAB_SIZE
from torch import Tensor

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.matcher import CompiledGrammar, Matcher
from palmette.grammar.spec import Constraint
from palmette.runtime.sampler import Sampler, SampleRow, Sampling
from palmette.runtime.text.detokenizer import Detokenizer


class InjectedFault(Exception):
    """An error that was asked for. `is_shared`: it may end more than the operations of one branch."""

    def __init__(self, where: str, *, is_shared: bool = False) -> None:
        self.is_shared = is_shared
        self.seeds: frozenset[int] | None = None
        """Of the branches that it may end; None: that is known otherwise."""
        super().__init__(f"injected into {where}")


def fault_of(error: BaseException | None) -> InjectedFault | None:
    """The injected fault that caused an error, if one did."""
    while error is not None and not isinstance(error, InjectedFault):
        error = error.__cause__
    return error


class FaultySampler(Sampler):
    """Fails for the rows of its victims, whatever other rows are with them."""

    def __init__(self) -> None:
        super().__init__(VOCAB_SIZE)
        self.victims: dict[tuple[int, int], InjectedFault] = {}
        """By (seed, path)."""

    def launch(self, logits: Tensor, rows: Sequence[SampleRow]) -> Sampling:
        """See `Sampler`."""
        for row in rows:
            fault = self.victims.get((row.seed, row.path))
            if fault is not None:
                raise fault
        return super().launch(logits, rows)


class FaultyMatcher:
    """Fails after `fuse` tokens."""

    def __init__(self, inner: Matcher, fuse: int) -> None:
        self._inner = inner
        self._fuse = fuse
        self._fault = InjectedFault("a matcher")

    def fill_bitmask(self, row: Tensor) -> bool:
        """See `Matcher`."""
        if self._fuse == 0:
            raise self._fault
        return self._inner.fill_bitmask(row)

    def accept(self, token_id: int) -> bool:
        """See `Matcher`."""
        self._fuse -= 1
        if self._fuse < 0:
            raise self._fault
        return self._inner.accept(token_id)

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        self._fuse += num_tokens
        self._inner.rollback(num_tokens)

    def fork(self) -> "FaultyMatcher":
        """See `Matcher`."""
        return FaultyMatcher(self._inner.fork(), self._fuse)

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return self._inner.is_completed

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`."""
        return self._inner.is_terminated

    @property
    def num_revocable_tokens(self) -> int:
        """See `Matcher`."""
        return self._inner.num_revocable_tokens

    def forced_bytes(self) -> bytes:
        """See `Matcher`."""
        return self._inner.forced_bytes()


class FaultyGrammar:
    """Makes matchers that fail."""

    def __init__(self, inner: CompiledGrammar, fuse: int) -> None:
        self._inner = inner
        self._fuse = fuse

    def new_matcher(self) -> FaultyMatcher:
        """See `CompiledGrammar`."""
        return FaultyMatcher(self._inner.new_matcher(), self._fuse)


class FaultyCompiler(GrammarCompiler):
    """The shared compiler; what it makes of the faulty constraints fails after so many tokens, if told to."""

    def __init__(self, fuse: int | None) -> None:
        super().__init__(COMPILER.vocabulary)
        self._fuse = fuse

    def compile(self, constraint: Constraint) -> CompiledGrammar:
        """See `GrammarCompiler`."""
        compiled = COMPILER.compile(constraint)
        if self._fuse is None or constraint not in FAULTY_CONSTRAINTS:
            return compiled
        return FaultyGrammar(compiled, self._fuse)


class FaultyDetokenizer(Detokenizer):
    """Fails after `fuse` tokens."""

    fuse = 0

    def append(self, token_id: int) -> str:
        """See `Detokenizer`."""
        self.fuse -= 1
        if self.fuse < 0:
            raise InjectedFault("a detokeniser")
        return super().append(token_id)


class FaultyTokenizer:
    """The shared tokenizer; the next detokeniser it makes fails after so many tokens, if told to."""

    def __init__(self) -> None:
        self.fuse: int | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(TOKENIZER, name)

    def detokenizer(self, *, skip_special_tokens: bool = True, num_hidden_bytes: int = 0) -> Detokenizer:
        """See `Tokenizer`."""
        if self.fuse is None:
            return TOKENIZER.detokenizer(skip_special_tokens=skip_special_tokens, num_hidden_bytes=num_hidden_bytes)
        special_text = None if skip_special_tokens else TOKENIZER.special_text
        faulty = FaultyDetokenizer(TOKENIZER.token_bytes, special_text, num_hidden_bytes=num_hidden_bytes)
        faulty.fuse, self.fuse = self.fuse, None
        return faulty
