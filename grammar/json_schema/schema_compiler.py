"""JSON Schema to rules and guards: every keyword is enforced wholly, or checked wholly, or refused.

Each rule stands for one *goal*: the schema nodes that must hold at once, at one depth of the layout. Rules are made
from a work list, so that neither deep nor recursive schemas meet Python's own limits:

    goal(#)  ::=  "{" "\\"tags\\":" goal(#/properties/tags) "}"
    goal(#/properties/tags)  ::=  "[" (goal(#/$defs/Tag) ("," goal(#/$defs/Tag))*)? "]"
    goal(#/$defs/Tag)  ::=  ...

Where a grammar cannot say what a keyword says, the rule allows more and the goal's guard has a check for it.
"""

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from ..errors import ConstraintTooLarge, GrammarError, UnsatisfiableConstraint, UnsupportedSchema
from ..guards.guard_plan import GuardNode
from ..json_text.json_value import Json
from ..json_text.layout import MAX_INDENTED_DEPTH
from ..rules.expression import NOTHING, Expression, any_literal, either
from ..rules.rule_set import RuleSet
from ..spec import JsonSchema
from .array_rules import array_rule
from .audit import Audit, AuditEntry, refused_entry, warn_of, with_guards
from .branch_rules import BranchRules
from .document import SchemaDocument
from .facts import TYPES, Conjunct, SchemaFacts, type_of
from .goals import Goal, Goals
from .guard_builder import add_check
from .negation import is_sayable
from .number_rules import integer_rule, number_rule
from .object_rules import object_rule
from .schema_grammar import SchemaGrammar
from .string_rules import string_rule
from .synthetic import written_pointer
from .values import allowed_values, listed_texts, values_rule


def compile_schema(constraint: JsonSchema) -> SchemaGrammar:
    """The rules and guards of the documents to generate, or simply the documents where a list of values says them all.

    Every document that passes both is valid. With `on_unsupported="warn"` what would be refused is dropped, with an
    `UnenforcedKeyword` warning and an audit entry for each. Raises `InvalidSchema`, `UnsupportedSchema`,
    `UnsatisfiableConstraint` or `ConstraintTooLarge`.
    """
    grammar, refusals = _compile(constraint, drops=constraint.on_unsupported == "warn")
    return replace(grammar, audit=(*grammar.audit, *warn_of(refusals))) if refusals else grammar


def audit_schema(constraint: JsonSchema) -> tuple[AuditEntry, ...]:
    """What becomes of every keyword, those that are refused included, whatever `on_unsupported` says.

    Warns of nothing; raises what `compile_schema` raises, but for `UnsupportedSchema`.
    """
    grammar, refusals = _compile(constraint, drops=True)
    return (*grammar.audit, *map(refused_entry, refusals))


def _compile(constraint: JsonSchema, *, drops: bool) -> tuple[SchemaGrammar, list[UnsupportedSchema]]:
    """The grammar, and what was dropped for it."""
    for name in ("reading", "property_order", "on_unsupported"):
        _check_option(constraint, name)
    document = SchemaDocument(constraint.schema)
    refusals: list[UnsupportedSchema] = []
    while True:
        audit = Audit(document, is_tight=constraint.reading == "tight")
        found = audit.refusals
        if not found:
            try:
                return _SchemaCompiler(constraint, document).compile(audit.entries), refusals
            except UnsupportedSchema as error:
                found = [error]
        smaller = document.without((error.pointer, error.keyword) for error in found) if drops else None
        if smaller is None:
            raise found[0]
        document = smaller
        refusals += found


def _check_option(constraint: JsonSchema, name: str) -> None:
    known = _OPTIONS[name]
    if getattr(constraint, name) not in known:
        raise GrammarError(f"{name}: expected {known[0]!r} or {known[1]!r}, got {getattr(constraint, name)!r}")


_OPTIONS = {
    "reading": ("tight", "literal"),
    "property_order": ("declared", "any"),
    "on_unsupported": ("refuse", "warn"),
}


