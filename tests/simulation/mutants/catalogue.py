"""The catalogue: all mutants, and why some are known to survive."""

from .ahead_mutants import AHEAD_MUTANTS
from .cache_mutants import CACHE_MUTANTS
from .engine_mutants import ENGINE_MUTANTS
from .generation_mutants import GENERATION_MUTANTS
from .guess_mutants import GUESS_MUTANTS
from .memory_mutants import MEMORY_MUTANTS
from .mutation import Mutation
from .scheduler_mutants import SCHEDULER_MUTANTS

CATALOGUE: tuple[Mutation, ...] = (
    *CACHE_MUTANTS,
    *MEMORY_MUTANTS,
    *SCHEDULER_MUTANTS,
    *ENGINE_MUTANTS,
    *GENERATION_MUTANTS,
    *GUESS_MUTANTS,
    *AHEAD_MUTANTS,
)

REASONS: dict[str, str] = {
    "open-node-grows-over-ranks": "No answer depends on which text is evicted first; this only makes the choice worse.",
    "failed-row-goes-on": "It takes a further sample that fails by itself, in the same step in which the first takes a "
    "token of text.",
    "join-before-pending-text": "It takes a child that rewrites the seam, joined before another one that does not, and "
    "then an operation that looks at the tape.",
}
"""By the name of a mutant that survives."""
