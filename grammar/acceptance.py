"""Acceptance: whether a constraint, as enforced, lets a whole text through; what tests and users' checks ask."""

from functools import cache

from .compiler import GrammarCompiler
from .matcher import CompiledGrammar
from .spec import Constraint
from .vocabulary import Vocabulary

STOP_TOKEN_ID = 256
BYTE_VOCABULARY = Vocabulary((*(bytes([byte]) for byte in range(256)), None), frozenset({STOP_TOKEN_ID}))
"""One token a byte, and a stop token."""


def accepts(constraint: Constraint, text: str | bytes) -> bool:
    """Walk `text` byte by byte through compiler, matcher and masks; True where it may end after the last byte.

    Raises what compiling the constraint raises. The mask is asked before each byte, so that generation and
    acceptance are the same thing.
    """
    return accepts_compiled(_byte_compiler().compile(constraint), text)


def accepts_compiled(compiled: CompiledGrammar, text: str | bytes) -> bool:
    """The same for a constraint already compiled for `BYTE_VOCABULARY`."""
    return refused_at(compiled, text) is None


def refused_at(compiled: CompiledGrammar, text: str | bytes) -> int | None:
    """How many bytes of `text` are accepted before one that may not follow; None: all, and the text may end there.

    Its length where all may follow, but the text may not end. `compiled` for `BYTE_VOCABULARY`.
    """
    import torch

    from .bitmask import is_allowed

    matcher = compiled.new_matcher()
    row = torch.zeros(BYTE_VOCABULARY.mask_words, dtype=torch.int32)  # [mask_words]
    num_accepted = 0
    for byte in text.encode(errors="surrogatepass") if isinstance(text, str) else text:
        matcher.fill_bitmask(row)
        may_follow = is_allowed(row, byte)
        if not may_follow:  # `accept` may know less: a mask leaves out, too, what nothing could follow
            return num_accepted
        if not matcher.accept(byte):
            raise AssertionError(f"byte {byte}: the mask allows it, but it is not accepted")
        num_accepted += 1
    matcher.fill_bitmask(row)
    may_stop = is_allowed(row, STOP_TOKEN_ID)
    assert may_stop is matcher.is_completed, f"end: the mask says {may_stop}, is_completed {matcher.is_completed}"
    return None if may_stop else num_accepted


@cache
def _byte_compiler() -> GrammarCompiler:
    return GrammarCompiler(BYTE_VOCABULARY, max_cached=32)
