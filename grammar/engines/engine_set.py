"""EngineSet: the engines over one vocabulary, each made when it is first needed."""

from threading import Lock
from typing import TYPE_CHECKING

from ..matcher import CompiledGrammar
from ..notations.lark import lark_error
from ..vocabulary import Vocabulary
from .engine_choice import EngineChoice

if TYPE_CHECKING:
    from .llguidance_engine import EngineRefusal, LlguidanceEngine
    from .xgrammar_backend import XGrammarCompiled, XGrammarEngine


class EngineSet:
    """Compiles what an `EngineChoice` says. Thread-safe."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._lock = Lock()
        self._llguidance_engine: LlguidanceEngine | None = None
        self._xgrammar_engine: XGrammarEngine | None = None

    def compile(self, choice: EngineChoice, serialized: str | None = None) -> CompiledGrammar:
        """The grammar ready for use; raises `GrammarError`. `serialized`: what `vet` gave for it in another process.

        Rules that llguidance refuses, for one of its limits, go to xgrammar; a user's Lark grammar is in error then.
        """
        if choice.engine == "automaton":
            from .choice_backend import CompiledChoice

            return CompiledChoice(choice.choices, self.vocabulary, choice.reason)
        if serialized is not None:
            return self._xgrammar().revive(serialized, choice.reason)
        if choice.engine == "llguidance":
            from .llguidance_backend import LlguidanceCompiled
            from .llguidance_engine import EngineRefusal

            assert choice.lark is not None, "llguidance: expected a Lark grammar, got none"
            try:
                return LlguidanceCompiled(choice.lark, self._llguidance(), choice.reason)
            except EngineRefusal as refusal:
                _check_has_rules(choice, refusal)
                return self._compile_rules(choice, f"llguidance refuses the rules: {refusal}")
        return self._compile_rules(choice, choice.reason)

    def vet(self, choice: EngineChoice) -> str | None:
        """Let the engine have the grammar once, as far as that may take long; raises what `compile` would.

        Returns: xgrammar's own form of it where xgrammar is the engine, else None.
        """
        if choice.engine == "automaton":
            return None
        if choice.engine == "llguidance":
            from .llguidance_engine import EngineRefusal

            assert choice.lark is not None, "llguidance: expected a Lark grammar, got none"
            try:
                self._llguidance().matcher(choice.lark)
            except EngineRefusal as refusal:
                _check_has_rules(choice, refusal)
            else:
                return None
        return self._compile_rules(choice, choice.reason).serialized()

    def warm_up(self) -> None:
        """Make both engines, with their tables of the vocabulary."""
        self._llguidance()
        self._xgrammar()

    def _compile_rules(self, choice: EngineChoice, reason: str) -> "XGrammarCompiled":
        assert choice.rules is not None, "xgrammar: expected rules, got none"
        return self._xgrammar().compile(choice.rules, reason)

    def _llguidance(self) -> "LlguidanceEngine":
        from .llguidance_engine import LlguidanceEngine

        with self._lock:
            if self._llguidance_engine is None:
                self._llguidance_engine = LlguidanceEngine(self.vocabulary)
            return self._llguidance_engine

    def _xgrammar(self) -> "XGrammarEngine":
        from .xgrammar_backend import XGrammarEngine

        with self._lock:
            if self._xgrammar_engine is None:
                self._xgrammar_engine = XGrammarEngine(self.vocabulary)
            return self._xgrammar_engine


def _check_has_rules(choice: EngineChoice, refusal: "EngineRefusal") -> None:
    """Raise where llguidance is the only engine that could take the grammar."""
    if choice.rules is None:
        raise lark_error(refusal.message) from refusal
