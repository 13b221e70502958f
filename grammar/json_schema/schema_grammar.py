"""SchemaGrammar: what a JSON Schema is compiled to."""

from dataclasses import dataclass

from ..guards.guard_plan import GuardPlan
from ..rules.rule_set import RuleSet
from .audit import AuditEntry


@dataclass(frozen=True)
class SchemaGrammar:
    """The documents that `rules` allow and `guards` let pass are valid, each of them."""

    rules: RuleSet | tuple[str, ...]
    """A tuple: the documents themselves."""
    guards: GuardPlan | None
    """What the rules leave open; None: nothing."""
    audit: tuple[AuditEntry, ...]
    """What became of every keyword."""
