"""Every operation of openapi.json, driven by schemathesis with what it allows and with what it does not: no 5xx.

Replies keep to the document, too: its status codes, its types of content, and its schemas where it has some.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.core import NotSet
from schemathesis.generation import GenerationMode

from palmette.lang.ir import Gen, Text
from palmette.lang.plan import Plan, PlanBranch
from palmette.lang.sampling_params import SamplingParams
from palmette.lang.wire import OperationsBody, PlanBody
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.dashboard.play_program import PlayProgramBody
from palmette.runtime.server.endpoint_parameters import ENDPOINTS, Endpoint
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.settings import DefaultSettings, LimitSettings, ServerSettings

Json = dict[str, Any]

NUM_EXAMPLES = 6
"""Of each operation, in each of both modes."""

LARGE: tuple[type[Any], ...] = (Plan, PlanBody, OperationsBody, PlayProgramBody)
"""Bodies that take long to draw."""

CASES = [
    pytest.param(each, is_valid, id=f"{each.method}-{each.path}-{'valid' if is_valid else 'invalid'}")
    for each in ENDPOINTS
    for is_valid in (True, False)
    if is_valid or each.body_type or any(parameter.place == "query" for parameter in each.parameters)
]
"""Where neither a body nor a query is read, nothing can be wrong."""

# Required where nothing else is there instead, which a struct does not say.
REQUIRED_BESIDES = {("/v1/responses", "input"), ("/v1/responses/input_tokens", "input"), ("/abort_request", "rid")}

PLAN = Plan("p", ("a",), (PlanBranch("p", None, (Text("x"), Gen("g", SamplingParams(max_new_tokens=2)))),))


class Server:
    """The application over an engine with so little room that nothing drawn takes long."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self.document: Json = app.openapi()
        self._app = app
        self._runner = runner
        schema = schemathesis.openapi.from_dict(self.document)
        self.operations = {
            (op.method.upper(), op.path): op for op in (each.ok() for each in schema.get_all_operations())
        }

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://palmette", timeout=None) as client:
                return await client.request(method, path, **options)

        return self._runner.run(asked())

    def known_ids(self) -> dict[str, str]:
        """Something for each id in a path."""
        made = self.ask("POST", "/v1/branches", json={})
        answered = self.ask("POST", "/v1/responses", json={"input": "a", "max_output_tokens": 1, "store": True})
        program = self.ask("POST", "/v1/programs", content=PLAN.to_json())
        return {
            "model_id": "sprig",
            "program_id": program.json()["id"],
            "branch_id": str(made.json()["ids"][0]),
            "response_id": answered.json()["id"],
        }


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    small = ServerSettings(
        limits=LimitSettings(max_prompts=4, max_samples=4),
        defaults=DefaultSettings(max_completion_tokens=2, timeout_s=20),
    )
    with Engine(max_total_tokens=4_096, context_length=96) as engine, asyncio.Runner() as runner:
        yield Server(create_app(parts_of(engine, small)), runner)
        engine.check_integrity()


@pytest.mark.parametrize(("endpoint", "is_valid"), CASES)
def test_no_request_makes_it_fail(server: Server, endpoint: Endpoint, is_valid: bool) -> None:
    method, path = endpoint.method, endpoint.path
    operation = server.operations[method, path]
    mode = GenerationMode.POSITIVE if is_valid else GenerationMode.NEGATIVE

    @settings(
        max_examples=NUM_EXAMPLES // 2 if endpoint.body_type in LARGE else NUM_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def drive(case: Any, is_known: bool) -> None:
        if is_known and case.path_parameters:
            known = server.known_ids()
            case.path_parameters = {name: known[name] for name in case.path_parameters}
        body = None if isinstance(case.body, NotSet) else case.body
        if isinstance(body, dict) and isinstance(body.get("model"), str):
            body["model"] = "sprig"  # no other would come any further
        if is_valid:
            body = _with_integers(body)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        reply = server.ask(method, case.formatted_path, params=_query(case.query), content=content)
        check_reply(server.document, method, path, reply)
        if is_valid:
            check_reading(path, reply)

    drive()


def _query(query: Json | None) -> dict[str, str]:
    return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in (query or {}).items()}


def _with_integers(value: Any) -> Any:
    """JSON Schema takes 2.0 for an integer, and draws such; clients write 2."""
    if isinstance(value, dict):
        return {key: _with_integers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_integers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_reply(document: Json, method: str, path: str, reply: httpx.Response) -> None:
    """Assert that the reply is none of a failure, and one that the document knows."""
    assert reply.status_code < 500, reply.text
    told = document["paths"][path][method.lower()]["responses"]
    content = (told.get(str(reply.status_code)) or told["default"]).get("content")
    if content is None:
        assert not reply.content
        return
    kind = reply.headers["content-type"].partition(";")[0]
    assert kind in content, (kind, list(content))
    if kind == "application/json":
        schema = {**content[kind].get("schema", {}), "components": document["components"]}
        Draft202012Validator(schema).validate(reply.json())


def check_reading(path: str, reply: httpx.Response) -> None:
    """Assert that what the document allows is read: it may be refused for what it says, not for its form."""
    if reply.status_code == 400:
        error = reply.json()["error"]
        assert error["code"] != "unknown_parameter"
        assert error["code"] != "missing_parameter" or (path, error["param"]) in REQUIRED_BESIDES
        assert "Expected `" not in error["message"]
