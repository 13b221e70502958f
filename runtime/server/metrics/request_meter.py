"""RequestMeter: one request's events as they pass, counted and timed."""

import time
from collections.abc import Callable

from ....lang.events import BranchEnded, Event, GenResult, TextDelta, Timing, ValueReady
from ....lang.ir import Gen, Operation
from ....lang.plan import Step
from .abort_reason import abort_reason
from .observer import Operations
from .server_metrics import ServerMetrics
from .tool_call_check import check_calls


class RequestMeter:
    """Follows the events of one request: of a branch's run, or of a plan.

    Time to first token and between tokens are those of each generation as it is read here: what a client sees, less
    the network.
    """

    def __init__(
        self,
        metrics: ServerMetrics,
        operations: Operations,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._metrics = metrics
        self._operations = operations
        self._clock = clock
        self._arrival = clock()
        self._last_token: dict[int, float] = {}  # per branch, of the generation that is at work on it
        self._has_token = False
        metrics.running_requests.inc()

    def event(self, event: Event | BranchEnded, branch: int = 0) -> None:
        """Count what happened."""
        match event:
            case TextDelta(token_ids=token_ids) if token_ids:
                self._tokens(branch, len(token_ids))
            case ValueReady():
                self._value(branch, event)

    def end(self, error: BaseException | None = None) -> None:
        """The request has ended, or was left, with `error`."""
        self._metrics.running_requests.dec()
        if error is not None:
            self._metrics.aborts.labels(reason=abort_reason(error)).inc()
        else:
            self._metrics.request_seconds.observe(self._clock() - self._arrival)

    def _tokens(self, branch: int, num_tokens: int) -> None:
        now = self._clock()
        if not self._has_token:
            self._has_token = True
            self._metrics.first_token_seconds.observe(now - self._arrival)
        last = self._last_token.get(branch)
        if last is not None:
            for _ in range(num_tokens):
                self._metrics.inter_token_seconds.observe((now - last) / num_tokens)
        self._last_token[branch] = now

    def _value(self, branch: int, event: ValueReady) -> None:
        has_streamed = self._last_token.pop(branch, None) is not None
        if event.timing is not None:
            self._metrics.queue_seconds.observe(max(0.0, event.timing.started - event.timing.queued))
        if not isinstance(event.result, tuple):
            return
        if not has_streamed and event.timing is not None:
            self._unstreamed(event.timing, event.result[0].completion_tokens)
        operation = self._operations.get((branch, event.operation_index))
        for result in event.result:
            self._result(operation, result)

    def _unstreamed(self, timing: Timing, num_tokens: int) -> None:
        """The text came with the value: the engine's clock says when it was written."""
        if not self._has_token:
            self._has_token = True
            since_first = timing.ended - timing.first_token
            self._metrics.first_token_seconds.observe(max(0.0, self._clock() - self._arrival - since_first))
        for _ in range(num_tokens - 1):
            self._metrics.inter_token_seconds.observe((timing.ended - timing.first_token) / (num_tokens - 1))

    def _result(self, operation: Operation | Step | None, result: GenResult) -> None:
        metrics = self._metrics
        metrics.prompt_tokens.inc(result.prompt_tokens)
        metrics.prefix_hit_tokens.inc(result.cached_tokens)
        metrics.generated_tokens.inc(result.completion_tokens)
        metrics.forced_tokens.inc(len(result.forced))
        metrics.generations.labels(finish_reason=result.finish_reason.type).inc()
        if isinstance(operation, Gen):
            for validity, count in check_calls(operation.constraint, result).items():
                metrics.tool_calls.labels(validity=validity).inc(count)
