"""The errors of programs over HTTP.

PalmetteError
└── RemoteError                       what the other side answered is not what was asked for
    ├── RemoteUnavailable             it cannot be reached, or went away in the middle of an answer
    ├── RemoteTimeout (TimeoutError)  a time of the terms ran out there
    ├── RemoteRefused                 it has no room now: try again later
    └── EndpointLimit                 an OpenAI-compatible endpoint cannot do what the program asks for

Errors of constraints come as the `GrammarError` that they are.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from ...grammar.errors import GrammarError
from ..errors import PalmetteError
from ..wire import WireError


class RemoteError(PalmetteError):
    """The server said no, or failed; `kind` names its error, `status` is the HTTP status where there was one."""

    def __init__(self, kind: str, message: str, status: int | None = None) -> None:
        self.kind = kind
        self.status = status
        super().__init__(f"{kind}: {message}" if status is None else f"{kind} (HTTP {status}): {message}")


class RemoteUnavailable(RemoteError):
    """The server at `url` cannot be reached, or its answer broke off."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__("RemoteUnavailable", f"expected an answer from {url}, got {reason}; is the server running?")


class RemoteTimeout(RemoteError, TimeoutError):
    """The request was not begun, or not ended, in the time its terms give it."""

    def __init__(
        self, message: str, limit_name: Literal["queue_timeout_s", "timeout_s"], limit_s: float, waited_s: float
    ):
        self.limit_name = limit_name
        self.limit_s = limit_s
        self.waited_s = waited_s
        super().__init__("DeadlineExceeded", message)


class RemoteRefused(RemoteError):
    """As much waits as the server lets wait; the numbers are 0 or None where it did not tell them."""

    def __init__(
        self,
        message: str,
        *,
        num_requests: int = 0,
        max_requests: int | None = None,
        num_tokens: int = 0,
        max_tokens: int | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        self.num_requests = num_requests
        self.max_requests = max_requests
        self.num_tokens = num_tokens
        self.max_tokens = max_tokens
        self.retry_after_s = retry_after_s
        super().__init__("QueueFull", message, status)


class EndpointLimit(RemoteError):
    """The endpoint cannot do this; the message says what was asked, and what to ask instead."""

    def __init__(self, message: str) -> None:
        super().__init__("EndpointLimit", message)


class ErrorReader:
    """Makes exceptions of the errors in one answer: the same number, the same object."""

    def __init__(self) -> None:
        self._made: dict[int, Exception] = {}

    def read(self, wire: WireError) -> Exception:
        """The exception, with the chain of its causes."""
        if wire.number not in self._made:
            error = _error_of(wire)
            self._made[wire.number] = error
            if wire.cause is not None:
                error.__cause__ = self.read(wire.cause)
        return self._made[wire.number]


def _error_of(wire: WireError) -> Exception:
    attributes = wire.attributes
    kind = next((each for each in _grammar_errors(GrammarError) if each.__name__ == wire.type), None)
    if kind is not None:
        error = kind.__new__(kind, wire.message)
        error.__dict__.update(attributes)
        return error
    limit_name, limit_s, waited_s = (attributes.get(name) for name in ("limit_name", "limit_s", "waited_s"))
    if isinstance(limit_s, int | float) and isinstance(waited_s, int | float):
        if limit_name == "queue_timeout_s":
            return RemoteTimeout(wire.message, "queue_timeout_s", limit_s, waited_s)
        return RemoteTimeout(wire.message, "timeout_s", limit_s, waited_s)
    if wire.type == "QueueFull":
        return RemoteRefused(
            wire.message,
            num_requests=_count(attributes, "num_requests") or 0,
            max_requests=_count(attributes, "max_requests"),
            num_tokens=_count(attributes, "num_tokens") or 0,
            max_tokens=_count(attributes, "max_tokens"),
        )
    return RemoteError(wire.type, wire.message)


def _grammar_errors(kind: type[GrammarError]) -> Iterator[type[GrammarError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _grammar_errors(each)


def _count(attributes: Mapping[str, object], name: str) -> int | None:
    value = attributes.get(name)
    return value if isinstance(value, int) else None
