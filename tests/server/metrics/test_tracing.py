"""The spans of requests: a program is a workflow, each generation an inference under it."""

from collections.abc import Mapping

import pytest

from palmette.lang.ir import Gen, Text
from palmette.lang.plan import Branching, Plan, PlanBranch
from palmette.lang.sampling_params import SamplingParams
from palmette.lang.terms import Terms
from palmette.runtime.errors import DeadlineExceeded
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.observed_parts import observed
from palmette.runtime.server.tracing import trace_requests

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from palmette.runtime.server.parts import ServerParts

pytestmark = pytest.mark.anyio


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def parts(engine: Engine, spans: InMemorySpanExporter) -> ServerParts:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return observed(parts_of(engine), trace_requests("/models/sprig", provider.get_tracer("test")))


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    return span.attributes or {}


GEN = Gen("a", SamplingParams(max_new_tokens=4, ignore_eos=True, temperature=0.5))


async def test_a_generation_alone_is_one_span(parts: ServerParts, spans: InMemorySpanExporter) -> None:
    branch = await parts.backend.open_branch()
    async for _ in branch.run([Text("My secret is"), GEN]):
        pass
    await branch.close()
    (span,) = spans.get_finished_spans()
    assert span.name == "chat sprig"
    assert attributes(span)["gen_ai.request.model"] == "sprig"
    assert attributes(span)["gen_ai.usage.output_tokens"] == 4
    assert attributes(span)["gen_ai.request.max_tokens"] == 4
    assert attributes(span)["gen_ai.response.finish_reasons"] == ("length",)
    assert [event.name for event in span.events] == ["first token"]
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time <= span.events[0].timestamp <= span.end_time
    assert "secret" not in span.to_json()


async def test_a_program_is_a_workflow_over_its_generations(parts: ServerParts, spans: InMemorySpanExporter) -> None:
    children = (PlanBranch("b", 0, (GEN,)), PlanBranch("c", 0, (GEN, Text(" and"), GEN)))
    plan = Plan("debate", (), (PlanBranch("a", None, (Text("Once"), Branching((1, 2)))), *children))
    plan_run = parts.backend.run_plan(plan, {})
    async for _ in plan_run.events():
        pass
    *inferences, workflow = spans.get_finished_spans()
    assert workflow.name == "invoke_workflow debate"
    assert attributes(workflow)["gen_ai.operation.name"] == "invoke_workflow"
    assert len(inferences) == 3
    for span in inferences:
        assert span.parent is not None
        assert workflow.context is not None
        assert span.parent.span_id == workflow.context.span_id
    for branch in plan_run.branches.values():
        await branch.close()


async def test_what_fails_says_why(parts: ServerParts, spans: InMemorySpanExporter) -> None:
    branch = await parts.backend.open_branch(terms=Terms(timeout_s=1e-6))
    with pytest.raises(DeadlineExceeded):
        async for _ in branch.run([Text("Once"), GEN]):
            pass
    await branch.close()
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "deadline"
