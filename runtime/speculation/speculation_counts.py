"""SpeculationCounts: what was guessed and what was right since the start, for whoever watches the engine."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from .draft import SOURCES, Source


@dataclass
class SpeculationCounts:
    """Since the start."""

    num_drafted: Counter[Source] = field(default_factory=Counter)
    """Guesses that were computed; one that several sources made counts for each."""
    num_accepted: Counter[Source] = field(default_factory=Counter)
    num_drafted_tokens: int = 0
    num_accepted_tokens: int = 0
    num_failures: int = 0
    """Guessers that failed."""
    num_verifications: int = 0
    """Times that guesses of one text were checked by a pass."""
    num_verified_tokens: int = 0
    """Tokens that came of these, one or more of each."""

    def stats(self) -> Mapping[str, int]:
        """By name, those of each source too; all are there, whoever guesses."""
        stats = {
            "num_drafted_tokens": self.num_drafted_tokens,
            "num_accepted_tokens": self.num_accepted_tokens,
            "num_verifications": self.num_verifications,
            "num_verified_tokens": self.num_verified_tokens,
            "num_guesser_failures": self.num_failures,
        }
        for source in SOURCES:
            stats[f"num_drafted_tokens_{source}"] = self.num_drafted[source]
            stats[f"num_accepted_tokens_{source}"] = self.num_accepted[source]
        return stats
