"""/tokenize and /detokenize, as vLLM and SGLang have them."""

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from ..api_error import refused
from ..bodies import documented, read_body
from ..openai.models import check_model, json_response
from ..parameters import Parameter, refusals
from ..parts import ServerParts


class TokenizeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One text or several."""

    prompt: str | list[str]
    model: str | None = None
    add_special_tokens: bool = True
    """Begin as a text begins: with the model's BOS token, where it has one."""
    has_special: bool = True
    """Special tokens spelt out in the text are read as such."""
    return_token_strs: bool = False
    """How each token is spelt, too."""


TokenId = Annotated[int, Meta(ge=0)]


class DetokenizeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One list of token ids, or several."""

    tokens: list[TokenId | list[TokenId]]
    model: str | None = None
    skip_special_tokens: bool = False


TOKENIZE_PARAMETERS = (
    Parameter("prompt", "/tokenize", "supported", "a text, or a list of texts"),
    Parameter("model", "/tokenize", "supported", "the served model, or left out"),
    Parameter("add_special_tokens", "/tokenize", "supported", "put the BOS token first, where the model has one"),
    Parameter("has_special", "/tokenize", "supported", "read special tokens that are spelt out in the text"),
    Parameter("return_token_strs", "/tokenize", "supported", "give how each token is spelt, too"),
    Parameter("messages", "/tokenize", "refused", "ask /v1/chat/completions/render for the tokens of a chat"),
    Parameter("tokens", "/detokenize", "supported", "token ids, or a list of such lists"),
    Parameter("model", "/detokenize", "supported", "the served model, or left out"),
    Parameter("skip_special_tokens", "/detokenize", "supported", "leave special tokens out of the text"),
)

_REFUSALS = refusals(TOKENIZE_PARAMETERS)


def router(parts: ServerParts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["native"])

    @routes.post("/tokenize", summary="The tokens of a text", openapi_extra=documented(TokenizeBody))
    async def tokenize(request: Request) -> Response:
        body = await read_body(request, TokenizeBody, parts.settings.limits, _REFUSALS)
        check_model(parts, body.model)
        return json_response(await asyncio.to_thread(_tokenized, parts, body))

    @routes.post("/detokenize", summary="The text of tokens", openapi_extra=documented(DetokenizeBody))
    async def detokenize(request: Request) -> Response:
        body = await read_body(request, DetokenizeBody, parts.settings.limits)
        check_model(parts, body.model)
        return json_response(await asyncio.to_thread(_detokenized, parts, body))

    return routes


def _tokenized(parts: ServerParts, body: TokenizeBody) -> dict[str, object]:
    texts = body.prompt if isinstance(body.prompt, list) else [body.prompt]
    _check_number("prompt", len(texts), parts)
    tokenizer = parts.tokenizer
    ids = [
        tokenizer.encode(text, has_special=body.has_special, is_start=body.add_special_tokens) if text else []
        for text in texts
    ]
    spelt = [[tokenizer.decode([each], skip_special_tokens=False) for each in row] for row in ids]
    is_list = isinstance(body.prompt, list)
    answer: dict[str, object] = {
        "tokens": ids if is_list else ids[0],
        "count": [len(row) for row in ids] if is_list else len(ids[0]),
        "max_model_len": parts.context_len,
    }
    return {**answer, "token_strs": spelt if is_list else spelt[0]} if body.return_token_strs else answer


def _detokenized(parts: ServerParts, body: DetokenizeBody) -> dict[str, object]:
    is_list = any(isinstance(each, list) for each in body.tokens)
    rows = [each for each in body.tokens if isinstance(each, list)]
    flat = [each for each in body.tokens if isinstance(each, int)]
    if rows and flat:
        raise refused("tokens", "token ids, or lists of token ids", "both")
    _check_number("tokens", len(rows), parts)
    vocab_size = parts.tokenizer.vocab_size
    for row in rows or [flat]:
        wrong = next((each for each in row if each >= vocab_size), None)
        if wrong is not None:
            raise refused("tokens", f"token ids below {vocab_size}", wrong)
    texts = [
        parts.tokenizer.decode(row, skip_special_tokens=body.skip_special_tokens, is_start=True)
        for row in (rows if is_list else [flat])
    ]
    text = texts if is_list else texts[0]
    return {"text": text, "prompt": text}  # SGLang's name, and vLLM's


def _check_number(param: str, number: int, parts: ServerParts) -> None:
    if number > parts.settings.limits.max_prompts:
        raise refused(param, f"at most {parts.settings.limits.max_prompts}", number)
