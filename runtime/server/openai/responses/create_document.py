"""documented_create: the body of a request for a response, for openapi.json."""

from typing import Any

import msgspec

from ...bodies import SCHEMAS_KEY, documented
from .create_types import CreateResponse, ResponseTool
from .input_items import (
    CallOutputInput,
    CustomCallInput,
    FunctionCallInput,
    ItemReference,
    MessageInput,
    ReasoningInput,
)

_ITEMS = (MessageInput, FunctionCallInput, CustomCallInput, CallOutputInput, ReasoningInput, ItemReference)


def documented_create(reply_type: type[Any], *, may_stream: bool) -> dict[str, Any]:
    """`documented`, with what the items of `input` and `tools` are: they are read one by one, to be named."""
    document = documented(CreateResponse, reply_type, may_stream=may_stream)
    (tool, *items), components = msgspec.json.schema_components(
        [ResponseTool, *_ITEMS], ref_template="#/components/schemas/{name}"
    )
    schemas: dict[str, Any] = document[SCHEMAS_KEY]
    schemas.update(components)
    properties = schemas[CreateResponse.__name__]["properties"]
    _array(properties["input"])["items"] = {"anyOf": items}
    _array(properties["tools"])["items"] = tool
    return document


def _array(schema: dict[str, Any]) -> dict[str, Any]:
    """Of what a property may be, the array."""
    found: dict[str, Any] = next(each for each in schema["anyOf"] if each.get("type") == "array")
    return found
