"""Keywords that judge the same value by other schemas: allOf, anyOf, oneOf, not, if, dependentSchemas."""

from collections.abc import Callable

from ..json_schema.document import Node
from ..json_text.json_value import Json
from .outcome import INVALID, NOTHING_SEEN, UNKNOWN, Failure, Judging, Outcome, is_growing
from .schema_keyword import Applicator, named_schemas_of, schemas_of


def all_hold(nodes: list[Node], value: Json) -> Judging:
    """The outcome where every schema must hold of the value."""
    seen = NOTHING_SEEN
    is_unknown = False
    for node in nodes:
        outcome = yield node, value
        if outcome is INVALID:
            return INVALID
        if isinstance(outcome, Failure):
            is_unknown = True
        elif outcome:
            seen |= outcome
    return UNKNOWN if is_unknown else seen


def _all_of(node: Node, _collects: bool) -> Applicator:
    branches = schemas_of(node, "allOf")
    return lambda value: all_hold(branches, value)


def _any_of(node: Node, collects: bool) -> Applicator:
    branches = schemas_of(node, "anyOf")

    def judge(value: Json) -> Judging:
        result: Outcome = INVALID
        for branch in branches:
            outcome = yield branch, value
            if isinstance(outcome, Failure):
                if outcome is UNKNOWN and (collects or result is INVALID):
                    result = UNKNOWN
            elif not collects:
                return outcome
            elif result is not UNKNOWN:  # what an undecided branch looks at would not be known
                result = outcome if isinstance(result, Failure) else result | outcome
        return result

    return judge


def _one_of(node: Node, _collects: bool) -> Applicator:
    branches = schemas_of(node, "oneOf")

    def judge(value: Json) -> Judging:
        result: Outcome = INVALID
        num_valid, is_unknown = 0, False
        for branch in branches:
            outcome = yield branch, value
            if not isinstance(outcome, Failure):
                num_valid += 1
                result = outcome
                if num_valid > 1:
                    return INVALID
            is_unknown |= outcome is UNKNOWN
        return UNKNOWN if is_unknown else result

    return judge


def _not(node: Node, _collects: bool) -> Applicator:
    inner = node.child("not")

    def judge(value: Json) -> Judging:
        outcome = yield inner, value
        if outcome is UNKNOWN:
            return UNKNOWN
        return NOTHING_SEEN if outcome is INVALID else INVALID

    return judge


def _if(node: Node, _collects: bool) -> Applicator:
    schema = node.value
    assert isinstance(schema, dict), node.pointer
    condition = node.child("if")
    branch_then = node.child("then") if "then" in schema else None
    branch_else = node.child("else") if "else" in schema else None

    def judge(value: Json) -> Judging:
        outcome = yield condition, value
        if outcome is UNKNOWN:
            return UNKNOWN
        branch = branch_else if isinstance(outcome, Failure) else branch_then
        seen = NOTHING_SEEN if isinstance(outcome, Failure) else outcome
        if branch is None:
            return seen
        outcome = yield branch, value
        return outcome if isinstance(outcome, Failure) else seen | outcome

    return judge


def _dependent_schemas(node: Node, _collects: bool) -> Applicator:
    branches = named_schemas_of(node, "dependentSchemas")

    def judge(value: Json) -> Judging:
        if not isinstance(value, dict):
            return NOTHING_SEEN
        return (yield from all_hold([branch for key, branch in branches.items() if key in value], value))

    return judge


def _dependencies(node: Node, _collects: bool) -> Applicator:
    """Draft 7: a list of keys that are needed, or a schema."""
    needed: dict[str, list[str]] = {}
    branches: dict[str, Node] = {}
    for key, branch in named_schemas_of(node, "dependencies").items():
        if isinstance(branch.value, list):
            needed[key] = [name for name in branch.value if isinstance(name, str)]
        else:
            branches[key] = branch

    def judge(value: Json) -> Judging:
        if not isinstance(value, dict):
            return NOTHING_SEEN
        is_met = all(name in value for key, names in needed.items() if key in value for name in names)
        if not is_met and not is_growing(value):
            return INVALID
        outcome = yield from all_hold([branch for key, branch in branches.items() if key in value], value)
        return outcome if is_met or outcome is INVALID else UNKNOWN

    return judge


BRANCH_KEYWORDS: dict[str, Callable[[Node, bool], Applicator]] = {
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "dependentSchemas": _dependent_schemas,
    "dependencies": _dependencies,
}
"""For each keyword, what makes its applicator; the second argument is whether anything asks what was looked at."""
