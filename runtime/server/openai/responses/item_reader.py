"""Reads the items of a request, and those that are stored, as what they are, naming what is wrong by its place."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from ...api_error import ApiError, refused, shown
from ...bodies import check_free_json
from ...settings import LimitSettings
from .conversation import Item
from .decoded_part import decoded_part
from .input_items import ITEM_TYPES, InputItem, ItemReference
from .response_ids import new_id

_REFUSED_PARTS = {
    "input_image": "the model reads no images",
    "input_file": "no files are read",
    "input_audio": "the model hears no audio",
    "computer_screenshot": "the model reads no images",
}
_ID_PREFIX = {
    "message": "msg",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "function_call_output": "fco",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}


class _Kind(msgspec.Struct):
    """What says which type an item is of."""

    type: str | None = None
    role: str | None = None


class _Parts(msgspec.Struct):
    content: str | list[_Kind] | None = None
    output: str | list[_Kind] | None = None


def read_items(given: str | Sequence[msgspec.Raw], limits: LimitSettings) -> list[Item | ItemReference]:
    """The items of `input` as JSON, checked, each with an `id`; a text is a user's message.

    Takes as long as they are long; to be called in a thread. Raises: ApiError.
    """
    if isinstance(given, str):
        part = {"type": "input_text", "text": given}
        return [{"id": new_id("msg"), "type": "message", "role": "user", "content": [part], "status": "completed"}]
    if len(given) > limits.max_messages:
        raise refused("input", f"at most {limits.max_messages} items", len(given))
    depth_limits = replace(limits, max_schema_bytes=limits.max_body_bytes)
    return [_read_item(bytes(raw), f"input[{index}]", depth_limits) for index, raw in enumerate(given)]


def resolved(items: Sequence[Item | ItemReference], find: Callable[[str], Item | None]) -> list[Item]:
    """The items, references replaced by what `find` has under their ids. Raises: ApiError (404)."""
    found: list[Item] = []
    for index, item in enumerate(items):
        if isinstance(item, ItemReference):
            stored = find(item.id)
            if stored is None:
                param = f"input[{index}].id"
                message = f"{param}: no stored item has the id {shown(item.id)}"
                raise ApiError(404, message, type="not_found_error", param=param, code="item_not_found")
            item = stored
        found.append(item)
    return found


def typed_item(item: Item) -> InputItem:
    """A stored item as a struct."""
    read = msgspec.convert(item, ITEM_TYPES[item["type"]])
    assert not isinstance(read, ItemReference), "references are resolved before they are stored"
    return read


def _read_item(raw: bytes, place: str, limits: LimitSettings) -> Item | ItemReference:
    check_free_json(place, raw, limits)
    kind = decoded_part(raw, _Kind, place)
    name = kind.type or ("message" if kind.role is not None else "item_reference")
    if name not in ITEM_TYPES:
        raise refused(f"{place}.type", f"one of {', '.join(ITEM_TYPES)}", name, "no other kind of item is supported")
    _check_parts(raw, place)
    read = decoded_part(raw, ITEM_TYPES[name], place)
    if isinstance(read, ItemReference):
        return read
    item: Item = {key: value for key, value in msgspec.json.decode(raw).items() if value is not None}
    item["type"] = name
    item.setdefault("id", new_id(_ID_PREFIX[name]))
    return item


def _check_parts(raw: bytes, place: str) -> None:
    """Say of what a model for text cannot read that it is not supported, before its fields are looked at."""
    try:
        parts = msgspec.json.decode(raw, type=_Parts)
    except msgspec.ValidationError:
        return  # whoever reads the whole item says what is wrong
    for field in ("content", "output"):
        given = getattr(parts, field)
        for index, part in enumerate(given if isinstance(given, list) else ()):
            if part.type in _REFUSED_PARTS:
                param = f"{place}.{field}[{index}]"
                raise ApiError(
                    400,
                    f"{param}: {part.type} is not supported: {_REFUSED_PARTS[part.type]}",
                    param=param,
                    code="unsupported_content",
                )
