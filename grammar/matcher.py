"""Matcher: one branch's walk through a compiled constraint, as a port that every engine fills."""

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # torch is heavy, and only a name here
    from torch import Tensor

EngineName = Literal["llguidance", "xgrammar", "automaton"]
"""What enforces a grammar: a lazy lexer and parser, a precomputed pushdown automaton, or our own trie."""


class Matcher(Protocol):
    """What the constraint allows next, after the tokens accepted so far.

    A matcher belongs to one branch and is not shared between threads while it changes; different matchers of one
    compiled constraint may be used from different threads at the same time. Any of its methods may raise
    `ConstraintTooComplex`, where the engine has reached a limit: the text cannot be gone on with.
    """

    def fill_bitmask(self, row: "Tensor") -> bool:
        """Write which tokens may come next into `row`: [mask_words] int32 on the CPU.

        Bit `i` of word `w` allows token `32 * w + i`. Stop tokens are allowed exactly while `is_completed`. A token
        after which nothing could follow may be left out, though `accept` would take it. A row
        without any bit is a dead end, which only guards leave: some of the `num_revocable_tokens` must be taken back.
        Returns False only where nothing is forbidden (the row is written all the same).
        """
        ...

    def accept(self, token_id: int) -> bool:
        """Go one token on; False, and nothing changes, where the token is forbidden.

        A stop token is never accepted: that the text ends is the engine's business, not the walk's.
        """
        ...

    def rollback(self, num_tokens: int) -> None:
        """Take back the last `num_tokens` accepted tokens; raises `ValueError` where fewer were accepted."""
        ...

    def fork(self) -> "Matcher":
        """A matcher in the same state, whose further walk is its own."""
        ...

    @property
    def is_completed(self) -> bool:
        """Whether the text so far is a whole match: a stop token would be legal here."""
        ...

    @property
    def is_terminated(self) -> bool:
        """Whether the text is a whole match and no token can follow: the only legal continuation is to stop."""
        ...

    @property
    def num_revocable_tokens(self) -> int:
        """How many of the last accepted tokens a dead end may still take back; 0 where nothing is guarded."""
        ...

    def forced_bytes(self) -> bytes:
        """The bytes every continuation begins with; empty while `is_completed`. May end inside a character."""
        ...


class CompiledGrammar(Protocol):
    """A constraint made ready for one vocabulary; immutable, shared by all branches that use it."""

    @property
    def engine(self) -> EngineName:
        """What enforces it."""
        ...

    @property
    def reason(self) -> str:
        """Why that engine, in a short sentence."""
        ...

    @property
    def num_bytes(self) -> int:
        """Memory it takes, roughly; may grow while it is used."""
        ...

    def new_matcher(self) -> Matcher:
        """A matcher at the beginning of the text."""
        ...
