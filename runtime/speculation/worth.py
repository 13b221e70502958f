"""Worth: whether guessing pays at all at the load of the moment, by what it has cost and brought there so far."""

from dataclasses import dataclass, field
from typing import Final

from .step_cost import StepCost

_MEMORY: Final = 0.9
"""Share of a record that is kept at each pass in which texts were guessed for."""

_NUM_FIRST: Final = 8
"""Passes of a load in which texts are guessed for whatever comes of it."""

_PROBE_EVERY: Final = 16
"""Where it does not pay, one text is guessed for in one of so many passes: the load stays, the texts change."""


@dataclass
class _Record:
    """Of passes with about as many rows."""

    num_passes: int = 0
    num_texts: float = 0.0
    """That were asked for; this and what follows with the weight of its age."""
    num_nodes: float = 0.0
    num_right: float = 0.0
    seconds: float = 0.0
    """For guessing and checking, beside the pass."""
    num_idle: int = 0
    """Passes since the last one in which texts were guessed for."""


@dataclass
class Worth:
    """Guessing takes time of its own, for each text the same; at high load the pass has none to spare.

    Records are kept by the number of rows, doubled at each step, so that what holds for one row says nothing of 64.
    """

    cost: StepCost
    _records: dict[int, _Record] = field(default_factory=dict)

    def num_texts(self, num_texts: int, *, num_rows: int, num_tokens: int) -> int:
        """For how many of the texts to guess in this pass: all, none, or one to see whether it would pay by now."""
        record = self._records.setdefault(num_rows.bit_length(), _Record())
        if record.num_passes < _NUM_FIRST or self._pays(record, num_texts, num_rows, num_tokens):
            return num_texts
        record.num_idle += 1
        if record.num_idle < _PROBE_EVERY:
            return 0
        record.num_idle = 0
        return min(1, num_texts)

    def add(self, num_texts: int, *, num_rows: int, num_nodes: int, num_right: int, seconds: float) -> None:
        """What came of a pass in which so many texts were guessed for."""
        record = self._records.setdefault(num_rows.bit_length(), _Record())
        record.num_passes += 1
        record.num_texts = _MEMORY * record.num_texts + num_texts
        record.num_nodes = _MEMORY * record.num_nodes + num_nodes
        record.num_right = _MEMORY * record.num_right + num_right
        record.seconds = _MEMORY * record.seconds + seconds

    def _pays(self, record: _Record, num_texts: int, num_rows: int, num_tokens: int) -> bool:
        share = num_texts / record.num_texts
        seconds = self.cost.of(num_tokens + round(share * record.num_nodes)) + share * record.seconds
        return (num_rows + share * record.num_right) * self.cost.of(num_tokens) >= num_rows * seconds
