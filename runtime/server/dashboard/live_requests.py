"""LiveRequests: what the server has running now, as the dashboard lists it."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from ....lang.events import BranchEnded, Event, GenResult, TextDelta, ValueReady
from ....lang.ir import Gen, Score, Select
from ..metrics.abort_reason import abort_reason
from ..metrics.observer import Operations

_TAIL_LEN = 160
_MAX_ENDED = 12


class RequestView(msgspec.Struct):
    """One request, changed as it goes on."""

    request_id: int
    title: str
    """The program's name, or what the request is made of."""
    constraint: str | None
    """The kind of its first constraint."""
    num_branches: int
    age_s: float = 0.0
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_tokens: int = 0
    """Sampled so far."""
    num_forced: int = 0
    tail: str = ""
    """The end of what has been written."""
    outcome: str | None = None
    """None: at work; else how it ended."""


class LiveRequests:
    """All requests at work, and the last that ended. Belongs to the server's event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._running: dict[int, tuple[RequestView, float]] = {}
        self._ended: deque[tuple[RequestView, float]] = deque(maxlen=_MAX_ENDED)
        self.num_tokens = 0
        """Sampled since the start, as far as they have been told of."""

    def follow(self, program: str | None, operations: Operations) -> "RequestFollower":
        """A request has come; see `MakeObserver`."""
        gens = [each for each in operations.values() if isinstance(each, Gen)]
        constraint = next((type(each.constraint).__name__ for each in gens if each.constraint is not None), None)
        num_branches = 1 + max((branch for branch, _ in operations), default=0)
        view = RequestView(next(self._ids), _title(program, operations), constraint, num_branches)
        self._running[view.request_id] = view, self._clock()
        return RequestFollower(view, self)

    def count_tokens(self, num_tokens: int) -> None:
        """So many more tokens have been sampled."""
        self.num_tokens += num_tokens

    def retire(self, view: RequestView) -> None:
        """The request has ended."""
        _, start = self._running.pop(view.request_id)
        view.age_s = self._clock() - start
        self._ended.appendleft((view, self._clock()))

    def views(self, max_running: int = 40) -> list[RequestView]:
        """Those at work, the oldest first, then the last that ended."""
        now = self._clock()
        running = list(itertools.islice(self._running.values(), max_running))
        for view, start in running:
            view.age_s = now - start
        return [view for view, _ in running] + [view for view, _ in self._ended]

    @property
    def num_running(self) -> int:
        """Requests at work."""
        return len(self._running)


class RequestFollower:
    """See `Observer`."""

    def __init__(self, view: RequestView, live: LiveRequests) -> None:
        self._view = view
        self._live = live
        self._num_streamed: dict[int, int] = {}  # per branch, of the generation at work

    def event(self, event: Event | BranchEnded, branch: int = 0) -> None:
        """See `Observer`."""
        view = self._view
        match event:
            case TextDelta(name=str()):
                self._count(len(event.token_ids))
                self._num_streamed[branch] = self._num_streamed.get(branch, 0) + len(event.token_ids)
                view.num_forced += len(event.forced)
                view.tail = (view.tail + event.text)[-_TAIL_LEN:]
            case ValueReady(result=tuple() as results):
                self._value(results, self._num_streamed.pop(branch, 0))

    def end(self, error: BaseException | None = None) -> None:
        """See `Observer`."""
        self._view.outcome = "done" if error is None else abort_reason(error)
        self._live.retire(self._view)

    def _value(self, results: tuple[GenResult, ...], num_streamed: int) -> None:
        self._count(sum(each.completion_tokens for each in results) - num_streamed)
        self._view.num_prompt_tokens += sum(each.prompt_tokens for each in results)
        self._view.num_cached_tokens += sum(each.cached_tokens for each in results)

    def _count(self, num_tokens: int) -> None:
        self._view.num_tokens += num_tokens
        self._live.count_tokens(num_tokens)


def _title(program: str | None, operations: Operations) -> str:
    if program not in (None, "", "request"):
        return str(program)
    kinds: Iterable[str] = (type(each).__name__.lower() for each in operations.values())
    wanted = {kind.__name__.lower() for kind in (Gen, Select, Score)}
    return ", ".join(dict.fromkeys(kind for kind in kinds if kind in wanted)) or "text"
