"""Calls: what a server has asked its engine's process over one connection, and what has come back so far."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ...errors import InvalidRequest
from .connection import FrameConnection
from .error_record import error_of
from .errors import FrameTooLong, SlowReader
from .messages import ANSWER_DECODER, Answer, CancelCall, Finished, Refused, Request

A = TypeVar("A")


@dataclass(frozen=True)
class BufferLimits:
    """Bytes of events that may wait; past them the request whose event comes next is cancelled with `SlowReader`."""

    per_request: int = 16 * 1024 * 1024
    """For the reader of one request; a single event is always taken."""
    in_all: int = 256 * 1024 * 1024
    """For the readers of all requests."""
    unsent: int = 64 * 1024 * 1024
    """In the engine's process, for the server to take them."""


class Calls:
    """Numbers calls, sends them, and brings each answer to whoever asked. Belongs to one connection and its loop."""

    def __init__(self, limits: BufferLimits) -> None:
        self._limits = limits
        self._connection: FrameConnection | None = None
        self._open: dict[int, _Question | AnswerStream] = {}
        self._num_calls = 0
        self._end: Callable[[], Exception] | None = None
        self.num_waiting_bytes = 0
        """Of all events that wait for their readers."""
        self.branch_ids: set[int] = set()
        """Branches that the server has open."""
        self.on_idle: Callable[[], None] | None = None
        """Called when no call and no branch is open any more."""

    def connect(self, connection: FrameConnection) -> None:
        """From now on, what is asked goes there."""
        self._connection = connection

    @property
    def is_ended(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._end is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is open."""
        return not self._open and not self.branch_ids

    async def ask(self, request: Request, kind: type[A], undo: Callable[[A], None] | None = None) -> A:
        """The answer to `request`, which is a `kind`.

        `undo`: what is to be done with an answer that comes when the asker has been cancelled.
        Raises: what the engine's process raises, EngineClosed where it has ended.
        """
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        call_id = self._number(_Question(answer, kind, undo))
        self._send_first(call_id, request)
        return await answer

    def stream(self, request: Request) -> "AnswerStream":
        """Begin a call that is answered many times. Raises: EngineClosed."""
        stream = AnswerStream(self)
        stream.call_id = self._number(stream)
        self._send_first(stream.call_id, request)
        return stream

    def tell(self, request: Request, call_id: int = 0) -> None:
        """Send what is not answered; where the engine's process has ended there is nobody to tell."""
        if self._end is None and self._connection is not None:
            self._connection.send(call_id, request)

    def receive(self, call_id: int, payload: bytes) -> None:
        """An answer has come."""
        call = self._open.get(call_id)
        if isinstance(call, AnswerStream):
            self._receive_event(call, payload)
        elif call is not None:
            del self._open[call_id]
            call.receive(payload)
            self._note_if_idle()

    def fail(self, make_error: Callable[[], Exception]) -> None:
        """End all that is open, and all that is asked later, each with an error of its own."""
        self._end = make_error
        for call in list(self._open.values()):
            call.fail(make_error())
        self._open.clear()
        self.branch_ids.clear()
        self._note_if_idle()

    def forget_branch(self, branch_id: int) -> None:
        """A branch has been closed."""
        self.branch_ids.discard(branch_id)
        self._note_if_idle()

    def forget(self, stream: "AnswerStream", *, is_over: bool) -> None:
        """Nobody reads `stream` any more; what it has begun is cancelled, unless it `is_over`."""
        if self._open.pop(stream.call_id, None) is not None and not is_over:
            self.tell(CancelCall(), stream.call_id)
        self._note_if_idle()

    # --- inside

    def _number(self, call: "_Question | AnswerStream") -> int:
        if self._end is not None:
            raise self._end()
        self._num_calls += 1
        self._open[self._num_calls] = call
        return self._num_calls

    def _send_first(self, call_id: int, request: Request) -> None:
        assert self._connection is not None, "calls are made once there is a connection"
        try:
            self._connection.send(call_id, request)
        except FrameTooLong:
            del self._open[call_id]
            raise
        except (ValueError, OverflowError, RecursionError, TypeError) as error:
            # A lone surrogate, an integer past 64 bits, a constraint nested past what the interpreter follows.
            del self._open[call_id]
            raise InvalidRequest(f"request: expected plain data that fits a message, got {error}") from error

    def _receive_event(self, stream: "AnswerStream", payload: bytes) -> None:
        num_bytes = stream.num_waiting_bytes + len(payload)
        num_in_all = self.num_waiting_bytes + len(payload)
        is_first = not stream.num_waiting_bytes
        for num, limit in ((num_bytes, self._limits.per_request), (num_in_all, self._limits.in_all)):
            if num > limit and not is_first:
                self.tell(CancelCall(), stream.call_id)
                del self._open[stream.call_id]
                stream.drop(SlowReader(num, limit))
                return
        stream.receive(payload)

    def _note_if_idle(self) -> None:
        if self.on_idle is not None and self.is_idle:
            self.on_idle()


class _Question:
    """A call that is answered once."""

    def __init__(self, answer: "asyncio.Future[A]", kind: type[A], undo: Callable[[A], None] | None) -> None:
        def settle(result: object) -> None:
            assert isinstance(result, kind), f"expected a {kind.__name__}, got {result}"
            if not answer.done():
                answer.set_result(result)
            elif undo is not None:
                undo(result)

        def fail(error: Exception) -> None:
            if not answer.done():
                answer.set_exception(error)

        self._settle = settle
        self.fail = fail

    def receive(self, payload: bytes) -> None:
        """The answer has come."""
        answer = ANSWER_DECODER.decode(payload)
        if isinstance(answer, Refused):
            self.fail(error_of(answer.error))
        else:
            self._settle(answer)


class AnswerStream:
    """The answers to one call, for one reader; undecoded until they are read."""

    def __init__(self, calls: Calls) -> None:
        self.call_id = 0
        self.num_waiting_bytes = 0
        self._calls = calls
        self._payloads: deque[bytes] = deque()
        self._last: Finished | Refused | None = None
        """The answer that ends the call, once it is the next."""
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._is_over = False

    async def next(self) -> Answer | None:
        """The next answer; None: there are no more. Raises what has ended the call."""
        while (answer := self._take()) is None:
            if self._is_over:
                return None
            if self._last is not None:
                self._is_over = True
                if self._last.error is None:
                    return None
                raise error_of(self._last.error)
            if self._error is not None:
                self._is_over = True
                raise self._error
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return answer

    async def next_all(self) -> list[Answer]:
        """The next answer and all that are here behind it; empty: there are no more. Raises what has ended the call."""
        first = await self.next()
        answers = [] if first is None else [first]
        while (answer := self._take()) is not None:
            answers.append(answer)
        return answers

    def close(self, *, is_over: bool = False) -> None:
        """The reader leaves; the call is cancelled unless it is over, as its answers or the reader say."""
        self._calls.forget(self, is_over=is_over or self._is_over)
        self._clear()

    # --- what `Calls` does with it

    def receive(self, payload: bytes) -> None:
        """An answer has come."""
        self._payloads.append(payload)
        self._count(len(payload))
        self._wake()

    def fail(self, error: Exception) -> None:
        """Nothing comes any more; what has come can still be read."""
        self._error = error
        self._wake()

    def drop(self, error: Exception) -> None:
        """Nothing comes any more, and what has come is given up."""
        self._clear()
        self.fail(error)

    def _take(self) -> Answer | None:
        """The next answer that is here; None: there is none, or it is the last, which `next` tells."""
        if self._last is not None or not self._payloads:
            return None
        payload = self._payloads.popleft()
        self._count(-len(payload))
        answer = ANSWER_DECODER.decode(payload)
        if isinstance(answer, Finished | Refused):
            self._last = answer
            return None
        return answer

    def _clear(self) -> None:
        self._payloads.clear()
        self._count(-self.num_waiting_bytes)

    def _count(self, num_bytes: int) -> None:
        self.num_waiting_bytes += num_bytes
        self._calls.num_waiting_bytes += num_bytes

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
