"""SegmentStore: token ids of texts that were computed, kept longer than their KV cells, with an index of their runs."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

RUN_LENS: Final = (16, 8, 4, 2)
"""Lengths of the runs that are indexed, longest first."""

CHAINED_LEN: Final = 4
"""Places that follow the same run of this length are chained; of a shorter run only the latest is known."""

MAX_PLACES: Final = 4
"""Places of one run that are looked at, the latest."""

_NOWHERE: Final = -1


class SegmentStore:
    """What was written after a run of tokens, by namespace, in texts of late.

    Bounded: there are two halves, and where the younger one is full, the older one goes, so that between half of
    `max_tokens` and all of them are kept. A token takes 12 bytes and four entries of the index.
    """

    def __init__(self, max_tokens: int) -> None:
        assert max_tokens >= 2, f"max_tokens: expected at least 2, got {max_tokens}"
        self._half_len = max_tokens // 2
        self._halves = [_Half()]  # the younger one first

    @property
    def num_tokens(self) -> int:
        """Tokens kept, those included that were given as `before`."""
        return sum(len(half) for half in self._halves)

    def clear(self) -> None:
        """Keep nothing."""
        self._halves = [_Half()]

    def add(self, namespace: str, before: Sequence[int], token_ids: Sequence[int]) -> None:
        """Keep `token_ids`; `before`: what stood before them, of which the last few tokens are looked at. O(tokens)."""
        context = before[max(0, len(before) - RUN_LENS[0]) :]
        for start in range(0, len(token_ids), self._half_len):
            part = token_ids[start : start + self._half_len]
            if len(self._halves[0]) + len(part) > self._half_len and len(self._halves[0]):
                self._halves = [_Half(), self._halves[0]]
            self._halves[0].add(namespace, context, part)
            context = part[max(0, len(part) - RUN_LENS[0]) :]

    def after(self, namespace: str, recent: Sequence[int], max_len: int) -> tuple[int, list[tuple[int, ...]]]:
        """The longest run at the end of `recent` that is known: its length, and what followed it, latest first.

        O(1) but for what is returned; 0 and nothing where no run is known.
        """
        for run_len in RUN_LENS:
            if len(recent) < run_len:
                continue
            run = array("i", recent[len(recent) - run_len :])
            ways = [way for half in self._halves for way in half.after(namespace, run, max_len)]
            if ways:
                return run_len, ways[:MAX_PLACES]
        return 0, []


class _Half:
    """Segments, laid end to end, and where each run of them is."""

    def __init__(self) -> None:
        self._token_ids = array("i")
        self._ends = array("i")  # of each place's segment
        self._earlier = array("i")  # the place before that follows the same chained run
        self._places: dict[int, int] = {}  # by the hash of namespace and run: the latest place that follows it

    def __len__(self) -> int:
        return len(self._token_ids)

    def add(self, namespace: str, context: Sequence[int], token_ids: Sequence[int]) -> None:
        base = len(self._token_ids)
        self._token_ids.extend(context)
        self._token_ids.extend(token_ids)
        num_new = len(self._token_ids) - base
        self._ends.extend([len(self._token_ids)] * num_new)
        self._earlier.extend([_NOWHERE] * num_new)
        raw = self._token_ids[base:].tobytes()
        places, earlier = self._places, self._earlier
        item_len = self._token_ids.itemsize
        for place in range(len(context), num_new):
            for run_len in RUN_LENS:
                if run_len > place:
                    continue
                key = hash((namespace, raw[(place - run_len) * item_len : place * item_len]))
                if run_len == CHAINED_LEN:
                    earlier[base + place] = places.get(key, _NOWHERE)
                places[key] = base + place

    def after(self, namespace: str, run: "array[int]", max_len: int) -> Iterator[tuple[int, ...]]:
        run_len = len(run)
        place = self._places.get(hash((namespace, run.tobytes())), _NOWHERE)
        num_seen = 0
        while place != _NOWHERE and num_seen < MAX_PLACES:
            num_seen += 1
            # Other runs have the same hash, and earlier places are chained by runs of another length.
            if place >= run_len and self._token_ids[place - run_len : place] == run:
                yield tuple(self._token_ids[place : min(self._ends[place], place + max_len)])
            place = self._earlier[place]
