"""Checks the order of a streamed response's events, and puts the response together from them."""

from collections.abc import Mapping, Sequence
from typing import Any

_TEXT = {"message": "output_text", "reasoning": "reasoning_text"}
_CALL = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
}
LAST = {"response.completed", "response.incomplete", "response.failed"}


def check_order(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The response that the last event holds, after every event was found where it belongs and to say what it must.

    created [queued] in_progress ITEM* last; ITEM ::= added (part.added delta* done part.done | delta* done) done
    """
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    steps = list(events)
    names = [each["type"] for each in steps]
    assert names[0] == "response.created", names
    begin = 3 if names[1] == "response.queued" else 2
    assert names[begin - 1] == "response.in_progress", names
    response: dict[str, Any] = steps[-1]["response"]
    assert names[-1] in LAST, names
    assert {each["response"]["id"] for each in steps if "response" in each} == {response["id"]}
    items = []
    position = begin
    while position < len(steps) - 1:
        position, item = _read_item(steps, position, len(items))
        items.append(item)
    assert items == response["output"]
    assert len({item["id"] for item in items}) == len(items)
    return response


def _read_item(steps: Sequence[Mapping[str, Any]], position: int, index: int) -> tuple[int, dict[str, Any]]:
    added = steps[position]
    assert added["type"] == "response.output_item.added", added
    item = added["item"]
    assert item["status"] == "in_progress"
    end = next(i for i in range(position, len(steps)) if steps[i]["type"] == "response.output_item.done")
    body = steps[position + 1 : end]
    done: dict[str, Any] = steps[end]["item"]
    assert all(each["output_index"] == index for each in steps[position : end + 1])
    assert all(each["item_id"] == item["id"] == done["id"] for each in body)
    assert done["type"] == item["type"]
    assert done["status"] in ("completed", "incomplete")
    if item["type"] in _TEXT:
        _check_text(body, item, done, _TEXT[item["type"]])
    else:
        _check_call(body, item, done, *_CALL[item["type"]])
    return end + 1, done


def _check_text(body: Sequence[Mapping[str, Any]], item: Mapping[str, Any], done: Mapping[str, Any], kind: str) -> None:
    assert item["content"] == []
    begin, *deltas, whole, end = body
    assert begin["type"] == "response.content_part.added"
    assert begin["part"]["text"] == ""
    assert {each["type"] for each in deltas} <= {f"response.{kind}.delta"}
    assert whole["type"] == f"response.{kind}.done"
    assert end["type"] == "response.content_part.done"
    assert "".join(each["delta"] for each in deltas) == whole["text"] == end["part"]["text"]
    assert done["content"] == [end["part"]]
    assert {each["content_index"] for each in body} == {0}
    if kind == "output_text":
        assert [each for delta in deltas for each in delta["logprobs"]] == whole["logprobs"] == end["part"]["logprobs"]


def _check_call(
    body: Sequence[Mapping[str, Any]], item: Mapping[str, Any], done: Mapping[str, Any], kind: str, field: str
) -> None:
    assert item[field] == ""
    *deltas, whole = body
    assert {each["type"] for each in deltas} <= {f"response.{kind}.delta"}
    assert whole["type"] == f"response.{kind}.done"
    assert "".join(each["delta"] for each in deltas) == whole[field] == done[field]
    assert (item["name"], item["call_id"]) == (done["name"], done["call_id"])
