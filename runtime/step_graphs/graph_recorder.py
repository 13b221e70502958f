"""GraphRecorder: the port to what records launches, and its twin that records nothing and calls again."""

from collections.abc import Callable
from typing import Protocol


class GraphRecorder(Protocol):
    """Makes one launch of many."""

    def record(self, call: Callable[[], None]) -> Callable[[], None]:
        """What does again, on the device, all that `call` launched; what the host did in `call` it does not.

        `call` reads and writes tensors that stay where they are, and must not wait for the device. It is called at
        least once, and when this returns the device has done, or will do before anything else, what it launched.
        """
        ...


class CallAgain:
    """The twin on a CPU, where there are no launches to save: it makes the bookkeeping around graphs testable."""

    def record(self, call: Callable[[], None]) -> Callable[[], None]:
        """See `GraphRecorder`."""
        call()
        return call
