"""serve: the server from its first word to its last: socket, engine, signals, drain."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import uvicorn
from rich.console import Console

from ..config import EngineConfig
from .app import create_app
from .banner import banner
from .collector import spare_collector
from .observed_parts import observed
from .parts import ServerParts
from .settings import ServerSettings

_GRACE_S = 5.0
"""For the last answers to be sent, after what was still at work has been aborted."""

_SWITCH_S = 0.0005
"""A thread that reads a huge request gives up the interpreter's lock after this: the event loop wants it back after
each write to a client, and Python's 5 ms would be added to each."""

_log = logging.getLogger("palmette.server")


class PortTaken(Exception):
    """The server cannot listen where it was told to."""


def serve(engine_options: Mapping[str, Any], settings: ServerSettings, out: Console) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `engine_options`: as `EngineConfig.from_options` takes them.

    A second signal does not wait for requests at work. Raises: PortTaken; EngineError where the engine does not start.
    """
    sys.setswitchinterval(_SWITCH_S)
    logging.basicConfig(level=settings.observing.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    with _bound(settings.bind.host, settings.bind.port) as listener:
        asyncio.run(_serve(engine_options, settings, listener, out))


async def _serve(
    engine_options: Mapping[str, Any], settings: ServerSettings, listener: socket.socket, out: Console
) -> None:
    signals = _Signals()
    async with AsyncExitStack() as stack:
        out.print(f"palmette: loading {engine_options.get('model_path') or 'sprig'} ...")
        starting = asyncio.ensure_future(stack.enter_async_context(_started(engine_options, settings)))
        if not await signals.come_before(starting):
            parts = starting.result()
            server = _Server(_server_config(parts), lambda: out.print(banner(parts, listener.getsockname())))
            draining = asyncio.ensure_future(_drain(signals, parts, server))
            spare_collector()
            try:
                await server.serve(sockets=[listener])
            finally:
                draining.cancel()
        out.print("palmette: stopping")
    out.print("palmette: stopped")


@asynccontextmanager
async def _started(engine_options: Mapping[str, Any], settings: ServerSettings) -> AsyncIterator[ServerParts]:
    """The parts over an engine that runs, in a process of its own unless told otherwise; it is ended afterwards."""
    if settings.process.is_in_process:
        from ..local.embedded import Engine  # brings torch along, which the server's process does without otherwise
        from .in_process import parts_of

        engine = await asyncio.to_thread(lambda: Engine(**engine_options))
        try:
            yield _traced(await asyncio.to_thread(parts_of, engine, settings))
        finally:
            await asyncio.to_thread(engine.shutdown)
        return
    from .process.engine_client import EngineClient
    from .process.process_parts import parts_of_process
    from .process.supervisor import SupervisionOptions

    process = settings.process
    supervision = SupervisionOptions(heartbeat_s=process.heartbeat_s, silence_limit_s=process.heartbeat_limit_s)
    client = EngineClient(EngineConfig.from_options(**engine_options), supervision)
    try:
        await client.start()
        yield _traced(await parts_of_process(client, settings))
    finally:
        await client.aclose()


def _traced(parts: ServerParts) -> ServerParts:
    if not parts.settings.observing.is_traced:
        return observed(parts)
    from .tracing import trace_requests

    return observed(parts, trace_requests(parts.model_name))


async def _drain(signals: "_Signals", parts: ServerParts, server: uvicorn.Server) -> None:
    """After a signal: let nobody in, and wait for those at work, who are aborted in the end."""
    await signals.first.wait()
    server.should_exit = True
    if parts.running.num_running:
        _log.warning("draining: %d requests at work", parts.running.num_running)
    idle = asyncio.ensure_future(parts.running.wait_idle())
    hurry = asyncio.ensure_future(signals.second.wait())
    await asyncio.wait({idle, hurry}, timeout=parts.settings.process.drain_s, return_when=asyncio.FIRST_COMPLETED)
    for waiting in (idle, hurry):
        waiting.cancel()
    num_aborted = parts.running.abort_all()
    if num_aborted:
        _log.warning("drained: %d requests were aborted", num_aborted)


class _Signals:
    """SIGTERM and SIGINT, counted."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._note)

    async def come_before(self, starting: "asyncio.Future[ServerParts]") -> bool:
        """Whether a signal comes before `starting` is done, which is cancelled then."""
        signalled = asyncio.ensure_future(self.first.wait())
        both: set[asyncio.Future[Any]] = {signalled, starting}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        if starting.done():
            return False
        starting.cancel()
        await asyncio.wait({starting})
        return True

    def _note(self) -> None:
        if self.first.is_set():
            self.second.set()
        self.first.set()


class _Server(uvicorn.Server):
    """uvicorn's, told of signals by us: its own way ends the process by the signal, not with status 0."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def _server_config(parts: ServerParts) -> uvicorn.Config:
    settings = parts.settings
    return uvicorn.Config(
        create_app(parts),
        log_config=None,
        log_level=settings.observing.log_level,
        access_log=settings.observing.has_access_log,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=int(settings.process.drain_s + _GRACE_S),
        h11_max_incomplete_event_size=2 * settings.limits.max_header_bytes,
    )


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that has its port, and does not listen yet: who connects while the model is loaded is refused."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise PortTaken(f"--host: cannot find {host!r}: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            reason = error.strerror or str(error)
            raise PortTaken(f"cannot listen on {host} port {port}: {reason}; choose another with --port") from error
        yield listener
