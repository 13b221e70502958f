"""EngineLink: what event loops need to reach an engine: its thread, its compiler, and a way back for each loop."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from weakref import WeakValueDictionary

from ...grammar.compiler import GrammarCompiler
from ...grammar.errors import GrammarError
from ...grammar.matcher import CompiledGrammar
from ...grammar.spec import Constraint
from ..engine_thread import EngineThread
from ..errors import InvalidRequest
from ..text.stop_automaton import MAX_KEPT, stop_automaton
from .delivery import PAUSE_S, Delivery


class EngineLink:
    """Shared by all branches and plans of one engine, whichever loop they live on."""

    def __init__(self, thread: EngineThread, compiler: GrammarCompiler, text_pause_s: float = PAUSE_S) -> None:
        """`text_pause_s`: see `Delivery`."""
        self.thread = thread
        self._text_pause_s = text_pause_s
        self._compiler = compiler
        self._compiled: WeakValueDictionary[Constraint, CompiledGrammar] = WeakValueDictionary()
        # Only the compiler's own cache keeps what it compiled alive, so this forgets what that has dropped.
        self._deliveries: dict[asyncio.AbstractEventLoop, Delivery] = {}
        self._watched: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def delivery(self) -> Delivery:
        """What carries events to the running event loop; loops of several threads may use one engine."""
        loop = asyncio.get_running_loop()
        with self._lock:
            delivery = self._deliveries.get(loop)
            if delivery is None:
                self._deliveries = {each: kept for each, kept in self._deliveries.items() if not each.is_closed()}
                delivery = self._deliveries[loop] = Delivery(loop, self._text_pause_s)
            return delivery

    async def watch_for(self, patterns: Iterable[str]) -> None:
        """Make the automata of stop regexes on another thread; what is refused is refused again where it is used."""
        wanted = self.unwatched(patterns)
        if wanted:
            await asyncio.to_thread(self._make_automata, wanted)

    def unwatched(self, patterns: Iterable[str]) -> list[str]:
        """Those of the stop regexes whose automata may not be at hand."""
        return [each for each in dict.fromkeys(patterns) if each not in self._watched]

    def _make_automata(self, patterns: list[str]) -> None:
        for pattern in patterns:
            with suppress(InvalidRequest):
                stop_automaton(pattern)
            with self._lock:
                self._watched[pattern] = None
                if len(self._watched) > MAX_KEPT // 2:  # well within what is remembered, also if used in another order
                    self._watched.popitem(last=False)

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
