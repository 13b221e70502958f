"""WildDrafts: guesses drawn at random from a few tokens, right now and then, in trees of all shapes."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from palmette.runtime.speculation.draft import Draft, Source
from palmette.runtime.speculation.drafter import DraftText


@dataclass
class WildDrafts:
    """A drafter that knows nothing."""

    vocabulary: Sequence[int]
    seed: int
    source: Source = "suffix"

    def begin(self, text: DraftText) -> "_WildGuesser":
        """See `Drafter`."""
        return _WildGuesser(self, random.Random(self.seed + text.start))


@dataclass
class _WildGuesser:
    drafter: WildDrafts
    chooser: random.Random
    source: Source = "suffix"

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        for _ in range(self.chooser.randint(0, 4)):
            length = self.chooser.randint(1, min(max_len, 4))
            way = tuple(self.chooser.choice(self.drafter.vocabulary) for _ in range(length))
            yield Draft(way, tuple(self.chooser.uniform(0.6, 1.0) for _ in way), self.source)
