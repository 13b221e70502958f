"""Connection: requests to one server from one event loop, and the errors they may end in."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..errors import PalmetteError
from .errors import RemoteError, RemoteRefused, RemoteUnavailable

if TYPE_CHECKING:
    import httpx  # imported where a connection is made: most programs never make one

Answer = TypeVar("Answer")

_JSON = {"content-type": "application/json"}
_QUESTION_TIMEOUT_S = 30.0


class Connection:
    """A client of one loop, whose sockets no other loop can use."""

    def __init__(
        self, url: str, headers: Mapping[str, str], *, connect_timeout_s: float, silence_timeout_s: float
    ) -> None:
        """silence_timeout_s: how long the server may say nothing at all, not even that it is still there."""
        import httpx

        self.url = url
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=dict(headers),
            timeout=httpx.Timeout(silence_timeout_s, connect=connect_timeout_s, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    async def ask(self, method: str, path: str, answer: type[Answer], body: object = None) -> Answer:
        """Send `body` as JSON and read the answer as `answer`.

        Raises: RemoteError; see `remote/errors.py`.
        """
        with _errors(self.url):
            response = await self._client.request(method, path, content=_content(body), headers=_JSON)
        return _read(self.url, response, answer)

    async def tell(self, method: str, path: str, body: object = None) -> None:
        """Send `body` as JSON; what is answered does not matter, as long as it is no refusal. Raises: RemoteError."""
        with _errors(self.url):
            response = await self._client.request(method, path, content=_content(body), headers=_JSON)
        _check(self.url, response)

    async def events(self, path: str, body: object) -> AsyncGenerator[bytes, None]:
        """Post `body` and yield the data of each server-sent event; leaving early hangs up.

        Raises: RemoteError.
        """
        with _errors(self.url):
            request = self._client.stream("POST", path, content=msgspec.json.encode(body), headers=_JSON)
            async with request as response:
                if not response.is_success:
                    raise _refusal(self.url, response, await response.aread())
                async with aclosing(event_data(response.aiter_lines())) as events:
                    async for data in events:
                        yield data

    async def aclose(self) -> None:
        """Close all sockets."""
        await self._client.aclose()


class ConnectionSet:
    """The connections to one server: one for each loop that asks for it."""

    def __init__(
        self, url: str, headers: Mapping[str, str], *, connect_timeout_s: float, silence_timeout_s: float
    ) -> None:
        self._url = url
        self._headers = dict(headers)
        self._connect_timeout_s = connect_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._connections: dict[asyncio.AbstractEventLoop, Connection] = {}

    def current(self) -> Connection:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._connections:
            for gone in [each for each in self._connections if each.is_closed()]:
                del self._connections[gone]
            self._connections[loop] = Connection(
                self._url,
                self._headers,
                connect_timeout_s=self._connect_timeout_s,
                silence_timeout_s=self._silence_timeout_s,
            )
        return self._connections[loop]

    async def aclose(self) -> None:
        """Close all, each on its own loop; a later use opens them anew."""
        while self._connections:
            loop, connection = self._connections.popitem()
            if loop is asyncio.get_running_loop():
                await connection.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(connection.aclose(), loop))


def ask_now(
    url: str, headers: Mapping[str, str], method: str, path: str, answer: type[Answer], body: object = None
) -> Answer:
    """`Connection.ask` from any thread, over a connection for this one question."""
    import httpx

    with _errors(url):
        response = httpx.request(
            method, url + path, content=_content(body), headers={**headers, **_JSON}, timeout=_QUESTION_TIMEOUT_S
        )
    return _read(url, response, answer)


async def event_data(lines: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
    """The data of each server-sent event (WHATWG HTML, 9.2); its other fields, and comments, are passed over."""
    data: list[str] = []
    async for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif line == "" and data:
            yield "\n".join(data).encode()
            data.clear()


class _ErrorObject(msgspec.Struct):
    message: str = ""
    type: str = "error"
    code: str | int | None = None
    param: str | None = None


class _ErrorReply(msgspec.Struct):
    error: _ErrorObject


@contextmanager
def _errors(url: str) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        raise RemoteUnavailable(url, str(error) or type(error).__name__) from error


def _content(body: object) -> bytes | None:
    return None if body is None else msgspec.json.encode(body)


def _check(url: str, response: "httpx.Response") -> None:
    if not response.is_success:
        raise _refusal(url, response, response.content)


def _read(url: str, response: "httpx.Response", answer: type[Answer]) -> Answer:
    _check(url, response)
    try:
        return msgspec.json.decode(response.content, type=answer)
    except msgspec.DecodeError as error:
        raise RemoteUnavailable(url, f"what cannot be read: {error}") from error


def _refusal(url: str, response: "httpx.Response", content: bytes) -> PalmetteError:
    """What a reply that is no success says."""
    status = response.status_code
    try:
        error = msgspec.json.decode(content, type=_ErrorReply).error
    except msgspec.DecodeError:
        shown = content[:200].decode(errors="replace")
        return RemoteError(
            "HTTPError", f"expected an answer of palmette's or OpenAI's from {url}, got {shown!r}", status
        )
    if status == 429:
        wait = response.headers.get("retry-after", "")
        return RemoteRefused(error.message, retry_after_s=float(wait) if wait.isdigit() else None, status=status)
    kind = str(error.code or error.type)
    return RemoteError(kind, error.message, status)
