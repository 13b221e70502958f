"""Messages: all that goes over the socket comes back as it was, every event, operation, plan and option included."""

from typing import get_args

import msgspec
import pytest
from any_struct import any_of
from hypothesis import given, settings
from hypothesis import strategies as st
from random_plans import DrawnPlan, random_plans

from palmette.lang.events import Event
from palmette.lang.ir import Operation
from palmette.lang.plan import Step
from palmette.lang.terms import DEFAULT_TERMS
from palmette.runtime.config import EngineConfig
from palmette.runtime.server.process.messages import (
    ANSWER_DECODER,
    ENCODER,
    REQUEST_DECODER,
    Answer,
    Configure,
    Happened,
    Request,
    RunOperations,
    RunPlan,
)


@pytest.mark.parametrize("kind", get_args(Request), ids=lambda kind: kind.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_requests_come_back_as_they_were(kind: type, data: st.DataObject) -> None:
    message = data.draw(any_of(kind))
    assert REQUEST_DECODER.decode(ENCODER.encode(message)) == message


@pytest.mark.parametrize("kind", get_args(Answer), ids=lambda kind: kind.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_answers_come_back_as_they_were(kind: type, data: st.DataObject) -> None:
    message = data.draw(any_of(kind))
    assert ANSWER_DECODER.decode(ENCODER.encode(message)) == message


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_events_come_back_as_they_were(kind: type, data: st.DataObject) -> None:
    message = Happened(data.draw(any_of(kind)))
    assert ANSWER_DECODER.decode(ENCODER.encode(message)) == message


@pytest.mark.parametrize("kind", sorted({*get_args(Operation)}, key=str), ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_operations_come_back_as_they_were(kind: type, data: st.DataObject) -> None:
    message = RunOperations(7, (data.draw(any_of(kind)),))
    assert REQUEST_DECODER.decode(ENCODER.encode(message)) == message


@settings(max_examples=30)
@given(drawn=random_plans(), steps=st.lists(any_of(Step), max_size=4))
def test_plans_come_back_as_they_were(drawn: DrawnPlan, steps: list[Step]) -> None:
    first, *rest = drawn.plan.branches
    plan = msgspec.structs.replace(
        drawn.plan, branches=(msgspec.structs.replace(first, steps=(*first.steps, *steps)), *rest)
    )
    message = RunPlan(plan, {0: 3}, 2**64 - 1, "salt", DEFAULT_TERMS, True)
    assert REQUEST_DECODER.decode(ENCODER.encode(message)) == message


def test_the_options_of_an_engine_come_back_as_they_were() -> None:
    config = EngineConfig.from_options("some/folder", page_size=4, random_seed=2**64 - 1, max_queued_tokens=9)
    assert REQUEST_DECODER.decode(ENCODER.encode(Configure(config, 5))) == Configure(config, 5)


@given(st.binary(max_size=60))
def test_what_is_no_message_is_refused_by_one_kind_of_error(data: bytes) -> None:
    for decoder in (REQUEST_DECODER, ANSWER_DECODER):
        try:
            decoder.decode(data)
        except msgspec.DecodeError:
            continue
