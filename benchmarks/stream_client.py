"""A client of streams that costs as little as it can, in a process of its own.

    python benchmarks/stream_client.py HOST PORT

reads jobs from standard input, one a line, and answers each with a line: {"path": "/v1/completions", "bodies": [...]}
opens a connection for each body, sends all bodies at once, and says when what came; nothing is parsed before the last
stream has ended. {"idle": N, "has_asked": bool} has N connections open, until it is asked for another number.
"""

import json
import re
import select
import socket
import sys
import time
from bisect import bisect_right
from dataclasses import asdict, dataclass, field
from typing import Any

_TEXT = re.compile(rb'data: \{[^\n]*"(?:text|content)":"[^"][^\n]*\}')
_COUNT = re.compile(rb'"completion_tokens":(\d+)')
_READ_BYTES = 65_536
_LAST_CHUNK = b"0\r\n\r\n"
_LIMIT_S = 300.0


@dataclass
class Streamed:
    """One stream: when each event with text came, in seconds since the requests were sent, and how many tokens."""

    arrivals_s: list[float] = field(default_factory=list)
    num_tokens: int = 0
    """As the reply says."""


@dataclass
class Answered:
    """What became of a job."""

    wall_s: float
    """From the first byte sent to the last stream's end."""
    cpu_s: float
    """Of the client itself, between the two."""
    streams: list[Streamed]


def run_streams(host: str, port: int, path: str, bodies: list[dict[str, Any]]) -> Answered:
    """All bodies at the same time, each on a connection that is open before the clock starts."""
    messages = [_request(host, path, json.dumps(body).encode()) for body in bodies]
    connections = [socket.create_connection((host, port)) for _ in bodies]
    pieces: dict[int, list[tuple[float, bytes]]] = {each.fileno(): [] for each in connections}
    by_number = {each.fileno(): each for each in connections}
    poll = select.poll()
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(connection, select.POLLIN)
    cpu, start = time.process_time(), time.perf_counter()
    for connection, message in zip(connections, messages, strict=True):
        connection.sendall(message)
    num_open = len(connections)
    while num_open:
        ready = poll.poll(1000 * _LIMIT_S)
        if not ready:
            raise SystemExit(f"expected something within {_LIMIT_S:g} s, but nothing came on {num_open} connections")
        for number, _ in ready:
            data = by_number[number].recv(_READ_BYTES)
            pieces[number].append((time.perf_counter(), data))
            if not data or data.endswith(_LAST_CHUNK):
                poll.unregister(number)
                num_open -= 1
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    for connection in connections:
        connection.close()
    return Answered(wall_s, cpu_s, [_read(each, start) for each in pieces.values()])


def _read(pieces: list[tuple[float, bytes]], start: float) -> Streamed:
    ends: list[int] = []
    for _, piece in pieces:
        ends.append(len(piece) + (ends[-1] if ends else 0))
    content = b"".join(piece for _, piece in pieces)
    if not content.startswith(b"HTTP/1.1 200") or b"data: [DONE]" not in content:
        raise SystemExit(f"expected a whole stream, got {content[:500]!r} ... {content[-300:]!r}")
    arrivals = [pieces[bisect_right(ends, match.end() - 1)][0] - start for match in _TEXT.finditer(content)]
    counts = _COUNT.findall(content)
    return Streamed(arrivals, int(counts[-1]) if counts else 0)


class IdleConnections:
    """Connections that nothing is asked over, or nothing any more."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._connections: list[socket.socket] = []

    def keep(self, num_connections: int, *, has_asked: bool) -> int:
        """Have so many, each after one request for /health if `has_asked`; how many the server has not closed."""
        while self._connections:
            self._connections.pop().close()
        for _ in range(num_connections):
            connection = socket.create_connection(self._address)
            if has_asked:
                connection.sendall(f"GET /health HTTP/1.1\r\nHost: {self._address[0]}\r\n\r\n".encode())
                assert connection.recv(_READ_BYTES).startswith(b"HTTP/1.1 200")
            self._connections.append(connection)
        return sum(_is_open(each) for each in self._connections)


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _request(host: str, path: str, body: bytes) -> bytes:
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{length}".encode() + body


def _serve(host: str, port: int) -> None:
    idle = IdleConnections(host, port)
    for line in sys.stdin:
        job = json.loads(line)
        if "idle" in job:
            answer: Any = idle.keep(job["idle"], has_asked=job["has_asked"])
        else:
            answer = asdict(run_streams(host, port, job["path"], job["bodies"]))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
