"""Proof that a document made for one branch of a oneOf is never valid for another."""

from collections.abc import Callable

from ..json_text.numbers import Bound
from .document import Node
from .facts import ALL_TYPES, Conjunct, SchemaFacts, is_equal, type_of

MAX_PROOF_DEPTH = 3
Gather = Callable[[tuple[Conjunct, ...]], SchemaFacts]


class DisjointProof:
    """Compares facts of branches; `gather` finds the facts of their properties.

    Both sides may be wider than what they stand for (groups inside are passed over), so a proof holds for what
    is inside. `is_tight`: generated objects hold declared properties only.
    """

    def __init__(self, gather: Gather, *, is_tight: bool) -> None:
        self._gather = gather
        self._is_tight = is_tight

    def never_valid(
        self, made: SchemaFacts, other: SchemaFacts, only_types: frozenset[str] = ALL_TYPES, depth: int = 0
    ) -> bool:
        """Whether no document generated for `made` can be valid for `other`."""
        if made.is_false or other.is_false:
            return True
        if made.values is not None:
            others = other.values
            return all(
                type_of(value) not in other.types
                or (others is not None and not any(is_equal(value, allowed) for allowed in others))
                for value in made.values
            )
        made_types = self._made_types(made) & only_types
        if other.values is not None:
            return all(type_of(value) not in made_types for value in other.values)
        return all(self._is_type_apart(kind, made, other, depth) for kind in made_types & other.types)

    def discriminator(self, branches: list[SchemaFacts]) -> str | None:
        """A property that each branch declares with values no other branch has."""
        if not branches or not all(branch.objects for branch in branches):
            return None
        for name in declared_names(branches[0]):
            facts = [self.property_facts(branch, name) for branch in branches]
            known = [fact for fact in facts if fact is not None and fact.values is not None]
            if len(known) == len(branches) and all(
                self.never_valid(one, two) for one in known for two in known if one is not two
            ):
                return name
        return None

    def property_facts(self, facts: SchemaFacts, name: str) -> SchemaFacts | None:
        """What declarations of the property `name` say together, or None where it is not declared."""
        conjuncts = tuple(Conjunct(part.properties[name]) for part in facts.objects if name in part.properties)
        return self._gather(conjuncts) if conjuncts else None

    def _made_types(self, made: SchemaFacts) -> frozenset[str]:
        # A group inside may still state a type; then the keywords beside it do not narrow it.
        is_narrowed = self._is_tight and made.mentioned_types and not made.groups
        return made.types & made.mentioned_types if is_narrowed else made.types

    def _is_type_apart(self, kind: str, made: SchemaFacts, other: SchemaFacts, depth: int) -> bool:
        if kind in ("integer", "number"):
            return _is_below(made.upper, other.lower) or _is_below(other.upper, made.lower)
        if kind == "object" and depth < MAX_PROOF_DEPTH:
            return self._is_object_apart(made, other, depth)
        return False

    def _is_object_apart(self, made: SchemaFacts, other: SchemaFacts, depth: int) -> bool:
        made_names, other_names = declared_names(made) | made.required, declared_names(other)
        if is_closed(made, is_tight=self._is_tight) and any(name not in made_names for name in other.required):
            return True
        if is_closed(other, is_tight=False) and any(name not in other_names for name in made.required):
            return True
        for name in made.required:
            mine, theirs = self.property_facts(made, name), self.property_facts(other, name)
            if mine is not None and theirs is not None and self.never_valid(mine, theirs, ALL_TYPES, depth + 1):
                return True
        return False


def declared_names(facts: SchemaFacts) -> dict[str, None]:
    """The properties that any part declares, in the order of declaration."""
    return {name: None for part in facts.objects for name in part.properties}


def is_closed(facts: SchemaFacts, *, is_tight: bool) -> bool:
    """Whether objects hold no properties but declared ones.

    Read tightly, an object that declares or demands some is closed unless it says it is not.
    """
    if any(part.patterns for part in facts.objects):
        return False
    stated: list[Node] = [part.additional for part in facts.objects if part.additional is not None]
    if any(node.value is False for node in stated):
        return True
    declares = bool(facts.required) or any(part.is_declaring for part in facts.objects)
    return is_tight and not stated and declares


def _is_below(upper: Bound | None, lower: Bound | None) -> bool:
    if upper is None or lower is None:
        return False
    touches_openly = upper.value == lower.value and (upper.is_exclusive or lower.is_exclusive)
    return upper.value < lower.value or touches_openly
