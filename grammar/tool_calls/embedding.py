"""Embedding: the rules of one set put into another, under names of their own."""

from collections.abc import Callable

from ..json_schema.schema_grammar import SchemaGrammar
from ..rules.expression import (
    Chars,
    Concat,
    Either,
    Expression,
    Literal,
    Repeat,
    RuleRef,
    any_literal,
    concat,
    either,
    repeat,
)
from ..rules.rule_set import RuleSet


def embed(
    target: RuleSet, source: RuleSet, prefix: str, changed: Callable[[Expression], Expression] | None = None
) -> RuleRef:
    """Put the rules of `source` into `target`, their names behind `prefix` and a slash; returns its root there.

    `changed` rewrites the expressions of characters, and sees no rule names. Linear in the rules.
    """
    for name in source:
        target.define(f"{prefix}/{name}", _renamed(source[name], f"{prefix}/", changed))
    return RuleRef(f"{prefix}/{source.root}")


def embed_documents(target: RuleSet, documents: SchemaGrammar, prefix: str) -> Expression:
    """The same for the documents of a schema."""
    if isinstance(documents.rules, tuple):
        return any_literal(documents.rules)
    return embed(target, documents.rules.pruned(), prefix)


def _renamed(expression: Expression, prefix: str, changed: Callable[[Expression], Expression] | None) -> Expression:
    match expression:
        case RuleRef(name):
            return RuleRef(prefix + name)
        case Concat(parts):
            return concat(*(_renamed(part, prefix, changed) for part in parts))
        case Either(options):
            return either(_renamed(option, prefix, changed) for option in options)
        case Repeat(item, min_count, max_count):
            return repeat(_renamed(item, prefix, changed), min_count, max_count)
        case Literal() | Chars():
            return expression if changed is None else changed(expression)
