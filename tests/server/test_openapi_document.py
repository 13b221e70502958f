"""openapi.json: what routes say of themselves comes together without one taking another's place."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from palmette.runtime.server.bodies import SCHEMAS_KEY, documented
from palmette.runtime.server.endpoint_parameters import ENDPOINTS
from palmette.runtime.server.openapi_document import REF, finished

pytestmark = pytest.mark.anyio


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _resolved(document: dict[str, Any], value: Any, depth: int) -> Any:
    """The value with what it refers to in place of the references, down to some depth."""
    if isinstance(value, dict):
        if "$ref" in value:
            name = value["$ref"].removeprefix(REF)
            return _resolved(document, document["components"]["schemas"][name], depth - 1) if depth else "..."
        return {  # FastAPI leaves out what is null: a default, that is
            key: _resolved(document, each, depth)
            for key, each in value.items()
            if key != "mapping" and each is not None
        }
    if isinstance(value, list | tuple):  # a tuple is the default of some
        return [_resolved(document, each, depth) for each in value]
    return value


def _made(name: str, field_type: type[object]) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, [("value", field_type)])


def test_structs_of_one_name_keep_a_schema_each() -> None:
    bodies = [msgspec.defstruct("Body", [("of", _made("Same", kind))]) for kind in (int, str, int)]
    paths = {f"/{number}": {"post": {**documented(body), "responses": {}}} for number, body in enumerate(bodies)}
    document = finished({"paths": paths})
    kinds = []
    for path in document["paths"].values():
        body = path["post"]["requestBody"]["content"]["application/json"]["schema"]
        kinds.append(_resolved(document, body, 3)["properties"]["of"]["properties"]["value"]["type"])
        assert SCHEMAS_KEY not in path["post"]
    assert kinds == ["integer", "string", "integer"]
    assert set(document["components"]["schemas"]) == {"Body", "Body2", "Same", "Same2", "ErrorBody", "ErrorDetail"}


def test_every_body_is_documented_as_it_is_read(app: FastAPI) -> None:
    document = app.openapi()
    names = {each.removeprefix(REF) for each in _references(document)}
    assert names <= set(document["components"]["schemas"])
    for endpoint in ENDPOINTS:
        if endpoint.body_type is None or "responses" in endpoint.path:  # whose items are documented besides
            continue
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        shown = operation["requestBody"]["content"]["application/json"]["schema"]
        (schema,), components = msgspec.json.schema_components([endpoint.body_type], ref_template=REF + "{name}")
        own = {"components": {"schemas": components}}
        assert _resolved(document, shown, 6) == _resolved(own, schema, 6), endpoint.path


def test_every_operation_says_what_an_error_is(app: FastAPI) -> None:
    for path in app.openapi()["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
            assert schema == {"$ref": f"{REF}ErrorBody"}


async def test_the_page_is_there(client: httpx.AsyncClient) -> None:
    reply = await client.get("/docs")
    assert reply.status_code == 200
    assert "/openapi.json" in reply.text
