"""GrammarCompiler: constraints made ready for one vocabulary, each once, the recent ones kept.

The engines (and torch) are imported when the first constraint is compiled, not with this module.
"""

from collections import OrderedDict
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING

from .errors import GrammarError, shorten
from .json_schema.schema_compiler import compile_schema
from .matcher import CompiledGrammar
from .notations.choice import check_choices
from .notations.ebnf import parse_ebnf
from .notations.regex import compile_regex
from .rules.rule_set import RuleSet
from .spec import Choice, Constraint, Ebnf, JsonSchema, Regex
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .engines.choice_backend import SortedVocabulary
    from .engines.xgrammar_backend import XGrammarEngine


class GrammarCompiler:
    """Compiles constraints for `vocabulary` and keeps the `max_cached` most recently used.

    Thread-safe: the same constraint asked for by several threads at once is compiled once. Failures are not kept.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_cached: int = 128) -> None:
        if max_cached < 1:
            raise ValueError(f"max_cached: expected at least 1, got {max_cached}")
        self.vocabulary = vocabulary
        self.max_cached = max_cached
        self._cache: OrderedDict[Constraint, Future[CompiledGrammar]] = OrderedDict()
        self._lock = Lock()
        self._engine_lock = Lock()
        self._xgrammar_engine: XGrammarEngine | None = None
        self._sorted_vocabulary: SortedVocabulary | None = None

    def compile(self, constraint: Constraint) -> CompiledGrammar:
        """The compiled form of `constraint`; raises the errors of `grammar.errors`."""
        with self._lock:
            future = self._cache.get(constraint)
            is_owner = future is None
            if future is None:
                future = Future()
                self._cache[constraint] = future
            self._cache.move_to_end(constraint)
            while len(self._cache) > self.max_cached:
                self._cache.popitem(last=False)
        if is_owner:
            self._fulfil(future, constraint)
        return future.result()

    def __len__(self) -> int:
        return len(self._cache)

    def _fulfil(self, future: Future[CompiledGrammar], constraint: Constraint) -> None:
        try:
            future.set_result(self._compile(constraint))
        except BaseException as error:  # noqa: BLE001 - handed on to all who wait; future.result() raises it
            with self._lock:
                if self._cache.get(constraint) is future:
                    del self._cache[constraint]
            future.set_exception(error)

    def _compile(self, constraint: Constraint) -> CompiledGrammar:
        match constraint:
            case Choice(choices):
                return self._compile_choice(check_choices(choices))
            case Regex(pattern):
                return self._compile_rules(compile_regex(pattern))
            case Ebnf(grammar, root):
                return self._compile_rules(parse_ebnf(grammar, root))
            case JsonSchema():
                compiled = compile_schema(constraint)
                return (
                    self._compile_rules(compiled) if isinstance(compiled, RuleSet) else self._compile_choice(compiled)
                )
            case _:
                raise GrammarError(f"constraint: expected Regex, JsonSchema, Choice or Ebnf, got {shorten(constraint)}")

    def _compile_rules(self, rules: RuleSet) -> CompiledGrammar:
        return self._xgrammar().compile(rules)

    def _compile_choice(self, choices: tuple[str, ...]) -> CompiledGrammar:
        from .engines.choice_backend import CompiledChoice

        return CompiledChoice(choices, self._sorted())

    def _xgrammar(self) -> "XGrammarEngine":
        from .engines.xgrammar_backend import XGrammarEngine

        with self._engine_lock:
            if self._xgrammar_engine is None:
                self._xgrammar_engine = XGrammarEngine(self.vocabulary)
            return self._xgrammar_engine

    def _sorted(self) -> "SortedVocabulary":
        from .engines.choice_backend import SortedVocabulary

        with self._engine_lock:
            if self._sorted_vocabulary is None:
                self._sorted_vocabulary = SortedVocabulary(self.vocabulary)
            return self._sorted_vocabulary