class _SchemaCompiler:
    def __init__(self, constraint: JsonSchema, document: SchemaDocument) -> None:
        self.constraint = constraint
        self.document = document
        self.goals = Goals(document, constraint)
        self.branches = BranchRules(self.goals)

    def compile(self, entries: Iterable[AuditEntry]) -> SchemaGrammar:
        goal = Goal((Conjunct(self.document.root),))
        facts = self.goals.gather(goal.conjuncts)
        if facts.values is not None:
            texts = listed_texts(self.goals, allowed_values(self.document, goal.conjuncts, facts))
            if texts:
                return SchemaGrammar(texts, None, tuple(entries))
        goals = self.goals
        root = goals.guard_for(goal)
        goals.rule_for(goal)
        while goals.pending:
            goals.define_next(self.expression)
        plan = goals.builder.finish(root, goals.guards.values())
        audit = tuple(entries) if plan is None else with_guards(entries, _guarded(goals.guards.values()))
        return SchemaGrammar(self._pruned(), plan, audit)

    def _pruned(self) -> RuleSet:
        try:
            return self.goals.rules.pruned()
        except UnsatisfiableConstraint as error:
            if self.goals.is_depth_cut:
                compact = msgspec.structs.replace(self.constraint, whitespace="compact")
                _SchemaCompiler(compact, self.document).compile(())
                raise ConstraintTooLarge("levels of indented JSON", MAX_INDENTED_DEPTH, "more") from error
            raise UnsatisfiableConstraint(
                "JSON schema: expected one that some document meets, got one that no document meets; check bounds "
                "that cross, empty enums, required properties that are not allowed, recursion without an end"
            ) from error

    def expression(self, goal: Goal) -> Expression:
        """The right-hand side of a goal's rule; fills the goal's guard."""
        facts = self.goals.gather(goal.conjuncts)
        types = facts.types & goal.only_types
        if facts.is_false or not types:
            return NOTHING
        if facts.values is not None:
            values = [value for value in self._values(goal, facts) if type_of(value) in types]
            return values_rule(self.goals, values, goal.depth)
        guard = self.goals.guard_for(goal)
        beside = {conjunct.node for conjunct in goal.conjuncts if conjunct.is_bare}
        for check in facts.checks:
            if check.node not in beside:  # what stands beside a group is checked where the group is
                add_check(guard, check)
        for check, excluded in facts.excluded.items():
            if check.node not in beside and not is_sayable(excluded, types):
                add_check(guard, check)
        if facts.groups:
            return self.branches.rule(goal, facts, guard)
        if self.goals.is_tight and facts.mentioned_types:
            types &= facts.mentioned_types
        if "number" in types:
            types -= {"integer"}  # a number may be whole
        options = [self.of_type(kind, facts, guard, goal.depth) for kind in TYPES if kind in types]
        return options[0] if len(options) == 1 else either(options)

    def _values(self, goal: Goal, facts: SchemaFacts) -> list[Json]:
        return allowed_values(self.document, goal.conjuncts, facts)

    def of_type(self, kind: str, facts: SchemaFacts, guard: GuardNode, depth: int) -> Expression:
        """The values of one type that meet the facts."""
        match kind:
            case "null" | "boolean":
                words = ("null",) if kind == "null" else ("true", "false")
                gone = {self.goals.layout.dump(value, 0) for values in facts.excluded.values() for value in values}
                return any_literal(word for word in words if word not in gone)
            case "integer":
                return integer_rule(self.goals, facts, guard)
            case "number":
                return number_rule(self.goals, facts, guard)
            case "string":
                return string_rule(self.goals, facts, guard)
            case "array":
                return array_rule(self.goals, facts, guard, depth)
            case _:
                return object_rule(self.goals, facts, guard, depth)


def _guarded(guards: Iterable[GuardNode]) -> set[tuple[str, str]]:
    """Pointer and keyword of everything that is checked, as the author wrote it."""
    found: set[tuple[str, str]] = set()
    for guard in guards:
        for check in (*guard.checks, *guard.key_checks):
            pointer = written_pointer(check.node.pointer)
            if check.keyword and pointer == check.node.pointer:
                found.add((pointer, check.keyword))
            else:  # a whole schema, or what one implies: the keyword that holds it
                outer, _, keyword = pointer.rpartition("/")
                found.add((outer, keyword))
    return found
