"""Acceptance: how often each source's guesses were right, against how often it said they would be."""

from dataclasses import dataclass, field
from typing import Final

from .draft import Source

_MEMORY: Final = 0.97
"""Share of the record that is kept at each guess: about the last 30 count."""

_PRIOR: Final = 4.0
"""Guesses for which the record of all texts counts, in that of one."""

_MIN_TRUST, _MAX_TRUST = 0.02, 1.5


@dataclass
class _Tally:
    expected: float = 0.0
    right: float = 0.0

    def add(self, chance: float, is_right: bool) -> None:
        self.expected = _MEMORY * self.expected + chance
        self.right = _MEMORY * self.right + is_right


@dataclass
class Acceptance:
    """One text's record, or with `parent` None that of all texts."""

    parent: "Acceptance | None" = None
    _tallies: dict[Source, _Tally] = field(default_factory=dict)

    def add(self, source: Source, chance: float, is_right: bool) -> None:
        """A guess of `source`, whose parent was right, was looked at."""
        self._tallies.setdefault(source, _Tally()).add(chance, is_right)
        if self.parent is not None:
            self.parent.add(source, chance, is_right)

    def trust(self, source: Source) -> float:
        """By what the probabilities of the source are to be multiplied."""
        prior = 1.0 if self.parent is None else self.parent.trust(source)
        tally = self._tallies.get(source)
        if tally is None:
            return prior
        ratio = (tally.right + _PRIOR * prior) / (tally.expected + _PRIOR)
        return min(max(ratio, _MIN_TRUST), _MAX_TRUST)
