"""Supervisor: keeps an engine's process alive, and says whether it is."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ...config import EngineConfig
from ...errors import EngineClosed
from .calls import BufferLimits, Calls
from .engine_child import ENGINE_MODULE, EngineChild
from .errors import EngineNotStarted, EngineRestarted
from .messages import EngineFacts

_LOGGER = logging.getLogger("palmette.server")


@dataclass(frozen=True)
class SupervisionOptions:
    """When an engine's process counts as hung, and when it is started again."""

    heartbeat_s: float = 0.5
    """Between two questions whether it lives."""
    silence_limit_s: float = 3.5
    """A process that says nothing for so long is not healthy, and is ended and started again."""
    step_limit_s: float = 60.0
    """A process that answers, but whose engine has not ended a step for so long, is ended and started again. It is
    not healthy from `silence_limit_s` on; a long step of a large model is no reason to lose all requests."""
    start_limit_s: float = 600.0
    """For the process to load the model."""
    first_backoff_s: float = 0.5
    """Before it is started again; twice as long each time it ends once more, ..."""
    max_backoff_s: float = 30.0
    """... up to this, ..."""
    steady_s: float = 60.0
    """... until it has been up for so long."""
    end_limit_s: float = 10.0
    """For the process to end by itself when it is asked to."""


@dataclass(frozen=True)
class EngineHealth:
    """Whether requests are answered, and if not, why."""

    is_alive: bool
    reason: str = ""


class Supervisor:
    """Starts the process, asks it for signs of life, and starts another when there are none.

        starting --> up --> ended or hung: all calls fail with EngineRestarted --> killed, reaped --> back-off --+
            ^                                                                                                    |
            +----------------------------------------------------------------------------------------------------+

    Belongs to one event loop.
    """

    def __init__(
        self,
        config: EngineConfig,
        options: SupervisionOptions,
        limits: BufferLimits,
        module: str = ENGINE_MODULE,
    ) -> None:
        """`module`: see `EngineChild`."""
        self._module = module
        self._config = config
        self._options = options
        self._limits = limits
        self._child: EngineChild | None = None
        self._is_up = False
        self._is_closing = False
        self._reason = "the engine has not been started"
        self._keeping: asyncio.Task[None] | None = None
        self.facts: EngineFacts | None = None
        self.num_restarts = 0
        self.on_up: Callable[[Calls], None] | None = None
        """Called with the calls of each new process."""

    async def start(self) -> EngineFacts:
        """Start the process and wait until it has loaded the model.

        Raises: ModelLoadError, InvalidOption; EngineNotStarted where it ends, or takes too long.
        """
        assert self._keeping is None, "a supervisor is started once"
        self._reason = "the engine is being started"
        facts = await self._start_child()
        self._keeping = asyncio.get_running_loop().create_task(self._keep())
        return facts

    @property
    def calls(self) -> Calls:
        """The way to the process. Raises: EngineRestarted, EngineClosed where there is none now."""
        if self._is_closing or self._child is None or not self._is_up:
            raise self._unavailable()
        return self._child.calls

    def health(self) -> EngineHealth:
        """What is known now; asks nobody."""
        child = self._child
        if child is None or not self._is_up:
            return EngineHealth(False, self._reason)
        silence_s = time.monotonic() - child.heard_at
        if child.lost.is_set() or silence_s > self._options.silence_limit_s:
            return EngineHealth(False, f"the engine's process has said nothing for {silence_s:.1f} s")
        if child.step_silence_s > self._options.silence_limit_s:
            return EngineHealth(False, f"the engine has not ended a step for {child.step_silence_s:.1f} s")
        return EngineHealth(True)

    async def close(self) -> None:
        """End the process; what is open fails with EngineClosed. A second call waits for the first."""
        self._is_closing = True
        self._reason = "the engine was shut down"
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        child, self._child = self._child, None
        if child is not None:
            child.calls.fail(_shut_down)
            await child.end(self._options.end_limit_s)

    # --- inside

    async def _start_child(self) -> EngineFacts:
        child = self._child = EngineChild(self._config, self._limits, self._module)
        try:
            await child.connect()
            facts = await asyncio.wait_for(asyncio.shield(child.ready), self._options.start_limit_s)
        except TimeoutError as error:
            limit_s = self._options.start_limit_s
            raise EngineNotStarted(
                f"engine's process: expected it to load the model in {limit_s:g} s, but it has not; give it longer"
            ) from error
        except EngineNotStarted as error:
            raise EngineNotStarted(f"{error} with status {await child.reap()}; see what it wrote") from error
        finally:
            if not child.ready.done() or child.ready.exception() is not None:
                self._child = None
                await asyncio.shield(child.reap())
        child.heard_at = time.monotonic()
        self.facts = facts
        self._is_up = True
        if self.on_up is not None:
            self.on_up(child.calls)
        return facts

    async def _keep(self) -> None:
        """From the first time that the process is up until it is to end."""
        backoff_s = self._options.first_backoff_s
        while True:
            if self._child is not None:
                up_since = time.monotonic()
                await self._watch_and_end(self._child)
                if time.monotonic() - up_since >= self._options.steady_s:
                    backoff_s = self._options.first_backoff_s
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, self._options.max_backoff_s)
            self.num_restarts += 1
            try:
                await self._start_child()
            except Exception as error:  # noqa: BLE001 - whatever it is, it may be over the next time
                self._reason = f"the engine could not be started again: {error}"
                _LOGGER.error("%s; trying again in %.1f s", self._reason, backoff_s)
            else:
                _LOGGER.warning("the engine is up again")

    async def _watch_and_end(self, child: EngineChild) -> None:
        why = await self._watch(child)
        self._is_up = False
        if why is None:
            why = f"the engine's process ended with status {await child.reap()}"
        self._reason = f"{why} and is started again"
        _LOGGER.error("%s", self._reason)
        child.calls.fail(partial(_restarted, why))
        self._child = None
        await child.reap()

    async def _watch(self, child: EngineChild) -> str | None:
        """Returns when the process has ended (None), or is to be: why."""
        options = self._options
        while True:
            due = time.monotonic() + options.heartbeat_s
            try:
                await asyncio.wait_for(child.lost.wait(), options.heartbeat_s)
            except TimeoutError:
                pass
            else:
                return None
            now = time.monotonic()
            if now - due > options.heartbeat_s:
                # This loop was held up, and what has come meanwhile is not read yet: that is no silence.
                child.heard_at += now - due
            if now - child.heard_at > options.silence_limit_s:
                return f"the engine's process has said nothing for {now - child.heard_at:.1f} s"
            if child.step_silence_s > options.step_limit_s:
                return f"the engine has not ended a step for {child.step_silence_s:.1f} s"
            child.ping()

    def _unavailable(self) -> EngineClosed:
        if self._is_closing:
            return EngineClosed("the engine was shut down; make another")
        return EngineRestarted(f"expected an engine that is up, but {self._reason}; try again in a moment")


def _restarted(why: str) -> EngineRestarted:
    return EngineRestarted(f"the engine was restarted while the request was in it: {why}; send the request again")


def _shut_down() -> EngineClosed:
    return EngineClosed("the engine was shut down before the request ended")
