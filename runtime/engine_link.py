"""EngineLink: what event loops need to reach an engine: its thread, its compiler, and a way back for each loop."""

import asyncio
from collections.abc import Iterable
from threading import Lock
from weakref import WeakValueDictionary

from ..grammar.compiler import GrammarCompiler
from ..grammar.errors import GrammarError
from ..grammar.matcher import CompiledGrammar
from ..grammar.spec import Constraint
from .delivery import Delivery
from .engine_thread import EngineThread


class EngineLink:
    """Shared by all branches and plans of one engine, whichever loop they live on."""

    def __init__(self, thread: EngineThread, compiler: GrammarCompiler) -> None:
        self.thread = thread
        self._compiler = compiler
        self._compiled: WeakValueDictionary[Constraint, CompiledGrammar] = WeakValueDictionary()
        # Only the compiler's own cache keeps what it compiled alive, so this forgets what that has dropped.
        self._deliveries: dict[asyncio.AbstractEventLoop, Delivery] = {}
        self._lock = Lock()

    def delivery(self) -> Delivery:
        """What carries events to the running event loop; loops of several threads may use one engine."""
        loop = asyncio.get_running_loop()
        with self._lock:
            delivery = self._deliveries.get(loop)
            if delivery is None:
                self._deliveries = {each: kept for each, kept in self._deliveries.items() if not each.is_closed()}
                delivery = self._deliveries[loop] = Delivery(loop)
            return delivery

    def has_compiled(self, constraint: Constraint) -> bool:
        """Whether the engine would have to wait for this constraint no more."""
        return constraint in self._compiled

    async def compile(self, constraints: Iterable[Constraint]) -> dict[Constraint, GrammarError]:
        """Compile what is not compiled yet, on another thread, so that neither the loop nor the engine waits for it.

        Returns: the constraints that do not compile, and why.
        """
        missing = [each for each in dict.fromkeys(constraints) if not self.has_compiled(each)]
        return await asyncio.to_thread(self._compile, missing) if missing else {}

    def _compile(self, constraints: list[Constraint]) -> dict[Constraint, GrammarError]:
        refused: dict[Constraint, GrammarError] = {}
        for constraint in constraints:
            try:
                self._compiled[constraint] = self._compiler.compile(constraint)
            except GrammarError as error:
                refused[constraint] = error
        return refused
