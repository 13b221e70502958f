"""Tables of parameters: none is missing, of our bodies, openapi.json and the openai SDK, and none is made up."""

from collections import Counter
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from fastapi import FastAPI
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import (
    input_item_list_params,
    input_token_count_params,
    response_create_params,
    response_retrieve_params,
)

from palmette.runtime.generate_arguments import read_gen
from palmette.runtime.server.endpoint_parameters import ENDPOINTS, Endpoint
from palmette.runtime.server.native.generate_body import NULL_ONLY
from palmette.runtime.server.native.sampling_parameters import SAMPLING_PARAMETERS
from palmette.runtime.server.parameters import Parameter

pytestmark = pytest.mark.anyio

# Fields that are there so that null, or the one value that changes nothing, is taken; what else they hold is refused.
REFUSED_FIELDS = {
    "/v1/completions": {"suffix", "best_of"},
    "/v1/responses": {"n"},
    "/v1/responses/input_tokens": {"n"},
    "/generate": set(NULL_ONLY),
}
SDK: dict[str, Any] = {
    "/v1/chat/completions": chat_create_params.CompletionCreateParams,
    "/v1/completions": completion_create_params.CompletionCreateParams,
    "/v1/responses": response_create_params.ResponseCreateParams,
    "/v1/responses/input_tokens": input_token_count_params.InputTokenCountParams,
    "/v1/responses/{response_id}": response_retrieve_params.ResponseRetrieveParams,
    "/v1/responses/{response_id}/input_items": input_item_list_params.InputItemListParams,
    "/v1/embeddings": embedding_create_params.EmbeddingCreateParams,
}


def _by_path(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def _names(endpoint: Endpoint, *verdicts: str) -> set[str]:
    return {each.name for each in endpoint.parameters if each.verdict in verdicts}


def _keys(params: Any) -> set[str]:
    """Of a TypedDict, or of a union of them."""
    members = get_args(params) or (params,)
    return {name for member in members for name in get_type_hints(member)}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=_by_path)
def test_a_table_has_a_line_for_each_field_and_no_other(endpoint: Endpoint) -> None:
    counts = Counter(each.name for each in endpoint.parameters)
    assert not [name for name, count in counts.items() if count > 1]
    in_body = [each for each in endpoint.parameters if each.place == "body"]
    if endpoint.body_type is None:
        assert all(each.verdict == "refused" for each in in_body)
        return
    fields = set(endpoint.body_type.__struct_encode_fields__)
    taken = {each.name for each in in_body if each.verdict != "refused"}
    assert fields - taken == REFUSED_FIELDS.get(endpoint.path, set())
    assert taken <= fields
    assert fields - taken <= _names(endpoint, "refused")


def test_every_endpoint_is_listed(app: FastAPI) -> None:
    documented = {
        (method.upper(), path): operation
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert {(each.method, each.path) for each in ENDPOINTS} == set(documented)
    for endpoint in ENDPOINTS:
        operation = documented[endpoint.method, endpoint.path]
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        name = endpoint.body_type.__name__ if endpoint.body_type else None
        assert schema.get("$ref") == (f"#/components/schemas/{name}" if name else None), endpoint.path
        queried = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        assert queried == {
            each.name for each in endpoint.parameters if each.place == "query" and each.verdict == "supported"
        }


@pytest.mark.parametrize("path", SDK)
def test_nothing_of_the_sdk_is_left_out(path: str) -> None:
    """The SDK that is installed, so that a newer one with more parameters is noticed."""
    endpoint = next(each for each in ENDPOINTS if each.path == path and each.method == _method(path))
    assert not _keys(SDK[path]) - _names(endpoint, "supported", "ignored", "refused")


def _method(path: str) -> str:
    return "GET" if "{" in path else "POST"


async def _answer(client: httpx.AsyncClient, endpoint: Endpoint, name: str) -> httpx.Response:
    return await client.request(endpoint.method, endpoint.path, json={name: {"any": "thing"}})


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.body_type], ids=_by_path)
async def test_what_is_refused_is_told_why(endpoint: Endpoint, client: httpx.AsyncClient) -> None:
    fields = set(endpoint.body_type.__struct_encode_fields__) if endpoint.body_type else set()
    for parameter in endpoint.parameters:
        if parameter.verdict == "refused" and parameter.name not in fields:
            error = (await _answer(client, endpoint, parameter.name)).json()["error"]
            assert (error["param"], error["code"]) == (parameter.name, "unsupported_parameter")
            assert parameter.reason in error["message"]


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.body_type], ids=_by_path)
async def test_what_is_in_no_table_is_refused(endpoint: Endpoint, client: httpx.AsyncClient) -> None:
    error = (await _answer(client, endpoint, "no_such_parameter")).json()["error"]
    assert (error["code"] == "unknown_parameter") is not endpoint.is_open


@pytest.mark.parametrize("parameter", SAMPLING_PARAMETERS, ids=lambda each: each.name)
def test_sampling_params_are_read_by_the_names_of_their_table(parameter: Parameter) -> None:
    class Odd:
        """No value of JSON."""

    with pytest.raises(ValueError, match="expected") as caught:
        read_gen({parameter.name: Odd()})
    assert "there is no" not in str(caught.value)


def test_the_table_of_sampling_params_is_whole() -> None:
    names = {each.name for each in SAMPLING_PARAMETERS}
    with pytest.raises(ValueError, match="there is no 'zzzzzzzz'") as caught:
        read_gen({"zzzzzzzz": 1})
    known = set(str(caught.value).rpartition("expected one of ")[2].split(", "))
    others = {"max_tokens", "min_tokens", "sampling_seed", "spaces_between_special_tokens", "no_stop_trim"}
    assert names == known | others
