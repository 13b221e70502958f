"""Which engine enforces a constraint, and why."""

from dataclasses import dataclass

from ..matcher import EngineName
from ..rules.finite import finite_texts
from ..rules.rule_set import RuleSet
from .lark_lowering import OPTIONS, lower_to_lark
from .lexemes import NotLexable

MAX_LISTED_TEXTS = 256
MAX_LISTED_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What an engine is given, free of any vocabulary; picklable.

    `automaton` is given `choices`, `llguidance` the text `lark`, `xgrammar` the `rules`. `rules` are kept beside
    `lark` where there are any: xgrammar takes them if llguidance turns out to refuse its text.
    """

    engine: EngineName
    reason: str
    choices: tuple[str, ...] = ()
    lark: str | None = None
    rules: RuleSet | None = None


def choose_for_texts(choices: tuple[str, ...]) -> EngineChoice:
    """The engine of a list of texts."""
    texts = "one text" if len(choices) == 1 else f"one of {len(choices)} texts"
    return EngineChoice("automaton", f"{texts}, kept sorted as a trie", choices=choices)


def choose_for_lark(grammar: str) -> EngineChoice:
    """The engine of a Lark grammar in llguidance's dialect."""
    return EngineChoice("llguidance", "a Lark grammar is in llguidance's own dialect", lark=f"{grammar}\n{OPTIONS}")


def choose_for_rules(rules: RuleSet) -> EngineChoice:
    """The engine of rules, which are pruned here. Raises `UnsatisfiableConstraint`."""
    pruned = rules.pruned()
    texts = finite_texts(pruned, MAX_LISTED_TEXTS, MAX_LISTED_CHARS)
    if texts is not None and texts != ("",):
        return choose_for_texts(texts)
    try:
        lark = lower_to_lark(pruned)
    except NotLexable as error:
        return EngineChoice("xgrammar", f"a parser of characters, not of lexemes, is needed: {error}", rules=pruned)
    reason = "nothing to precompute: masks are found as the text goes on"
    return EngineChoice("llguidance", reason, lark=lark, rules=pruned)
