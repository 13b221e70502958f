"""Worth: whether guessing pays at all at the load of the moment, by what it has cost and brought there so far."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from .step_cost import StepCost

_MEMORY: Final = 0.9
"""Share of a record that is kept at each pass in which texts were guessed for."""

_MARGIN: Final = 1.05
"""What it must bring at least, since what it costs is only known about."""

_NUM_FIRST: Final = 8
"""Passes of a load in which texts are guessed for whatever comes of it."""

_PROBE_EVERY: Final = 16
"""Where it does not pay, one text is guessed for in one of so many passes: the load stays, the texts change."""


_NUM_MEASURED: Final = 12
"""Steps with guesses, and as many without, after which their measured rates decide, and no estimate."""

_RATE_MEMORY: Final = 0.95
"""Share of a rate that is kept at each step."""

_LONGEST: Final = 2.0
"""Times what a step was expected to take: what goes beyond was no part of the step, as the end of a request is."""

_FRESH: Final = 48
"""Steps after which a rate says nothing any more: the machine may be slower by now, and the texts others."""

_FORGET_AFTER: Final = 256
"""Passes without guesses after which the rate with them is forgotten, and found out anew."""

_NUM_STEPS: Final = 15
"""Steps whose median says what a step takes beside the pass: one that was held up says nothing of the others."""


@dataclass
class _Rate:
    """Tokens a second, in late steps."""

    num_steps: int = 0
    num_tokens: float = 0.0
    seconds: float = 0.0
    last: int = 0
    """The step that was added last, by the number of those with and without guesses."""

    def add(self, num_tokens: float, seconds: float, step: int) -> None:
        self.num_steps += 1
        self.last = step
        self.num_tokens = _RATE_MEMORY * self.num_tokens + num_tokens
        self.seconds = _RATE_MEMORY * self.seconds + seconds


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
    steps: deque[float] = field(default_factory=lambda: deque(maxlen=_NUM_STEPS))
    """Seconds of late steps that neither the pass nor guesses took."""
    overhead: float = 0.0
    """Their median."""
    num_idle: int = 0
    """Passes since the last one in which texts were guessed for."""
    rate_with: _Rate = field(default_factory=_Rate)
    rate_without: _Rate = field(default_factory=_Rate)
    num_measured: int = 0
    """Steps that went into one of the rates."""
    num_without: int = 0
    """Passes in a row for which it did not pay."""

    @property
    def has_rates(self) -> bool:
        """Whether both are of enough steps, and of late."""
        return all(
            rate.num_steps >= _NUM_MEASURED and self.num_measured - rate.last <= _FRESH
            for rate in (self.rate_with, self.rate_without)
        )


@dataclass
class Worth:
    """Guessing takes time of its own, for each text the same; at high load the pass has none to spare.

    Records are kept by the number of rows, doubled at each step, so that what holds for one row says nothing of 64, and
    for steps with a constraint at work by themselves, as these are another kind of text.
    """

    cost: StepCost
    _records: dict[tuple[int, bool], _Record] = field(default_factory=dict)

    def overhead(self, num_rows: int, *, is_constrained: bool = False) -> float:
        """Seconds of a step that go neither into the pass nor into guesses: they are spent for a pass of any size."""
        return self._record(num_rows, is_constrained).overhead

    def add_step(self, seconds: float, *, num_rows: int, is_constrained: bool = False) -> None:
        """A step took so long, beside the pass and the guesses."""
        record = self._record(num_rows, is_constrained)
        record.steps.append(max(0.0, seconds))
        record.overhead = sorted(record.steps)[len(record.steps) // 2]

    def add_decoding(
        self, seconds: float, *, num_rows: int, num_asked: int, num_nodes: int, num_right: int, is_constrained: bool
    ) -> None:
        """A whole step in which each row wrote, and nothing else was read, took so long, guesses and all.

        Under a constraint, where one stretch is forced and the next is free, the rate of a few steps says too little.
        """
        if is_constrained:
            return
        record = self._record(num_rows, is_constrained)
        longest = _LONGEST * (self.cost.of(num_rows + num_nodes) + record.overhead)
        seconds = min(seconds, longest)
        record.num_measured += 1
        if not num_asked:
            record.rate_without.add(num_rows, seconds, record.num_measured)
        elif 2 * num_asked >= num_rows:  # where few were asked for, it says nothing of all
            record.rate_with.add(num_rows + num_right, seconds, record.num_measured)

    def add_overlapped(self, seconds: float, *, num_rows: int) -> None:
        """A step without guesses, whose pass was launched ahead, took so long in all."""
        record = self._record(num_rows, is_constrained=False)
        longest = _LONGEST * (self.cost.of(num_rows) + record.overhead)
        record.rate_without.add(num_rows, min(seconds, longest), record.num_measured)

    def num_texts(
        self, num_texts: int, *, num_rows: int, num_tokens: int, is_constrained: bool = False, num_passes: int = 1
    ) -> int:
        """For how many of the texts to guess in this pass: all, none, or one to see whether it would pay by now.

        num_passes: since this was asked last, this one included.
        """
        record = self._record(num_rows, is_constrained)
        if record.num_passes < _NUM_FIRST or self._pays(record, num_texts, num_rows, num_tokens):
            record.num_without = 0
            return num_texts
        record.num_without += num_passes
        if record.num_without >= _FORGET_AFTER:
            record.num_without = 0
            record.rate_with = _Rate()
        record.num_idle += num_passes
        if record.num_idle < _PROBE_EVERY:
            return 0
        record.num_idle = 0
        return min(1, num_texts)

    def add(
        self,
        num_texts: int,
        *,
        num_rows: int,
        num_nodes: int,
        num_right: int,
        seconds: float,
        is_constrained: bool = False,
    ) -> None:
        """What came of a pass in which so many texts were guessed for."""
        record = self._record(num_rows, is_constrained)
        record.num_passes += 1
        record.num_texts = _MEMORY * record.num_texts + num_texts
        record.num_nodes = _MEMORY * record.num_nodes + num_nodes
        record.num_right = _MEMORY * record.num_right + num_right
        record.seconds = _MEMORY * record.seconds + seconds

    def _record(self, num_rows: int, is_constrained: bool) -> _Record:
        load = (num_rows.bit_length(), is_constrained)
        record = self._records.get(load)
        if record is None:
            record = self._records[load] = _Record()
        return record

    def _pays(self, record: _Record, num_texts: int, num_rows: int, num_tokens: int) -> bool:
        """Whether a step makes more tokens a second with guesses than without: as measured, or as estimated."""
        rate, rate_without = record.rate_with, record.rate_without
        if record.has_rates:
            return rate.num_tokens * rate_without.seconds >= _MARGIN * rate_without.num_tokens * rate.seconds
        share = num_texts / record.num_texts
        overhead = record.overhead
        without = self.cost.of(num_tokens) + overhead
        seconds = self.cost.of(num_tokens + round(share * record.num_nodes)) + overhead + share * record.seconds
        return (num_rows + share * record.num_right) * without >= num_rows * seconds * _MARGIN
