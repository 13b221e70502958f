"""ResponseWriter: any turn of a model makes events in the order of the API, that add up to the response."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from response_order import check_order

from palmette.runtime.server.openai.responses.output_types import Response, ResponseError
from palmette.runtime.server.openai.responses.response_writer import ResponseWriter
from palmette.runtime.server.openai.responses.stream_events import StreamEvent

texts = st.text(alphabet="ab \n", max_size=4)
calls = st.tuples(st.booleans(), st.lists(texts, max_size=3))
pieces = st.one_of(
    st.tuples(st.just("text"), texts), st.tuples(st.just("thought"), texts), st.tuples(st.just("call"), calls)
)


def new_response(status: str = "in_progress") -> Response:
    return Response(id="resp_1", created_at=0, status=status, background=status == "queued", model="m")


def as_json(events: list[StreamEvent]) -> list[dict]:
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in events]


@given(
    turn=st.lists(pieces, max_size=6),
    end=st.sampled_from(["completed", "incomplete", "failed", "cancelled"]),
    is_background=st.booleans(),
)
def test_any_turn_is_in_order(turn: list, end: str, is_background: bool) -> None:
    writer = ResponseWriter(new_response("queued" if is_background else "in_progress"))
    events = writer.created() + writer.started()
    for kind, what in turn:
        if kind == "text":
            events += writer.text(what)
        elif kind == "thought":
            events += writer.reasoning(what)
        else:
            is_custom, deltas = what
            events += writer.call_started("call_1", "f", is_custom=is_custom)
            for delta in deltas:
                events += writer.call_delta(delta)
    if end == "failed":
        events += writer.failed(ResponseError("server_error", "it broke"))
    elif end == "cancelled":
        events += writer.cancelled()
    else:
        events += writer.ended(None, is_cut=end == "incomplete", completed_at=1)
    response = check_order(as_json(events))
    assert response["status"] == end
    assert writer.is_ended
    assert response == msgspec.json.decode(msgspec.json.encode(writer.response))
    said = "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])
    written = "".join(what for kind, what in turn if kind == "text")
    assert said == written


def test_a_turn_without_anything_is_an_empty_message() -> None:
    writer = ResponseWriter(new_response())
    response = check_order(
        as_json(writer.created() + writer.started() + writer.ended(None, is_cut=False, completed_at=1))
    )
    [item] = response["output"]
    assert item["content"][0]["text"] == ""


def test_what_is_open_when_it_is_cut_is_incomplete() -> None:
    writer = ResponseWriter(new_response())
    events = (
        writer.created() + writer.started() + writer.text("a") + writer.call_started("call_1", "f", is_custom=False)
    )
    events += writer.call_delta('{"x": ') + writer.ended(None, is_cut=True, completed_at=1)
    response = check_order(as_json(events))
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
