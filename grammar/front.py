"""The front: any constraint read into what an engine can be given, before any vocabulary is known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .engines.engine_choice import EngineChoice, choose_for_lark, choose_for_rules, choose_for_texts
from .errors import GrammarError, shorten
from .json_schema.schema_compiler import compile_schema
from .notations.choice import check_choices
from .notations.ebnf import parse_ebnf
from .notations.lark import check_lark
from .notations.regex import compile_regex
from .rules.rule_set import RuleSet
from .spec import Any, Choice, Constraint, Ebnf, JsonSchema, Lark, Reasoned, Regex, StructuralTag, ToolCalls
from .tool_calls.composition import compile_composed

if TYPE_CHECKING:
    from .guards.frames import Frames
    from .guards.guard_plan import GuardPlan
    from .json_schema.audit import AuditEntry


@dataclass(frozen=True, slots=True)
class PreparedGrammar:
    """What a constraint comes to, free of any vocabulary and picklable.

    `guards`: the checks that take away what the engine allows too much, of the whole text or of documents in it.
    `audit`: what became of each keyword of a schema.
    """

    choice: EngineChoice
    guards: "GuardPlan | Frames | None" = None
    audit: "tuple[AuditEntry, ...]" = ()


def prepare(constraint: Constraint) -> PreparedGrammar:
    """Read a constraint; raises the errors of `grammar.errors`.

    A pure function, which imports neither torch nor an engine: it may run in another process.
    """
    match constraint:
        case Choice(choices):
            return PreparedGrammar(choose_for_texts(check_choices(choices)))
        case Regex(pattern):
            return PreparedGrammar(choose_for_rules(compile_regex(pattern)))
        case Ebnf(grammar, root):
            return PreparedGrammar(choose_for_rules(parse_ebnf(grammar, root)))
        case Lark(grammar):
            return PreparedGrammar(choose_for_lark(check_lark(grammar)))
        case JsonSchema():
            return _prepare_schema(constraint)
        case Any() | StructuralTag() | Reasoned() | ToolCalls():
            composed = compile_composed(constraint)
            return PreparedGrammar(choose_for_rules(composed.rules), composed.frames)
        case _:
            raise GrammarError(f"constraint: expected one of palmette.grammar.spec, got {shorten(constraint)}")


def _prepare_schema(constraint: JsonSchema) -> PreparedGrammar:
    compiled = compile_schema(constraint)
    return PreparedGrammar(_choose(compiled.rules), compiled.guards, compiled.audit)


def _choose(rules: RuleSet | tuple[str, ...]) -> EngineChoice:
    return choose_for_rules(rules) if isinstance(rules, RuleSet) else choose_for_texts(rules)
