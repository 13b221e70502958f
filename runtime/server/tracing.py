"""Spans of OpenTelemetry, by its conventions for generative AI: a program is a workflow, each generation an inference.

What is written and said is never put into a span: only counts, names and reasons. Needs `opentelemetry-api`
(`pip install palmette[tracing]`); where the spans go is up to the SDK, which reads the OTEL_* variables.
"""

import time
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from ...lang.events import BranchEnded, Event, GenResult, TextDelta, ValueReady
from ...lang.ir import Gen
from .metrics.abort_reason import abort_reason
from .metrics.observer import MakeObserver, Operations, Place


def trace_requests(model_name: str, tracer: Tracer | None = None) -> MakeObserver:
    """Who follows requests as spans. `tracer`: that of the global provider, unless given."""
    source = trace.get_tracer("palmette") if tracer is None else tracer
    model = model_name.rstrip("/").rpartition("/")[2]

    def follow(program: str | None, operations: Operations) -> RequestSpans:
        return RequestSpans(source, model, program, operations)

    return follow


class RequestSpans:
    """The spans of one request; see `Observer`.

    invoke_workflow NAME                     of a program, or of a request with several generations
      chat MODEL    gen_ai.usage.* ...       of each generation
    """

    def __init__(
        self,
        tracer: Tracer,
        model: str,
        program: str | None,
        operations: Operations,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._tracer = tracer
        self._model = model
        self._gens = {place: each for place, each in operations.items() if isinstance(each, Gen)}
        self._clock_ns = clock_ns
        self._arrival_ns = clock_ns()
        self._first_ns: dict[Place, int] = {}
        self._workflow: Span | None = None
        is_named = program is not None and program not in ("", "request")
        if is_named or len(self._gens) != 1:
            name = program if is_named else "request"
            attributes = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": str(name)}
            self._workflow = tracer.start_span(f"invoke_workflow {name}", attributes=attributes)
        self._starts: dict[int, int] = {}  # per branch: when the operation before ended

    def event(self, event: Event | BranchEnded, branch: int = 0) -> None:
        """See `Observer`."""
        match event:
            case TextDelta(token_ids=token_ids) if token_ids:
                self._first_ns.setdefault((branch, event.operation_index), self._clock_ns())
            case ValueReady():
                place = branch, event.operation_index
                gen = self._gens.get(place)
                if gen is not None and isinstance(event.result, tuple):
                    self._inference(place, gen, event.result)
                self._starts[branch] = self._clock_ns()

    def end(self, error: BaseException | None = None) -> None:
        """See `Observer`."""
        span = self._workflow
        if span is None:
            if error is None:
                return
            span = self._span("chat", self._arrival_ns)
        if error is not None:
            reason = abort_reason(error)
            span.set_attribute("error.type", reason)
            span.set_status(Status(StatusCode.ERROR, reason))
        span.end()

    def _inference(self, place: Place, gen: Gen, results: tuple[GenResult, ...]) -> None:
        span = self._span("chat", self._starts.get(place[0], self._arrival_ns))
        params = gen.params
        span.set_attributes(
            {
                "gen_ai.request.max_tokens": params.max_new_tokens,
                "gen_ai.request.temperature": params.temperature,
                "gen_ai.request.top_p": params.top_p,
                "gen_ai.request.choice.count": params.n,
                "gen_ai.response.model": self._model,
                "gen_ai.response.finish_reasons": [each.finish_reason.type for each in results],
                "gen_ai.usage.input_tokens": results[0].prompt_tokens,
                "gen_ai.usage.cache_read.input_tokens": results[0].cached_tokens,
                "gen_ai.usage.output_tokens": sum(each.completion_tokens for each in results),
                "palmette.variable": gen.name,
                "palmette.forced_tokens": sum(len(each.forced) for each in results),
            }
        )
        if gen.constraint is not None:
            span.set_attribute("palmette.constraint", type(gen.constraint).__name__)
        first_ns = self._first_ns.get(place)
        if first_ns is not None:
            span.add_event("first token", timestamp=first_ns)
        span.end()

    def _span(self, operation: str, start_ns: int) -> Span:
        context = None if self._workflow is None else trace.set_span_in_context(self._workflow)
        return self._tracer.start_span(
            f"{operation} {self._model}",
            context=context,
            kind=SpanKind.INTERNAL,
            start_time=start_ns,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": "palmette",
                "gen_ai.request.model": self._model,
            },
        )
