"""OpenAIBranch: a branch whose text is kept here, and sent whole to the endpoint with each generation."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

import msgspec

from ..errors import StateError
from ..events import Closing, Event, GenResult, TextDelta, ValueReady
from ..ir import Gen, Join, Operation, RoleBegin, RoleEnd, Select, Text
from ..terms import Terms
from .chat_tape import Api, ChatTape
from .connection import ConnectionSet
from .errors import EndpointLimit, RemoteError, RemoteTimeout, RemoteUnavailable
from .openai_reply import Reply, Usage, gen_result
from .openai_request import Dialect, gen_fields
from .openai_select import NUM_ALTERNATIVES, by_echo, by_first_token, check_select

_CHAT_PATH, _COMPLETIONS_PATH = "/chat/completions", "/completions"


@dataclass
class OpenAIBranches:
    """The open branches of one endpoint, and how it is spoken to."""

    connections: ConnectionSet
    model: str
    api: Api
    dialect: Dialect
    branches: "dict[int, OpenAIBranch]" = field(default_factory=dict)
    ids: "count[int]" = field(default_factory=count)


class OpenAIBranch:
    """See `lang.backend.Branch`."""

    def __init__(
        self, endpoint: OpenAIBranches, tape: ChatTape, *, seed: int | None, path: str, terms: Terms, began: float
    ) -> None:
        """path: which fork of which it is, for the seeds; began: when its root was opened."""
        self._endpoint = endpoint
        self.tape = tape
        self._seed = seed
        self._path = path
        self._terms = terms
        self._began = began
        self._num_gens = 0
        self._num_forks = 0
        self._closing = ""
        self._id = next(endpoint.ids)
        endpoint.branches[self._id] = self

    @property
    def branch_id(self) -> int:
        """Names this branch in `Join`."""
        return self._id

    async def run(self, operations: Sequence[Operation]) -> AsyncIterator[Event]:
        """See `Branch`."""
        if self._id not in self._endpoint.branches:
            raise StateError("expected an open branch, got one that was closed")
        for index, operation in enumerate(operations):
            try:
                async with aclosing(self._events(index, operation)) as events:
                    async for event in events:
                        yield event
            except Exception as error:
                setattr(error, "operation_index", index)  # noqa: B010 - errors of any type carry it
                raise
        if self._closing:
            yield Closing(self._closing)

    async def fork(self, num_children: int) -> "list[OpenAIBranch]":
        """See `Branch`. The children share nothing with this one but what the endpoint may remember by itself."""
        self._closing = ""
        self._num_forks += 1
        return [
            OpenAIBranch(
                self._endpoint,
                self.tape.copy(),
                seed=self._seed,
                path=f"{self._path}/{self._num_forks}.{index}",
                terms=self._terms,
                began=self._began,
            )
            for index in range(num_children)
        ]

    async def close(self) -> None:
        """See `Branch`."""
        self._endpoint.branches.pop(self._id, None)

    # --- operations

    async def _events(self, index: int, operation: Operation) -> AsyncGenerator[Event, None]:
        match operation:
            case Text(text=text):
                if text:
                    self.tape.append(text)
                    yield self._delta(index, text)
            case RoleBegin(role=role):
                yield self._delta(index, self.tape.begin(role))
            case RoleEnd():
                self._closing = self.tape.end()
            case Join(branch_ids=branch_ids):
                children = [self._endpoint.branches[branch_id] for branch_id in branch_ids]
                text = "".join(child.tape.added_since_fork() for child in children)
                if text:
                    self.tape.append(text)
                    yield self._delta(index, text)
            case Gen():
                async with aclosing(self._gen(index, operation)) as events:
                    async for event in events:
                        yield event
            case Select(name=name):
                result = await self._select(operation)
                self.tape.append(result.choice)
                yield self._delta(index, result.choice, name)
                yield ValueReady(index, name, result)
            case _:
                kind = type(operation).__name__
                raise EndpointLimit(
                    f"expected text, turns, gen and select, got {kind}, which an endpoint cannot be told; "
                    "run the program on a palmette server"
                )

    def _delta(self, index: int, text: str, name: str | None = None) -> TextDelta:
        text, self._closing = self._closing + text, ""
        return TextDelta(index, text, name)

    async def _gen(self, index: int, gen: Gen) -> AsyncGenerator[Event, None]:
        self.tape.check_generates(gen.name)
        seed = self._next_seed()
        fields = gen_fields(gen, self._endpoint.dialect, seed)
        used_seed = fields.get("seed", 0)
        if gen.params.n > 1:
            reply = await self._ask({**self._prompt(), **fields})
            results = _samples(reply, used_seed)
            if len(results) != gen.params.n:
                raise RemoteError("InvalidReply", f"expected {gen.params.n} samples, got {len(results)}")
            if results[0].text:
                yield self._delta(index, results[0].text, gen.name)
        else:
            texts: list[str] = []
            reason: str | None = None
            usage: Usage | None = None
            async with aclosing(self._stream({**self._prompt(), **fields})) as chunks:
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    for choice in chunk.choices:
                        reason = choice.finish_reason or reason
                        if choice.content:
                            texts.append(choice.content)
                            yield self._delta(index, choice.content, gen.name)
            num_tokens = 0 if usage is None else usage.completion_tokens
            results = (gen_result("".join(texts), reason, usage, used_seed, num_tokens),)
        self.tape.append(results[0].text)
        yield ValueReady(index, gen.name, results)

    async def _select(self, select: Select) -> Any:
        check_select(select)
        self.tape.check_generates(select.name)
        if self._endpoint.api == "completions":
            prompts = [self.tape.text + choice for choice in select.choices]
            fields = {"prompt": prompts, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
            return by_echo(select, self.tape.text, await self._ask(fields))
        limit = "max_completion_tokens" if self._endpoint.dialect == "openai" else "max_tokens"
        fields = {**self._prompt(), limit: 1, "temperature": 0, "logprobs": True, "top_logprobs": NUM_ALTERNATIVES}
        reply = await self._ask(fields)
        if not reply.choices:
            raise RemoteError("InvalidReply", "expected a choice, got none")
        return by_first_token(select, reply.choices[0])

    def _prompt(self) -> dict[str, Any]:
        if self._endpoint.api == "completions":
            return {"prompt": self.tape.text}
        return {"messages": list(self.tape.messages)}

    def _next_seed(self) -> int | None:
        """Of the next generation: its own by branch and number, as forks that have said the same are to differ."""
        self._num_gens += 1
        if self._seed is None:
            return None
        return zlib.crc32(f"{self._seed}{self._path}:{self._num_gens}".encode())

    # --- requests

    async def _ask(self, fields: dict[str, Any]) -> Reply:
        async with self._in_time():
            return await self._endpoint.connections.current().ask("POST", self._path_of_api, Reply, self._body(fields))

    async def _stream(self, fields: dict[str, Any]) -> AsyncGenerator[Reply, None]:
        body = self._body({**fields, "stream": True, "stream_options": {"include_usage": True}})
        connection = self._endpoint.connections.current()
        events = connection.events(self._path_of_api, body)
        has_ended = False
        async with aclosing(events):
            while True:
                async with self._in_time():
                    data = await anext(events, None)
                if data is None:
                    break
                if data.strip() == b"[DONE]":
                    has_ended = True
                    break
                yield _chunk(connection.url, data)
        if not has_ended:
            raise RemoteUnavailable(connection.url, "an answer that broke off")

    @property
    def _path_of_api(self) -> str:
        return _CHAT_PATH if self._endpoint.api == "chat" else _COMPLETIONS_PATH

    def _body(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self._endpoint.api == "completions" and "max_completion_tokens" in fields:
            fields = {**fields, "max_tokens": fields["max_completion_tokens"]}
            del fields["max_completion_tokens"]
        return {"model": self._endpoint.model, **fields}

    def _in_time(self) -> "_Deadline":
        limit_s = self._terms.timeout_s
        return _Deadline(self._began, limit_s)


class _Deadline:
    """Fails what is awaited inside when the time of the terms has run out."""

    def __init__(self, began: float, limit_s: float | None) -> None:
        self._began = began
        self._limit_s = limit_s
        left_s = None if limit_s is None else max(0.0, limit_s - (monotonic() - began))
        self._timeout = asyncio.timeout(left_s)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self._timeout.__aexit__(*raised)
        except TimeoutError as error:
            if self._limit_s is None or not self._timeout.expired():
                raise
            waited_s = monotonic() - self._began
            message = f"the program had not ended {waited_s:.3f} s after it began, but timeout_s is {self._limit_s:g}"
            raise RemoteTimeout(message, "timeout_s", self._limit_s, waited_s) from error


def _chunk(url: str, data: bytes) -> Reply:
    try:
        chunk = msgspec.json.decode(data, type=Reply)
    except msgspec.DecodeError as error:
        raise RemoteUnavailable(url, f"an event that cannot be read: {error}") from error
    if chunk.error is not None:
        raise RemoteError(str(chunk.error.code or "EndpointError"), chunk.error.message)
    return chunk


def _samples(reply: Reply, seed: int) -> tuple[GenResult, ...]:
    """One sample each; the endpoint tells their tokens together, which are counted to the first."""
    num_tokens = 0 if reply.usage is None else reply.usage.completion_tokens
    return tuple(
        gen_result(choice.content, choice.finish_reason, reply.usage, seed, 0 if number else num_tokens)
        for number, choice in enumerate(sorted(reply.choices, key=lambda each: each.index))
    )
