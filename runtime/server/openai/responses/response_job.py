"""ResponseJob: a request for a response, read and checked, as a chat to be generated and a response to be filled."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ...api_error import ApiError, refused, shown
from ...parts import ServerParts
from ..chat_job import ChatJob, chat_job
from .chat_form import chat_request, own_error, read_tools
from .conversation import Conversation, Item
from .create_types import CreateResponse, ResponseFunctionTool, ResponseTool
from .item_messages import chat_messages
from .output_types import Response
from .response_ids import new_id
from .response_store import ResponseStore, StoredResponse

_MAX_METADATA = 16
_MAX_METADATA_KEY_LEN = 64
_MAX_METADATA_VALUE_LEN = 512


@dataclass(frozen=True)
class ResponseJob:
    """What becomes of a request."""

    chat: ChatJob
    response: Response
    """As it is at the beginning."""
    conversation: Conversation
    """What the model reads, instructions apart; what it says is added when it has ended."""


def previous_response(store: ResponseStore, body: CreateResponse, tenant: str) -> StoredResponse | None:
    """What the request goes on with. Raises: ApiError."""
    response_id = body.previous_response_id
    if response_id is None:
        return None
    stored = store.get(tenant, response_id)
    if stored is None:
        raise ApiError(
            404,
            f"previous_response_id: no stored response has the id {shown(response_id)}; it may be forgotten by now",
            type="not_found_error",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    if not stored.run.is_ended:
        raise refused("previous_response_id", "a response that has ended", stored.run.response.status)
    return stored


def response_job(
    parts: ServerParts, body: CreateResponse, items: Sequence[Item], previous: StoredResponse | None, tenant: str
) -> ResponseJob:
    """Check all but the `items` of the input, write the prompt and tokenise it; to be called in a thread.

    Raises: ApiError.
    """
    _check_fields(body)
    tools = read_tools(body.tools or (), parts.settings.limits.max_tools)
    if body.cache_salt is None and previous is not None:
        body = msgspec.structs.replace(body, cache_salt=previous.cache_salt)
    conversation = Conversation(None if previous is None else previous.conversation, items)
    try:
        chat = _chat(parts, body, tools, conversation.items(), tenant)
    except ApiError as error:
        raise own_error(error) from error
    return ResponseJob(chat, _empty_response(parts, body, tools, chat), conversation)


def _chat(
    parts: ServerParts, body: CreateResponse, tools: Sequence[ResponseTool], items: Sequence[Item], tenant: str
) -> ChatJob:
    """With `truncation` auto, of the longest end of the conversation that fits, which begins with a user's turn."""

    def attempt(begin: int) -> ChatJob:
        messages = chat_messages(body.instructions, items[begin:])
        if not messages:
            raise refused("input", "something to be read", [])
        return chat_job(parts, chat_request(body, tools, messages), tenant)

    try:
        return attempt(0)
    except ApiError as error:
        if body.truncation != "auto" or error.code != "context_length_exceeded":
            raise
    begins = [index for index, item in enumerate(items) if item.get("role") == "user" and index > 0]
    best: ChatJob | None = None
    low, high = 0, len(begins) - 1
    while low <= high:  # the later the beginning, the shorter the prompt
        middle = (low + high) // 2
        try:
            best = attempt(begins[middle])
            high = middle - 1
        except ApiError as error:
            if error.code != "context_length_exceeded":
                raise
            low = middle + 1
    return attempt(begins[-1] if begins else 0) if best is None else best


def _check_fields(body: CreateResponse) -> None:
    """What hangs together with another field, or with what a response is."""
    if body.n not in (None, 1):
        raise refused("n", "1: a response is one", body.n, "ask several times")
    if body.background and body.store is False:
        raise refused("background", "store to be true with it", True)
    if body.stream_options is not None and not body.stream:
        raise refused("stream_options", "stream to be true with it", msgspec.to_builtins(body.stream_options))
    metadata = body.metadata or {}
    if len(metadata) > _MAX_METADATA:
        raise refused("metadata", f"at most {_MAX_METADATA} pairs", len(metadata))
    for key, value in metadata.items():
        if len(key) > _MAX_METADATA_KEY_LEN or len(value) > _MAX_METADATA_VALUE_LEN:
            expected = f"keys of {_MAX_METADATA_KEY_LEN} characters at most, values of {_MAX_METADATA_VALUE_LEN}"
            raise refused("metadata", expected, key)


def _empty_response(parts: ServerParts, body: CreateResponse, tools: Sequence[ResponseTool], chat: ChatJob) -> Response:
    is_background = bool(body.background)
    return Response(
        id=new_id("resp"),
        created_at=int(time.time()),
        status="queued" if is_background else "in_progress",
        background=is_background,
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        max_tool_calls=body.max_tool_calls,
        metadata=body.metadata or {},
        model=parts.model_name,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        previous_response_id=body.previous_response_id,
        prompt_cache_key=body.prompt_cache_key,
        reasoning={"effort": None, "summary": None} if body.reasoning is None else _plain(body.reasoning),
        safety_identifier=body.safety_identifier,
        store=body.store is not False,
        temperature=chat.gen.params.temperature,
        text=_echoed_text(body),
        tool_choice="auto" if body.tool_choice is None else _plain(body.tool_choice),
        tools=[_echoed_tool(tool) for tool in tools],
        top_logprobs=body.top_logprobs or 0,
        top_p=chat.gen.params.top_p,
        truncation=body.truncation or "disabled",
        user=body.user,
    )


def _echoed_text(body: CreateResponse) -> dict[str, Any]:
    given = None if body.text is None else body.text.format
    return {"format": {"type": "text"} if given is None else _plain(given), "verbosity": "medium"}


def _echoed_tool(tool: ResponseTool) -> dict[str, Any]:
    echoed: dict[str, Any] = {"type": tool.__struct_config__.tag, "name": tool.name, "description": tool.description}
    if isinstance(tool, ResponseFunctionTool):
        return echoed | {
            "parameters": msgspec.json.decode(bytes(tool.parameters) or b"null"),
            "strict": tool.strict is not False,
        }
    return echoed | {"format": {"type": "text"} if tool.format is None else _plain(tool.format)}


def _plain(value: object) -> Any:
    """As JSON has it, raw parts read."""
    return msgspec.json.decode(msgspec.json.encode(value))
