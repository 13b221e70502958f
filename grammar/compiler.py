"""GrammarCompiler: constraints made ready for one vocabulary, each once, the recent ones kept.

    constraint --prepare()--> PreparedGrammar --compile_prepared()--> CompiledGrammar
                front.py       no vocabulary    engines, guards

The engines (and torch) are imported when the first constraint is compiled, not with this module.
"""

import time
from collections import OrderedDict
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from .engines.engine_set import EngineSet
from .errors import CompileTimeout
from .front import PreparedGrammar, prepare
from .json_schema.audit import warn_of_dropped
from .matcher import CompiledGrammar
from .spec import Choice, Constraint, JsonSchema
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .compiling.compile_service import CompileService

MAX_CACHED_BYTES = 256 * 1024 * 1024
COMPILES_BETWEEN_SUMS = 64
_TYPICAL_SCHEMAS = (
    '{"type": "object", "properties": {"name": {"type": "string", "pattern": "^\\\\w+$"}, "size": {"type": "number"}}}',
    '{"type": "array", "items": {"enum": ["a", 1]}, "uniqueItems": true}',
)


def compile_prepared(prepared: PreparedGrammar, engines: EngineSet, serialized: str | None = None) -> CompiledGrammar:
    """What `prepared` comes to over the vocabulary of `engines`; raises `GrammarError`. `serialized`: of its choice."""
    compiled = engines.compile(prepared.choice, serialized)
    if prepared.guards is None:
        return compiled
    from .guards.guarded_grammar import GuardedGrammar

    return GuardedGrammar(compiled, prepared.guards, engines.vocabulary)


class GrammarCompiler:
    """Compiles constraints for `vocabulary` and keeps the most recently used.

    Kept are at most `max_cached` of them and at most `max_cached_bytes` of memory, as far as their engines know it;
    the latest is kept whatever it takes. Thread-safe: the same constraint asked for by several threads at once is
    compiled once. Failures are not kept. With a `service`, what may take long or go wrong is done in its processes.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        max_cached: int = 1_024,
        max_cached_bytes: int = MAX_CACHED_BYTES,
        service: "CompileService | None" = None,
    ) -> None:
        for name, value in (("max_cached", max_cached), ("max_cached_bytes", max_cached_bytes)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        self.vocabulary = vocabulary
        self.max_cached = max_cached
        self.max_cached_bytes = max_cached_bytes
        self._engines = EngineSet(vocabulary)
        self._service = service
        self._cache: OrderedDict[Constraint, Future[CompiledGrammar]] = OrderedDict()
        self._alive: WeakValueDictionary[Constraint, CompiledGrammar] = WeakValueDictionary()
        self._lock = Lock()
        self._num_summed_bytes = 0
        self._num_since_sum = 0
        self._num_compiles = 0
        self._num_hits = 0
        self._num_timeouts = 0
        self._compile_s = 0.0

    def compile(self, constraint: Constraint) -> CompiledGrammar:
        """The compiled form of `constraint`; raises the errors of `grammar.errors`."""
        with self._lock:
            future = self._cache.get(constraint)
            is_owner = future is None
            if future is None:
                alive = self._alive.get(constraint)
                if alive is not None:
                    return alive  # dropped, but somebody still uses it
                future = Future()
                self._cache[constraint] = future
            self._cache.move_to_end(constraint)
            self._num_hits += not is_owner
        if is_owner:
            self._fulfil(future, constraint)
        return future.result()

    def close(self) -> None:
        """End the processes of the service, if there is one; what has been compiled can still be used."""
        if self._service is not None:
            self._service.close()

    def warm_up(self) -> None:
        """Make ready what the first constraints of a process would wait for, 0.1 to 1 s; nothing is kept in the cache.

        That is importing the front and both engines, their tables of the vocabulary, and classes of characters; and a
        process of the service, if there is one. It may be called from any thread, at any time.
        """
        if self._service is not None:
            self._service.warm_up()
        for text in _TYPICAL_SCHEMAS:
            compile_prepared(prepare(JsonSchema(text)), self._engines)
        self._engines.warm_up()

    @property
    def num_cached_bytes(self) -> int:
        """Memory that the grammars kept take now, as far as their engines know it; some grow while they are used."""
        with self._lock:
            return sum(map(_num_bytes, self._cache.values()))

    def stats(self) -> dict[str, int]:
        """Counters since the start. A hit is a look-up; one generation may look its constraint up several times."""
        with self._lock:
            return {
                "num_grammar_compiles": self._num_compiles,
                "num_grammar_hits": self._num_hits,
                "num_grammar_timeouts": self._num_timeouts,
                "grammar_compile_us": round(self._compile_s * 1e6),
            }

    def __len__(self) -> int:
        return len(self._cache)

    def _fulfil(self, future: Future[CompiledGrammar], constraint: Constraint) -> None:
        start = time.perf_counter()
        try:
            compiled = self._alive[constraint] = self._compile(constraint)
            self._count(start)
            future.set_result(compiled)
        except BaseException as error:  # noqa: BLE001 - handed on to all who wait; future.result() raises it
            self._count(start, error)
            with self._lock:
                if self._cache.get(constraint) is future:
                    del self._cache[constraint]
            future.set_exception(error)
        else:
            self._evict(compiled.num_bytes)

    def _count(self, start: float, error: BaseException | None = None) -> None:
        with self._lock:
            self._num_compiles += 1
            self._num_timeouts += isinstance(error, CompileTimeout)
            self._compile_s += time.perf_counter() - start

    def _compile(self, constraint: Constraint) -> CompiledGrammar:
        # A choice is read in one pass over its texts: nothing about it can take long.
        if self._service is None or isinstance(constraint, Choice):
            return compile_prepared(prepare(constraint), self._engines)
        compiled = self._service.compile(constraint)
        warn_of_dropped(compiled.prepared.audit)
        return compile_prepared(compiled.prepared, self._engines, compiled.serialized)

    def _evict(self, num_added_bytes: int) -> None:
        """Drop the least recently used until both bounds hold; what is still being compiled counts for nothing.

        O(1): the sum is kept, and taken anew now and then, as some grammars grow while they are used.
        """
        with self._lock:
            self._num_summed_bytes += num_added_bytes
            self._num_since_sum += 1
            if self._num_since_sum >= COMPILES_BETWEEN_SUMS:
                self._num_summed_bytes = sum(map(_num_bytes, self._cache.values()))
                self._num_since_sum = 0
            while len(self._cache) > 1 and (
                len(self._cache) > self.max_cached or self._num_summed_bytes > self.max_cached_bytes
            ):
                _, dropped = self._cache.popitem(last=False)
                self._num_summed_bytes -= _num_bytes(dropped)


def _num_bytes(future: Future[CompiledGrammar]) -> int:
    return future.result().num_bytes if future.done() and future.exception() is None else 0
