"""Prophet: a drafter that knows the answers by their prompts, and mixes them with nonsense."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from palmette.runtime.speculation.draft import Draft, Source
from palmette.runtime.speculation.drafter import DraftText


@dataclass
class Prophet:
    """Guesses from the answers to a prompt, each cut somewhere and some with a wrong token in them."""

    answers: Mapping[tuple[int, ...], Sequence[Sequence[int]]]
    vocab_size: int
    seed: int
    source: Source = "counts"

    def begin(self, text: DraftText) -> "Prophecy | None":
        """See `Drafter`."""
        answers = self.answers.get(tuple(text.token_ids[: text.start]))
        return Prophecy(self, text, answers, random.Random(self.seed)) if answers else None


@dataclass
class Prophecy:
    """What is foretold of one text."""

    prophet: Prophet
    text: DraftText
    answers: Sequence[Sequence[int]]
    chooser: random.Random

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        num_written = len(self.text.token_ids) - self.text.start
        for _ in range(self.chooser.randint(0, 3)):
            answer = self.chooser.choice(self.answers)
            way = list(answer[num_written : num_written + self.chooser.randint(0, max_len)])
            if way and self.chooser.random() < 0.6:
                way[self.chooser.randrange(len(way))] = self.chooser.randrange(self.prophet.vocab_size)
            yield Draft(tuple(way), tuple(self.chooser.uniform(0.7, 1.0) for _ in way), self.prophet.source)
