"""finished: openapi.json as FastAPI makes it, with the bodies of `documented` and the errors this server answers."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .api_error import ErrorType
from .bodies import SCHEMAS_KEY

REF = "#/components/schemas/"


class ErrorDetail(msgspec.Struct):
    """What is the matter, and with which parameter."""

    message: str
    type: ErrorType
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct):
    """What every reply with a status from 400 on holds, in OpenAI's shape."""

    error: ErrorDetail


def finished(openapi: dict[str, Any]) -> dict[str, Any]:
    """Move the schemas that `documented` left in the routes to the components, and say which errors there are.

    The document is changed and returned. Two structs of one name keep a schema each: the later goes by another name.
    """
    (error,), components = msgspec.json.schema_components([ErrorBody], ref_template=REF + "{name}")
    default = {"description": ErrorBody.__doc__, "content": {"application/json": {"schema": error}}}
    meanings: dict[str, dict[str, Any]] = {name: {name: schema} for name, schema in components.items()}
    for operation in _operations(openapi):
        own = operation.pop(SCHEMAS_KEY, {})
        names = {name: _free_name(name, _meaning(name, own), meanings) for name in own}
        for name, schema in own.items():
            meanings[names[name]] = _meaning(name, own)
            components[names[name]] = _renamed(schema, names)
        operation.update(_renamed(operation, names))
        responses = operation["responses"]
        responses.pop("422", None)  # FastAPI's own checks: nothing is left to them
        responses["default"] = default
    openapi.setdefault("components", {})["schemas"] = components
    return openapi


def _meaning(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with all that it refers to, by the names of its own operation."""
    reached: dict[str, Any] = {}
    pending = [name]
    while pending:
        each = pending.pop()
        if each not in reached:
            reached[each] = own[each]
            pending += [reference.removeprefix(REF) for reference in _references(own[each])]
    return reached


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _references(each)
    elif isinstance(value, str) and value.startswith(REF):
        yield value


def _free_name(name: str, meaning: object, taken: Mapping[str, object]) -> str:
    """A name that nothing has yet, or the same schema."""
    free, number = name, 1
    while taken.get(free, meaning) != meaning:
        number += 1
        free = f"{name}{number}"
    return free


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A copy of the value with other names in its references."""
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if isinstance(value, str) and value.startswith(REF):
        return REF + names.get(value.removeprefix(REF), value.removeprefix(REF))
    return value


def _operations(openapi: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in openapi.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict):
                yield operation
