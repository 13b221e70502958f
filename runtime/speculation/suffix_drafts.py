"""SuffixDrafts: what followed the text's last tokens elsewhere, in itself or in other texts."""

from collections.abc import Iterable
from typing import Final

from .draft import Draft, Source
from .drafter import DraftText
from .segment_store import RUN_LENS, SegmentStore

_TRUST: Final = {16: 0.95, 8: 0.85, 4: 0.6, 2: 0.3}
"""How likely the next token is the one that followed a run of that length, where all places agree."""

_SHORTEST: Final = RUN_LENS[-1]

_MIN_LEN_OF_FREE: Final = 8
"""Where nothing holds a text to a form, a few tokens that it has in common with another say too little."""


class SuffixDrafts:
    """Guesses by the last 16, 8, 4 or 2 tokens, as in prompt lookup (Saxena 2023) and SAM-Decoding (Hu et al. 2024,
    arXiv:2411.10666), here over all texts of the namespace of late.
    """

    source: Source = "suffix"

    def __init__(self, store: SegmentStore) -> None:
        self._store = store

    def begin(self, text: DraftText) -> "_SuffixSearch":
        """See `Drafter`."""
        return _SuffixSearch(self._store, text)

    def forget(self) -> None:
        """See `RememberingDrafter`."""
        self._store.clear()


class _SuffixSearch:
    """Looks into the store, and into what the generation itself has written, which is not in the store yet."""

    source: Source = "suffix"

    def __init__(self, store: SegmentStore, text: DraftText) -> None:
        self._store = store
        self._text = text
        self._min_len = _MIN_LEN_OF_FREE if text.matcher is None else 0
        self._num_indexed = text.start  # of the tape
        self._places: dict[tuple[int, ...], int] = {}  # after each shortest run of what was written, the last one

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        self._index_own()
        token_ids = self._text.token_ids
        recent = token_ids[max(0, len(token_ids) - RUN_LENS[0]) :]
        run_len, ways = self._store.after(self._text.namespace, recent, max_len)
        own = self._own_way(max_len)
        if own is not None:
            run_len, ways = max(run_len, own[0]), [own[1], *ways] if own[0] >= run_len else ways
        if ways and run_len >= self._min_len:
            yield from _counted(ways, _TRUST[run_len])

    def _index_own(self) -> None:
        token_ids = self._text.token_ids
        if len(token_ids) < self._num_indexed:  # some were taken back
            self._num_indexed = self._text.start
            self._places.clear()
        # The last run is that which is looked for: what follows it is not known yet.
        for end in range(max(self._num_indexed, self._text.start, _SHORTEST), len(token_ids)):
            self._places[tuple(token_ids[end - _SHORTEST : end])] = end
        self._num_indexed = max(self._num_indexed, len(token_ids))

    def _own_way(self, max_len: int) -> tuple[int, tuple[int, ...]] | None:
        token_ids = self._text.token_ids
        if len(token_ids) < _SHORTEST:
            return None
        end = self._places.get(tuple(token_ids[len(token_ids) - _SHORTEST :]))
        if end is None:
            return None
        length = next(
            run_len
            for run_len in RUN_LENS
            if run_len == _SHORTEST
            or (end >= run_len and token_ids[end - run_len : end] == token_ids[len(token_ids) - run_len :])
        )
        return length, tuple(token_ids[end : end + max_len])


def _counted(ways: list[tuple[int, ...]], trust: float) -> Iterable[Draft]:
    """Each way once, its tokens as likely as the ways that agree so far say."""
    for way in dict.fromkeys(ways):
        probabilities: list[float] = []
        agreeing = ways
        for index, token_id in enumerate(way):
            if len(agreeing) == 1:
                probabilities += [trust] * (len(way) - index)
                break
            num_going_on = sum(len(each) > index for each in agreeing)
            agreeing = [each for each in agreeing if len(each) > index and each[index] == token_id]
            probabilities.append(trust * len(agreeing) / num_going_on)
        if way:
            yield Draft(way, tuple(probabilities), "suffix")
