"""PredictionDrafts: what follows in the text that the caller expects, such as a file of which a little is to change."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from .draft import Draft, Source
from .drafter import DraftText

_ANCHOR_LENS: Final = (4, 2)
"""After a divergence the text is found again by its last so many tokens, the longer run first."""

_TRUST: Final = {4: 0.8, 2: 0.5}
"""How likely the text goes on as the prediction does after such a run."""

_ON_THE_WAY: Final = 0.9
"""The same while it follows the prediction."""

_NEXT: Final = 0.97
"""How likely a further token is right, where the one before it was."""

_CHARS_A_TOKEN: Final = 8
_MIN_CHARS: Final = 8192
"""A prediction is looked at as far as that many characters for each token that the text may have, and these."""

_REPLACED: Final = 0.3
"""How likely the first token that is another stands in the place of one of the prediction."""


class PredictionDrafts:
    """Guesses from the prediction that came with the request (as OpenAI's parameter of that name)."""

    source: Source = "prediction"

    def __init__(self, tokenize: Callable[[str], Sequence[int]]) -> None:
        """`tokenize`: text inside a text, in which no special token is spelt."""
        self._tokenize = tokenize
        self._last: _IndexedPrediction | None = None

    def begin(self, text: DraftText) -> "_FollowedPrediction | None":
        """See `Drafter`. O(length of the prediction), once for all samples of a request.

        Of a prediction that is much longer than the text may get, the end is not looked at.
        """
        if not text.prediction:
            return None
        max_chars = None if text.max_len is None else _CHARS_A_TOKEN * (text.max_len - text.start) + _MIN_CHARS
        prediction = text.prediction[:max_chars]
        if self._last is None or self._last.text != prediction:
            self._last = _IndexedPrediction(prediction, tuple(self._tokenize(prediction)))
        return _FollowedPrediction(text, self._last)

    def forget(self) -> None:
        """See `RememberingDrafter`."""
        self._last = None


class _IndexedPrediction:
    """A prediction, and where each run of its tokens is."""

    def __init__(self, text: str, token_ids: tuple[int, ...]) -> None:
        self.text = text
        self.token_ids = token_ids
        self.places = {length: _places_after(token_ids, length) for length in _ANCHOR_LENS}


class _FollowedPrediction:
    """A place in the prediction, moved on with the text; None while the text goes a way of its own."""

    source: Source = "prediction"

    def __init__(self, text: DraftText, prediction: _IndexedPrediction) -> None:
        self._text = text
        self._token_ids = prediction.token_ids
        self._places = prediction.places
        self._num_read = text.start  # of the tape
        self._place: int | None = 0
        self._last_place = 0  # where it was left, or is
        self._is_just_left = False
        self._probability = _ON_THE_WAY

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        self._catch_up()
        if self._place is None:
            self._find()
        if self._place is not None:
            yield from self._way(self._place, self._probability, max_len)
        elif self._is_just_left:
            yield from self._way(self._last_place + 1, _REPLACED, max_len)

    def _way(self, place: int, probability: float, max_len: int) -> Iterable[Draft]:
        way = self._token_ids[place : place + max_len]
        if way:
            yield Draft(way, (probability, *[_NEXT] * (len(way) - 1)), self.source)

    def _catch_up(self) -> None:
        tape = self._text.token_ids
        if len(tape) < self._num_read:  # some were taken back
            self._num_read, self._place, self._is_just_left = len(tape), None, False
            return
        for token_id in tape[self._num_read :]:
            self._is_just_left = False
            if self._place is None:
                continue
            if self._place < len(self._token_ids) and self._token_ids[self._place] == token_id:
                self._place += 1
                self._last_place, self._probability = self._place, _ON_THE_WAY
            else:
                self._place, self._is_just_left = None, True
        self._num_read = len(tape)

    def _find(self) -> None:
        """Look for the text's last tokens: the first place after that where it was left, else the last before."""
        tape = self._text.token_ids
        for length in _ANCHOR_LENS:
            if len(tape) - self._text.start < length:
                continue
            places = self._places[length].get(tuple(tape[len(tape) - length :]))
            if places:
                index = bisect_right(places, self._last_place)
                self._place = places[min(index, len(places) - 1)]
                self._last_place, self._probability, self._is_just_left = self._place, _TRUST[length], False
                return


def _places_after(token_ids: Sequence[int], length: int) -> dict[tuple[int, ...], list[int]]:
    """Where each run of that length ends, ascending."""
    places: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for end in range(length, len(token_ids)):  # after the last token nothing follows
        places[tuple(token_ids[end - length : end])].append(end)
    return dict(places)
