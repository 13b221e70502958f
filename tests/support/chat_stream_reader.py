"""Reads a streamed chat completion, and asserts what every one of them must be."""

import json
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class StreamedChoice:
    """What the chunks of one choice come to."""

    content: str | None = None
    calls: list[Json] = field(default_factory=list)
    logprobs: list[Json] | None = None
    finish_reason: str | None = None
    has_role: bool = False

    def take(self, chunk: Json) -> None:
        """One more chunk of it."""
        assert self.finish_reason is None, f"a chunk after the end: {chunk}"
        delta = chunk["delta"]
        assert ("role" in delta) != self.has_role, f"the role comes in the first chunk and no other: {chunk}"
        self.has_role = True
        if delta.get("content") is not None:
            self.content = (self.content or "") + delta["content"]
        for call in delta.get("tool_calls", ()):
            self._take_call(call)
        if chunk["logprobs"] is not None:
            self.logprobs = (self.logprobs or []) + chunk["logprobs"]["content"]
        self.finish_reason = chunk["finish_reason"]
        assert self.finish_reason is None or delta == {}, f"the last chunk says why it ended, and no more: {chunk}"

    def _take_call(self, call: Json) -> None:
        index = call.pop("index")
        if "id" in call:
            assert index == len(self.calls), f"calls begin in order: {call}"
            self.calls.append(call)
            return
        (kind,) = call
        (text,) = call[kind]
        assert index == len(self.calls) - 1, f"more of a call that has ended: {call}"
        assert text in ("arguments", "input"), f"a name comes once: {call}"
        assert call[kind][text], f"an empty delta: {call}"
        self.calls[index][kind][text] += call[kind][text]

    @property
    def message(self) -> Json:
        """As a whole reply would hold it, but for the ids of its calls."""
        message: Json = {"role": "assistant", "content": self.content, "refusal": None}
        return message | ({"tool_calls": without_ids(self.calls)} if self.calls else {})


def without_ids(calls: list[Json]) -> list[Json]:
    """Ids are drawn anew for each reply."""
    assert len({call["id"] for call in calls}) == len(calls), calls
    return [{key: value for key, value in call.items() if key != "id"} for call in calls]


def frames(text: str) -> list[str]:
    """The data of each event."""
    assert text.endswith("\n\n"), text[-80:]
    return [frame.removeprefix("data: ") for frame in text.split("\n\n")[:-1] if not frame.startswith(":")]


def read_stream(text: str, num_choices: int, *, has_usage: bool) -> tuple[list[StreamedChoice], Json | None]:
    """The choices, and what the stream says it took."""
    *chunks, end = frames(text)
    assert end == "[DONE]", end
    parsed = [json.loads(chunk) for chunk in chunks]
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in parsed}) == 1, parsed
    usage: Json | None = None
    if has_usage:
        last = parsed.pop()
        assert last["choices"] == [], last
        usage = last["usage"]
        assert all(chunk["usage"] is None for chunk in parsed), parsed
    else:
        assert all("usage" not in chunk for chunk in parsed), parsed
    choices = [StreamedChoice() for _ in range(num_choices)]
    for chunk in parsed:
        (choice,) = chunk["choices"]
        choices[choice["index"]].take(choice)
    assert all(choice.finish_reason is not None for choice in choices), parsed[-1]
    return choices, usage
