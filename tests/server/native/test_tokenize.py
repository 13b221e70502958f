"""`/tokenize` and `/detokenize`: there and back, one or several, and what is refused."""

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("text", ["Hello, world", "Zürich 東京 🎉", "<|im_start|>user", " leading", ""])
async def test_there_and_back(text: str, client: httpx.AsyncClient) -> None:
    there = (await client.post("/tokenize", json={"prompt": text})).json()
    assert there["count"] == len(there["tokens"])
    assert there["max_model_len"] == 4096
    back = (await client.post("/detokenize", json={"tokens": there["tokens"]})).json()
    assert back == {"text": text, "prompt": text}


async def test_several(client: httpx.AsyncClient) -> None:
    there = (await client.post("/tokenize", json={"prompt": ["a b", "c"], "return_token_strs": True})).json()
    assert there["count"] == [len(row) for row in there["tokens"]]
    assert ["".join(row) for row in there["token_strs"]] == ["a b", "c"]
    back = (await client.post("/detokenize", json={"tokens": there["tokens"]})).json()
    assert back["text"] == ["a b", "c"]


async def test_special_tokens_are_text_where_that_is_said(client: httpx.AsyncClient) -> None:
    bodies = [{"prompt": "<|im_end|>", "has_special": flag} for flag in (True, False)]
    counts = [(await client.post("/tokenize", json=body)).json()["count"] for body in bodies]
    assert counts[0] == 1
    assert counts[1] > 1
    body = {"tokens": [1], "skip_special_tokens": True}
    assert (await client.post("/detokenize", json=body)).json()["text"] == ""


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "x", "messages": []}, "messages"),
        ("/tokenize", {"prompt": ["x"] * 999}, "prompt"),
        ("/detokenize", {"tokens": [99_999]}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("/detokenize", {"tokens": [1, [2]]}, "tokens"),
    ],
)
async def test_what_is_refused_is_named(path: str, body: dict[str, Any], param: str, client: httpx.AsyncClient) -> None:
    reply = await client.post(path, json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param


async def test_another_model_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.post("/tokenize", json={"prompt": "x", "model": "gpt"})).status_code == 404
