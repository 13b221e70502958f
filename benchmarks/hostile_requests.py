"""Requests that mean harm, or are just huge; a client process sends one kind again and again.

    python benchmarks/hostile_requests.py HOST PORT

A job is the name of a kind: it is sent until the next line comes, which is answered by how many were sent, and the
statuses that came. Between two requests there is a short pause: it is what they hold up that is measured, not whether
a client can keep a core busy.
"""

import contextlib
import json
import select
import socket
import sys
from collections import Counter
from collections.abc import Callable, Generator

_PAUSE_S = 0.05
_TIMEOUT_S = 30.0
_NUM_SLOW = 200
"""Connections that never end what they began."""
_CHAT = "/v1/chat/completions"
_TEXT = "/v1/completions"


def _json(path: str, **body: object) -> bytes:
    return _post(path, json.dumps(body).encode())


def _post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _chat(content: str = "Hello", **more: object) -> bytes:
    return _json(_CHAT, messages=[{"role": "user", "content": content}], max_tokens=1, **more)


def _schema(num_properties: int) -> dict[str, object]:
    member = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]{1,40}$"}}, "required": ["a"]}
    return {"type": "object", "properties": {f"p{index}": member for index in range(num_properties)}}


KINDS: dict[str, Callable[[], bytes]] = {
    "body of 10 MB": lambda: _json(_TEXT, prompt="a" * 10_000_000),
    "body of 7 MB, one text": lambda: _json(_TEXT, prompt="many words " * 650_000),
    "JSON 100,000 levels deep": lambda: _post(_CHAT, b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "prompt of 100,000 characters": lambda: _json(_TEXT, prompt="river stone " * 8_400, max_tokens=1),
    "prompt that just fits": lambda: _json(_TEXT, prompt="river stone " * 1_100, max_tokens=1),
    "native prompt of 1 MB": lambda: _json("/generate", text="river stone " * 87_000),
    "4,000 messages": lambda: _json(_CHAT, messages=[{"role": "user", "content": "Hello there"}] * 4_000),
    "regex of 100,000 characters": lambda: _chat(regex="(a|b)" * 20_000),
    "regex that explodes": lambda: _chat(regex="((a{1,99}){1,99}){1,99}b"),
    "schema of 2,000 properties": lambda: _chat(
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": _schema(2_000)}}
    ),
    "token ids, 1,000,000": lambda: _json(_TEXT, prompt=[1] * 1_000_000),
}
SLOW = "200 connections that dribble"
NOTHING = "nothing"
NAMES = (*KINDS, SLOW)


def _send(address: tuple[str, int], message: bytes) -> str:
    """The status, or what came instead."""
    try:
        with socket.create_connection(address, timeout=_TIMEOUT_S) as connection:
            with contextlib.suppress(OSError):  # refused before all of it was sent; the answer may be there
                connection.sendall(message)
            status = connection.recv(65_536)[9:12].decode("latin-1")
            return status or "closed"
    except OSError as error:
        return type(error).__name__


def _again(address: tuple[str, int], message: bytes) -> Generator[str, None, None]:
    while True:
        yield _send(address, message)


def _dribble(address: tuple[str, int]) -> Generator[str, None, None]:
    connections = []
    for _ in range(_NUM_SLOW):
        connection = socket.create_connection(address)
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        connections.append(connection)
    try:
        while True:
            closed = []
            for connection in connections:
                try:
                    connection.sendall(b"a")
                except OSError:
                    closed.append(connection)
            for connection in closed:
                connections.remove(connection)
            yield "closed" if closed else "open"
    finally:
        for connection in connections:
            connection.close()


def _serve(address: tuple[str, int]) -> None:
    messages: dict[str, bytes] = {}
    while line := sys.stdin.readline():
        name = json.loads(line)
        if name in KINDS and name not in messages:
            messages[name] = KINDS[name]()
        sent: Counter[str] = Counter()
        sending = _dribble(address) if name == SLOW else _again(address, messages.get(name, b""))
        print(json.dumps("ready"), flush=True)
        while not select.select([sys.stdin], [], [], _PAUSE_S)[0]:
            if name != NOTHING:
                sent[next(sending)] += 1
        sending.close()
        sys.stdin.readline()
        print(json.dumps(sent), flush=True)


if __name__ == "__main__":
    _serve((sys.argv[1], int(sys.argv[2])))
