"""Draft: a guess at how a text goes on."""

from dataclasses import dataclass
from typing import Literal, get_args

NamedSource = Literal["forced", "prediction", "radix", "suffix", "counts", "model"]
"""The sources that an option may name."""

Source = NamedSource | Literal["head"]
"""Where guesses come from."""

SOURCES: tuple[NamedSource, ...] = get_args(NamedSource)


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens that may come next, in this order."""

    token_ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    """How likely each token is, those before it given."""
    source: Source

    def __post_init__(self) -> None:
        assert len(self.token_ids) == len(self.probabilities), (len(self.token_ids), len(self.probabilities))
