"""CountDrafts: the token that most often followed, under the same constraint, learnt as texts are written."""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

from .draft import Draft, Source
from .drafter import DraftText

_STATE_LEN: Final = 3
"""Tokens before a place that stand for the state of the grammar there."""

_MAX_CONSTRAINTS: Final = 256
_MAX_STATES: Final = 8192
"""Of one constraint; a place that is new when there are so many is not learnt."""


class CountDrafts:
    """Counts, of each constraint and namespace, which token came after which state.

    What a grammar has read so far is no token of its state; the last few tokens of the value tell states apart well
    enough for a guess: what follows a key, a comma, the beginning of a string.
    """

    source: Source = "counts"

    def __init__(self) -> None:
        self._counts: OrderedDict[Hashable, dict[tuple[int, ...], Counter[int]]] = OrderedDict()

    def begin(self, text: DraftText) -> "_CountedText | None":
        """See `Drafter`."""
        if text.constraint_key is None:
            return None
        key = (text.namespace, text.constraint_key)
        counts = self._counts.setdefault(key, {})
        self._counts.move_to_end(key)
        if len(self._counts) > _MAX_CONSTRAINTS:
            self._counts.popitem(last=False)
        return _CountedText(text, counts)

    def forget(self) -> None:
        """See `RememberingDrafter`."""
        self._counts.clear()


class _CountedText:
    """Learns from one text and guesses for it."""

    source: Source = "counts"

    def __init__(self, text: DraftText, counts: dict[tuple[int, ...], Counter[int]]) -> None:
        self._text = text
        self._counts = counts
        self._num_learnt = text.start

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        self._learn()
        token_ids = self._text.token_ids
        value = list(token_ids[max(self._text.start, len(token_ids) - _STATE_LEN) :])  # its end says the state
        way: list[int] = []
        probabilities: list[float] = []
        while len(way) < max_len:
            counts = self._counts.get(_state(value))
            if not counts:
                break
            ((token_id, num_times),) = counts.most_common(1)
            # As if each had been seen half a time more elsewhere: what was seen once is no certainty.
            probabilities.append((num_times + 0.5) / (counts.total() + 1))
            way.append(token_id)
            value.append(token_id)
        if way:
            yield Draft(tuple(way), tuple(probabilities), self.source)

    def _learn(self) -> None:
        token_ids, start = self._text.token_ids, self._text.start
        for place in range(self._num_learnt, len(token_ids)):
            state = _state(token_ids[max(start, place - _STATE_LEN) : place])
            counts = self._counts.get(state)
            if counts is None:
                if len(self._counts) >= _MAX_STATES:
                    continue
                counts = self._counts[state] = Counter()
            counts[token_ids[place]] += 1
        self._num_learnt = len(token_ids)  # tokens that are taken back were right when they were written


def _state(value: Sequence[int]) -> tuple[int, ...]:
    return tuple(value[max(0, len(value) - _STATE_LEN) :])
