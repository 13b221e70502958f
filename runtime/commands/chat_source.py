"""ChatSource: who answers in a chat: an engine in this process, or a server."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

import httpx

from ...lang.primitives import assistant, gen, system, user
from ...lang.program import function
from ...lang.state import ProgramState
from .command import UsageError

if TYPE_CHECKING:
    from ..local.embedded import Engine


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side has said."""

    role: Literal["system", "user", "assistant"]
    text: str


class ChatSource(Protocol):
    """Answers."""

    name: str

    def answer(self, turns: Sequence[Turn]) -> Iterator[str]:
        """The next turn, piece by piece; closing the iterator stops it."""
        ...


class EngineChat:
    """An engine in this process."""

    def __init__(self, engine: "Engine", options: argparse.Namespace) -> None:
        if engine.chat_template is None:
            raise UsageError(f"{engine.model_name}: the model has no chat template; it is not made for chats")
        self.name = engine.model_name
        self._engine = engine
        self._options = options

    def answer(self, turns: Sequence[Turn]) -> Iterator[str]:
        """See `ChatSource`."""
        state = _talk.run(turns=turns, options=self._options, backend=self._engine, seed=self._seed(), stream=True)
        yield from state.text_iter("answer")
        state.sync()  # raises what went wrong

    def _seed(self) -> int | None:
        seed: int | None = self._options.seed
        return seed


class ServerChat:
    """A server with OpenAI's interface."""

    def __init__(self, url: str, api_key: str | None, options: argparse.Namespace) -> None:
        """Raises: UsageError where there is none."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        base = url.rstrip("/").removesuffix("/v1")
        try:
            self._client = httpx.Client(base_url=base, headers=headers, timeout=httpx.Timeout(30.0, read=None))
        except (httpx.InvalidURL, ValueError) as error:
            raise UsageError(f"--url: expected one as in http://127.0.0.1:30000, got {url!r}: {error}") from error
        self._options = options
        self.name = self._model()

    def __enter__(self) -> "ServerChat":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def answer(self, turns: Sequence[Turn]) -> Iterator[str]:
        """See `ChatSource`. Raises: UsageError with what the server says is wrong."""
        body = {
            "model": self.name,
            "messages": [{"role": turn.role, "content": turn.text} for turn in turns],
            "max_completion_tokens": self._options.max_tokens,
            "temperature": self._options.temperature,
            "stream": True,
        }
        if self._options.seed is not None:
            body["seed"] = self._options.seed
        try:
            with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.status_code != 200:
                    response.read()
                    raise UsageError(f"the server answered {response.status_code}: {_message(response)}")
                for line in response.iter_lines():
                    yield from _pieces(line)
        except httpx.HTTPError as error:
            raise UsageError(f"the server does not answer: {error}") from error

    def _model(self) -> str:
        try:
            response = self._client.get("/v1/models")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UsageError(f"--url: no server answers at {self._client.base_url}: {error}") from error
        if response.status_code != 200:
            raise UsageError(f"--url: {self._client.base_url} answered {response.status_code}: {_message(response)}")
        try:
            return str(response.json()["data"][0]["id"])
        except (ValueError, LookupError, TypeError) as error:
            raise UsageError(f"--url: {self._client.base_url} does not list models as OpenAI does") from error


@function
def _talk(s: ProgramState, turns: Sequence[Turn], options: argparse.Namespace) -> None:
    roles = {"system": system, "user": user, "assistant": assistant}
    for turn in turns:
        s += roles[turn.role](turn.text)
    s += assistant(gen("answer", max_tokens=options.max_tokens, temperature=options.temperature))


def _pieces(line: str) -> Iterator[str]:
    if not line.startswith("data: ") or line == "data: [DONE]":
        return
    chunk = json.loads(line.removeprefix("data: "))
    if "error" in chunk:
        raise UsageError(f"the server stopped: {chunk['error'].get('message')}")
    for choice in chunk.get("choices", ()):
        piece = choice.get("delta", {}).get("content")
        if piece:
            yield piece


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return response.reason_phrase
