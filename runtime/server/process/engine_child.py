"""EngineChild: the engine's process as the server sees it, from its start to its end."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import weakref

from ...config import EngineConfig
from .calls import BufferLimits, Calls
from .connection import FrameConnection
from .error_record import error_of
from .errors import EngineNotStarted
from .messages import ANSWER_DECODER, Configure, EngineFacts, Ping, Pong, Refused, Shutdown, Started

ENGINE_MODULE = f"{__package__}.engine_process"

_EXIT_LIMIT_S = 1.0
"""Between the end of the stream and the end of the process, where it ends by itself."""
_LOOK_EVERY_S = 0.02


class EngineChild:
    """One process, started at once; made anew for each life of the engine. Belongs to the loop it is made on."""

    def __init__(self, config: EngineConfig, limits: BufferLimits, module: str = ENGINE_MODULE) -> None:
        """`module`: what runs in the process; it is given the descriptor of its end of the stream."""
        self._config = config
        self._limits = limits
        loop = asyncio.get_running_loop()
        self.calls = Calls(limits)
        self.ready: asyncio.Future[EngineFacts] = loop.create_future()
        """Once its model is loaded; fails where it cannot be."""
        self.lost = asyncio.Event()
        """Nothing comes from it any more."""
        self.heard_at = time.monotonic()
        """When it was last heard of."""
        self.step_silence_s = 0.0
        """For so long its engine's loop has owed a sign of life, as it said last."""
        self._connection: FrameConnection | None = None
        self._end, child_end = socket.socketpair()
        with child_end:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(child_end.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # whatever it has to say to people is for the log
                pass_fds=(child_end.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # so that a Ctrl-C is the server's, and its own children end with it
            )
        self._finalizer = weakref.finalize(self, _kill, self._process)

    @property
    def process_id(self) -> int:
        """Of the process, and of the group of all it starts."""
        return self._process.pid

    async def connect(self) -> None:
        """Say to the process which engine it is to be; `ready` is the answer."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(
            lambda: FrameConnection(self._receive, self._hear_end), sock=self._end
        )
        self._connection = connection
        self.calls.connect(connection)
        connection.send(0, Configure(self._config, self._limits.unsent))

    def ping(self) -> None:
        """Ask for a sign of life."""
        assert self._connection is not None, "connect comes first"
        self._connection.send(0, Ping())

    async def end(self, limit_s: float) -> None:
        """Ask the process to end, and see to it that it has within `limit_s`."""
        if self._connection is not None:
            self._connection.send(0, Shutdown())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.lost.wait(), limit_s)
        await self.reap()

    async def reap(self) -> int:
        """Kill the process and all it started, unless it has just ended; returns its exit status, -n for signal n."""
        if self.lost.is_set() and self._process.returncode is None:
            await self._await_exit()
        self._finalizer.detach()
        await asyncio.to_thread(_kill, self._process)
        if self._connection is None:
            self._end.close()
        else:
            self._connection.abort()
        return self._process.returncode

    async def _await_exit(self) -> None:
        end = time.monotonic() + _EXIT_LIMIT_S
        # It is left unreaped: until `_kill` has been there its id must name no other process.
        while time.monotonic() < end and os.waitid(os.P_PID, self.process_id, _HAS_EXITED) is None:
            await asyncio.sleep(_LOOK_EVERY_S)

    def _hear_end(self) -> None:
        self.lost.set()
        if not self.ready.done():
            self.ready.set_exception(EngineNotStarted("engine's process: expected it to load the model, but it ended"))
            self.ready.exception()  # whoever has given up waiting for it does not ask

    def _receive(self, call_id: int, payload: bytes) -> None:
        self.heard_at = time.monotonic()
        if call_id:
            self.calls.receive(call_id, payload)
            return
        match ANSWER_DECODER.decode(payload):
            case Pong(silence_s=silence_s):
                self.step_silence_s = silence_s
            case Started(facts=facts) if not self.ready.done():
                self.ready.set_result(facts)
            case Refused(error=error) if not self.ready.done():
                self.ready.set_exception(error_of(error))
            case answer:
                raise AssertionError(f"expected a sign of life, got {answer}")


_HAS_EXITED = os.WEXITED | os.WNOWAIT | os.WNOHANG


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and all of the group; one that has ended keeps the status it ended with."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
