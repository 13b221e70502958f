"""EngineLink: what event loops need to reach an engine: its thread, its compiler, and a way back for each loop."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
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

    def compiled(self, constraints: Iterable[Constraint]) -> list[CompiledGrammar] | None:
        """The grammars of all `constraints`, if the engine would have to wait for none of them.

        As long as somebody refers to a grammar the compiler has it at hand: whoever runs operations keeps theirs.
        """
        grammars = [self._compiled.get(each) for each in dict.fromkeys(constraints)]
        there = [grammar for grammar in grammars if grammar is not None]
        return there if len(there) == len(grammars) else None

    async def compile(self, constraints: Iterable[Constraint]) -> "Readied":
        """Compile what is not compiled yet, on another thread, so that neither the loop nor the engine waits for it."""
        wanted = list(dict.fromkeys(constraints))
        there = self.compiled(wanted)
        return Readied(there, {}) if there is not None else await asyncio.to_thread(self._compile, wanted)

    def _compile(self, constraints: list[Constraint]) -> "Readied":
        readied = Readied([], {})
        for constraint in constraints:
            try:
                grammar = self._compiled[constraint] = self._compiler.compile(constraint)
            except GrammarError as error:
                readied.refused[constraint] = error
            else:
                readied.grammars.append(grammar)
        return readied


@dataclass(frozen=True)
class Readied:
    """Constraints made ready: the grammars, to be kept while they are used, and those refused, with the reason."""

    grammars: list[CompiledGrammar]
    refused: dict[Constraint, GrammarError]
