"""Stopwatch: when one operation went through the engine."""

from dataclasses import dataclass

from ..lang.events import Timing


@dataclass(eq=False)
class Stopwatch:
    """The times of an operation, in seconds of the engine's clock; None is what has not happened yet.

    All rows of the operation share it: it notes the first of what several of them do.
    """

    queued: float | None = None
    started: float | None = None
    first_token: float | None = None
    num_preemptions: int = 0

    def queue(self, now: float) -> None:
        """It is the operation's turn."""
        self.queued = now

    def start(self, now: float) -> None:
        """A forward pass begins that computes something of it."""
        if self.started is None:
            self.started = now

    def sample(self, now: float) -> None:
        """A token of it has been sampled."""
        if self.first_token is None:
            self.first_token = now

    def stop(self, now: float) -> Timing:
        """It has ended; what needed no pass started then, too."""
        queued = now if self.queued is None else self.queued
        started = now if self.started is None else self.started
        first_token = now if self.first_token is None else self.first_token
        return Timing(queued, started, first_token, now, self.num_preemptions)
