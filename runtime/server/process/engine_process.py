"""The engine's process: `python -m palmette.runtime.server.process.engine_process FD`, started by a server.

FD is this process's end of a socket pair. The first frame says which engine to make; when the server closes its end,
or is gone, the process ends.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NoReturn

from ...errors import EngineError
from ..collector import spare_collector
from .connection import FrameConnection
from .error_record import record_of
from .messages import REQUEST_DECODER, Configure, Refused, Started

if TYPE_CHECKING:
    from .engine_host import EngineHost
    from .engine_service import EngineService

_NUM_THREADS = 64
"""Most of them wait for compile workers, and those who wait for long must not keep others from being served."""
_END_LIMIT_S = 5.0
"""For the engine's thread to come to the end of its step."""


class _Server:
    """The other end: first a configuration is awaited of it, then there is a host for it."""

    def __init__(self) -> None:
        self.first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.is_gone = asyncio.Event()
        self._host: EngineHost | None = None
        self._early: list[tuple[int, bytes]] = []

    def receive(self, call_id: int, payload: bytes) -> None:
        """Take in a frame."""
        if not self.first.done():
            self.first.set_result(payload)
        elif self._host is None:
            self._early.append((call_id, payload))
        else:
            self._host.receive(call_id, payload)

    def leave(self) -> None:
        """It is gone. Where nothing has been made yet, there is nothing to end in order."""
        self.is_gone.set()
        if self._host is None:
            _end_now()

    def welcome(self, host: "EngineHost") -> None:
        """From now on `host` answers; what has come while the model was loaded comes first."""
        self._host = host
        for call_id, payload in self._early:
            host.receive(call_id, payload)
        self._early.clear()


async def serve(end: socket.socket) -> None:
    """Make an engine and serve it until the other end is gone."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="palmette-engine-call"))
    server = _Server()
    _, connection = await loop.create_unix_connection(lambda: FrameConnection(server.receive, server.leave), sock=end)
    configure = REQUEST_DECODER.decode(await server.first)
    assert isinstance(configure, Configure), configure
    try:
        make_service, make_host = await asyncio.to_thread(_import_engine)
        service = await asyncio.to_thread(make_service, configure.config)
    except EngineError as error:
        connection.send(0, Refused(record_of(error)))
        connection.close()
        await server.is_gone.wait()
        return
    await asyncio.to_thread(spare_collector)
    host = make_host(service, connection, configure.max_unsent_bytes, server.is_gone.set)
    connection.send(0, Started(service.facts))
    server.welcome(host)
    warm_up = loop.run_in_executor(None, service.warm_up)
    await server.is_gone.wait()
    host.cancel_all()
    await warm_up
    try:
        await asyncio.wait_for(service.aclose(), _END_LIMIT_S)
    except TimeoutError:
        _end_now()
    connection.close()


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    logging.basicConfig(stream=sys.stderr, format="palmette engine: %(message)s")
    # Whoever stops the server sends these to all its processes; the server then lets requests end before the engine.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))


def _import_engine() -> "tuple[type[EngineService], type[EngineHost]]":
    """It takes seconds, in which the server may go and be missed."""
    from .engine_host import EngineHost
    from .engine_service import EngineService

    return EngineService, EngineHost


def _end_now() -> NoReturn:
    """Without waiting for threads: some do not come to an end, and nobody is there who needs what they do."""
    os._exit(1)


if __name__ == "__main__":
    main()
