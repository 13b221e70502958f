"""read_body: a request's JSON, counted while it is read, as a struct; documented: the same struct for openapi.json."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from .api_error import ApiError, refused, shown
from .settings import LimitSettings
from .work import ClientGone

T = TypeVar("T")

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*?)`(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_WRONG = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|([\[{])|([\]}])', re.DOTALL)

SCHEMAS_KEY = "x-palmette-schemas"
"""Where `documented` leaves the schemas that its own refers to; `openapi_document` moves them to the components."""


async def read_body(
    request: Request, body_type: type[T], limits: LimitSettings, refusals: Mapping[str, str] | None = None
) -> T:
    """The body as a `body_type`; never more than `max_body_bytes` of it are held.

    refusals: of parameters that are known but not taken, why. Raises: ApiError, 413 for a body that is too long, 400
    for one that is no JSON or not of this type, naming the parameter; ClientGone.
    """
    return decoded_body(await read_bytes(request, limits), body_type, refusals)


async def read_bytes(request: Request, limits: LimitSettings) -> bytes:
    """The body as it came. Raises: ApiError (413), ClientGone."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.max_body_bytes:
        raise _too_long(limits)
    chunks: list[bytes] = []
    num_bytes = 0
    try:
        async for chunk in request.stream():
            num_bytes += len(chunk)
            if num_bytes > limits.max_body_bytes:
                raise _too_long(limits)
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise ClientGone from error
    return b"".join(chunks)


def decoded_body(body: bytes, body_type: type[T], refusals: Mapping[str, str] | None = None) -> T:
    """See `read_body`."""
    try:
        return msgspec.json.decode(body, type=body_type)
    except RecursionError as error:
        raise ApiError(400, "the body is nested too deeply", code="too_deep") from error
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error), body_type, refusals or {}) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"the body: expected JSON, got something else: {error}", code="invalid_json") from error


def free_json(name: str, raw: msgspec.Raw, limits: LimitSettings) -> str | None:
    """The text of free JSON, checked; None where there is none, or null. Raises: ApiError."""
    content = bytes(raw)
    if content in (b"", b"null"):
        return None
    check_free_json(name, content, limits)
    return content.decode()


def check_free_json(name: str, raw: bytes, limits: LimitSettings) -> None:
    """Refuse free JSON (a schema, arguments) that is larger or deeper than what is worth reading. O(len(raw))."""
    if len(raw) > limits.max_schema_bytes:
        raise refused(name, f"at most {limits.max_schema_bytes} bytes", len(raw))
    depth = 0
    for match in _BRACKETS.finditer(raw):
        depth += (match[1] is not None) - (match[2] is not None)
        if depth > limits.max_nesting:
            raise refused(name, f"at most {limits.max_nesting} levels of arrays and objects", "more")


def documented(
    body_type: type[Any], reply_type: type[Any] | None = None, *, may_stream: bool = False
) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is read by `read_body`.

    reply_type: of its JSON, where that is a struct. may_stream: it may answer with events instead.
    """
    types = [body_type] if reply_type is None else [body_type, reply_type]
    (schema, *replies), components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    content: dict[str, Any] = {}
    if replies:
        content["application/json"] = {"schema": replies[0]}
    if may_stream:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    document: dict[str, Any] = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        SCHEMAS_KEY: components,
    }
    return {**document, "responses": {"200": {"content": content}}} if content else document


def _too_long(limits: LimitSettings) -> ApiError:
    return ApiError(413, f"the body: expected at most {limits.max_body_bytes} bytes, got more", code="body_too_large")


def _wrong_field(message: str, body_type: type[object], refusals: Mapping[str, str]) -> ApiError:
    unknown = _UNKNOWN.match(message)
    if unknown is not None:
        name, path = unknown["name"], unknown["path"] or ""
        param = shown(f"{path}.{name}" if path else name)[1:-1]
        if not path and name in refusals:
            return ApiError(400, f"{param}: not supported: {refusals[name]}", param=param, code="unsupported_parameter")
        known = list(getattr(body_type, "__struct_fields__", ())) if not path else []
        near = difflib.get_close_matches(name[:100], known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return ApiError(400, f"{param}: there is no such parameter{hint}", param=param, code="unknown_parameter")
    missing = _MISSING.match(message)
    wrong = _WRONG.match(message)
    path = (wrong["path"] or "") if wrong is not None else ""
    if missing is not None:
        param = f"{path}.{missing['name']}" if path else missing["name"]
        return ApiError(400, f"{param}: required, and missing", param=param, code="missing_parameter")
    what = wrong["what"] if wrong is not None else message
    param = shown(path or "body")[1:-1]
    return ApiError(400, f"{param}: {shown(what, 300)[1:-1]}", param=path or None, code="invalid_type")
