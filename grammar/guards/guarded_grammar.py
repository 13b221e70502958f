"""GuardedGrammar: a compiled grammar that allows too much, with the checks that take what is too much away."""

from ..matcher import CompiledGrammar, EngineName
from ..vocabulary import Vocabulary
from .frames import Frames
from .guard_plan import GuardPlan
from .guarded_matcher import GuardedMatcher
from .json_reader import JsonReader
from .look_ahead import look_ahead_tokens
from .opening_tokens import OpeningTokens
from .token_classes import token_classes

GUARD_BYTES = 50_000
"""What the checks of a grammar take beside the inner one, roughly: what they remember of values is bounded."""


class GuardedGrammar:
    """A `CompiledGrammar`: `inner`, narrowed by a plan for the whole text or by those of the documents in it.

    Shared by all matchers made from it; what they share and change are memos of pure functions.
    """

    def __init__(
        self,
        inner: CompiledGrammar,
        guards: GuardPlan | Frames,
        vocabulary: Vocabulary,
        *,
        looks_ahead: bool = True,
    ) -> None:
        """`looks_ahead`: masks leave out tokens, too, after which no check could come to hold."""
        self._inner = inner
        self._vocabulary = vocabulary
        self._reader = JsonReader(guards)
        is_whole = isinstance(guards, GuardPlan)
        self._classes = token_classes(vocabulary, is_whole=is_whole)
        self._openings = None if is_whole else OpeningTokens(vocabulary)
        self._look_ahead = look_ahead_tokens(vocabulary) if looks_ahead else None

    @property
    def engine(self) -> EngineName:
        """See `CompiledGrammar`: the engine of the grammar below."""
        return self._inner.engine

    @property
    def reason(self) -> str:
        """See `CompiledGrammar`."""
        return f"{self._inner.reason}; guards check what a grammar cannot say"

    @property
    def num_bytes(self) -> int:
        """See `CompiledGrammar`."""
        return self._inner.num_bytes + GUARD_BYTES

    @property
    def inner(self) -> CompiledGrammar:
        """The grammar without its guards."""
        return self._inner

    def new_matcher(self) -> GuardedMatcher:
        """A matcher at the beginning of the text."""
        return GuardedMatcher(
            self._inner.new_matcher(), self._reader, self._classes, self._openings, self._vocabulary, self._look_ahead
        )
