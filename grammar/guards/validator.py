"""Validator: whether values are valid by the schemas of a document, to the letter of draft 2020-12 and before."""

from dataclasses import dataclass
from functools import lru_cache

from ..errors import ConstraintTooLarge, InvalidSchema, UnsupportedSchema
from ..json_schema.document import Node, SchemaDocument
from ..json_text.json_value import Json
from .assertions import ASSERTIONS
from .branch_keywords import BRANCH_KEYWORDS, all_hold
from .growing import judged_while_growing, may_be_seen, truth_while_growing
from .member_keywords import MEMBER_KEYWORDS
from .outcome import INVALID, NOTHING_SEEN, UNKNOWN, Anything, Failure, Judging, Outcome, is_growing, of_truth
from .schema_keyword import Applicator, Assertion

MAX_STEPS_DEEP = 20_000
"""Schemas within schemas on the way to one value: more means that a schema refers to itself without consuming."""
MAX_STEPS = 500_000
"""Schemas asked about one value, a second or two of work: more means that each of many asks many."""
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


@dataclass
class Allowance:
    """How many schemas may still be asked; when there are none left, what is being asked stays unknown."""

    num_left: int

    @property
    def is_used_up(self) -> bool:
        """Whether some question was left without its answer."""
        return self.num_left < 0


class PreparedSchema:
    """A schema object read once: what judges the value by itself, what asks other schemas, what comes last."""

    __slots__ = ("applicators", "assertions", "schema", "unevaluated")

    def __init__(
        self, schema: Node, assertions: list[Assertion], applicators: list[Applicator], unevaluated: list[Node]
    ) -> None:
        self.schema = schema
        self.assertions = assertions
        self.applicators = applicators
        self.unevaluated = unevaluated


class Validator:
    """Judges values by the schemas of one document, each read when it is first met.

    Values are exact (`Json`), so 1.0 is 1 and 0.3 is a multiple of 0.1. Formats are asserted as far as
    `json_schema.formats` knows them, unless `asserts_format` is False. Keywords that are not known forbid nothing:
    that they are refused where they would be dropped is the audit's business. Nesting costs no Python frames. Thread-
    safe: what threads share are memos of pure functions.
    """

    def __init__(self, document: SchemaDocument, *, asserts_format: bool = True) -> None:
        self.document = document
        self._asserts_format = asserts_format
        self._collects = _mentions(document.root.value, _UNEVALUATED)
        self._prepared: dict[Node, PreparedSchema] = {}
        self._keywords: dict[tuple[Node, str], PreparedSchema] = {}

    def outcome(self, node: Node, value: Json) -> Outcome:
        """What the schema at `node` says of `value`.

        Raises `InvalidSchema`, `UnsupportedSchema` or the errors of patterns where the schema cannot be read, and
        `ConstraintTooLarge` where it refers to itself without consuming anything, or takes too many steps.
        """
        return self._run(self._judge(node, value))

    def keyword_outcome(self, node: Node, keyword: str, value: Json, allowance: Allowance | None = None) -> Outcome:
        """What one keyword of the schema object at `node` says, with those that it reads beside it.

        `additionalProperties` reads `properties` and `patternProperties`, `unevaluated*` every keyword that looks at
        members, and so on. The empty keyword is the whole schema. A keyword that is not there holds. `UNKNOWN` where
        the `allowance` does not suffice; None: only `MAX_STEPS` bounds it.
        """
        if not keyword or keyword in _UNEVALUATED:
            return self._run(self._judge(node, value), allowance)
        key = (node, keyword)
        prepared = self._keywords.get(key)
        if prepared is None:
            prepared = self._keywords[key] = self._read(node, only=keyword)
        return self._run(self._judge_by(prepared, value), allowance)

    def is_valid(self, node: Node, value: Json) -> bool:
        """Whether the schema at `node` surely holds of `value`."""
        return not isinstance(self.outcome(node, value), Failure)

    def keyword_holds(self, node: Node, keyword: str, value: Json) -> bool:
        """Whether one keyword of the schema at `node` surely holds of `value`; see `keyword_outcome`."""
        return not isinstance(self.keyword_outcome(node, keyword, value), Failure)

    def _run(self, first: Judging, allowance: Allowance | None = None) -> Outcome:
        """Ask schemas about values, each schema about each object or array once.

        Were it asked again, a recursive schema with two ways down would take two to the power of the depth.
        """
        stack: list[tuple[Judging, tuple[Node, Json] | None]] = [(first, None)]
        known: dict[
            tuple[Node, int], tuple[Json, Outcome]
        ] = {}  # by the value's id; it is kept, so that no other has it
        result: Outcome = NOTHING_SEEN
        is_new = True
        num_steps = 0
        while stack:
            judging, asked = stack[-1]
            try:
                node, value = next(judging) if is_new else judging.send(result)
            except StopIteration as stop:
                stack.pop()
                result, is_new = stop.value, False
                if asked is not None:
                    known[asked[0], id(asked[1])] = (asked[1], result)
                continue
            schema = node.value
            if schema is True or schema is False:
                result, is_new = of_truth(schema), False
                continue
            has_members = isinstance(value, dict | list)
            answer = known.get((node, id(value))) if has_members else None
            if answer is not None:
                result, is_new = answer[1], False
                continue
            stack.append((self._judge(node, value), (node, value) if has_members else None))
            is_new = True
            if allowance is not None:
                allowance.num_left -= 1
                if allowance.is_used_up:
                    return UNKNOWN
            num_steps += 1
            if num_steps > MAX_STEPS:
                raise ConstraintTooLarge("schemas asked about one value", MAX_STEPS, f"more, at #{node.pointer}")
            if len(stack) > MAX_STEPS_DEEP:
                raise ConstraintTooLarge("schemas within schemas", MAX_STEPS_DEEP, f"more, at #{node.pointer}")
        return result

    def _judge(self, node: Node, value: Json) -> Judging:
        if node.value is True or node.value is False:
            return of_truth(node.value)
        prepared = self._prepared.get(node)
        if prepared is None:
            prepared = self._prepared[node] = self._read(node)
        return (yield from self._judge_by(prepared, value))

    def _judge_by(self, prepared: PreparedSchema, value: Json) -> Judging:
        if type(value) is Anything:
            return UNKNOWN
        is_unknown = False
        for assertion in prepared.assertions:
            truth = assertion(value)
            if truth is False:
                return INVALID
            is_unknown |= truth is None
        seen = NOTHING_SEEN
        for applicator in prepared.applicators:
            outcome = yield from applicator(value)
            if outcome is INVALID:
                return INVALID
            if isinstance(outcome, Failure):
                is_unknown = True
            elif outcome:
                seen |= outcome
        for node in prepared.unevaluated:
            if is_unknown or is_growing(value):
                is_unknown = True
                for way in (yield from may_be_seen(self.document, prepared.schema, value)):
                    outcome = yield from _judge_unevaluated(node, value, seen | way)
                    if outcome is not INVALID:
                        break
                else:
                    return INVALID
                continue
            outcome = yield from _judge_unevaluated(node, value, seen)
            if isinstance(outcome, Failure):
                return outcome
            seen |= outcome
        return UNKNOWN if is_unknown else seen

    def _read(self, node: Node, only: str | None = None) -> PreparedSchema:
        schema = node.value
        if not isinstance(schema, dict):
            raise InvalidSchema(node.pointer, "a schema: an object, true or false", schema)
        is_ref_alone = self.document.is_ref_alone and "$ref" in schema
        keywords = ["$ref"] if is_ref_alone else list(schema)
        if only is not None:
            keywords = [keyword for keyword in keywords if keyword == _owner(only)]
        assertions: list[Assertion] = []
        applicators: list[Applicator] = []
        unevaluated: list[Node] = []
        for keyword in keywords:
            if keyword in ASSERTIONS:
                if keyword != "format" or self._asserts_format:
                    assertions.append(truth_while_growing(keyword, ASSERTIONS[keyword](node)))
            elif keyword in BRANCH_KEYWORDS:
                applicators.append(judged_while_growing(keyword, BRANCH_KEYWORDS[keyword](node, self._collects)))
            elif keyword in MEMBER_KEYWORDS:
                applicators.append(judged_while_growing(keyword, MEMBER_KEYWORDS[keyword](node, self._collects)))
            elif keyword in _REFERENCES:
                applicators.append(self._reference(node, keyword))
            elif keyword in _UNEVALUATED:
                unevaluated.append(node.child(keyword))
        return PreparedSchema(node, assertions, applicators, unevaluated)

    def _reference(self, node: Node, keyword: str) -> Applicator:
        if keyword == "$recursiveRef":
            raise UnsupportedSchema(node.pointer, keyword, "its target depends on the way taken; use $dynamicRef")
        target = [self.document.resolve(node, keyword)]
        return lambda value: all_hold(target, value)


def is_valid(document: SchemaDocument, node: Node, value: Json) -> bool:
    """Whether the schema at `node` holds of `value`; see `Validator`. Document and node must be kept unchanged."""
    return _validator(document).is_valid(node, value)


def keyword_holds(document: SchemaDocument, node: Node, keyword: str, value: Json) -> bool:
    """Whether one keyword of the schema object at `node` holds of `value`; see `Validator.keyword_outcome`."""
    return _validator(document).keyword_holds(node, keyword, value)


@lru_cache(maxsize=32)
def _validator(document: SchemaDocument) -> Validator:
    return Validator(document)


def _judge_unevaluated(node: Node, value: Json, seen: frozenset[str | int]) -> Judging:
    """What `unevaluatedProperties` or `unevaluatedItems`, at `node`, says of what nothing else looked at."""
    pairs: list[tuple[str | int, Json]] = []
    if node.pointer.endswith("/unevaluatedProperties") and isinstance(value, dict):
        pairs = [(key, item) for key, item in value.items() if key not in seen]
    elif node.pointer.endswith("/unevaluatedItems") and isinstance(value, list):
        pairs = [(index, item) for index, item in enumerate(value) if index not in seen]
    is_unknown = False
    for _, item in pairs:
        outcome = yield node, item
        if outcome is INVALID:
            return INVALID
        is_unknown |= outcome is UNKNOWN
    return UNKNOWN if is_unknown else frozenset(place for place, _ in pairs)


def _owner(keyword: str) -> str:
    """The keyword that speaks for one that only sharpens it."""
    return {"then": "if", "else": "if", "minContains": "contains", "maxContains": "contains"}.get(keyword, keyword)


def _mentions(root: Json, keywords: tuple[str, ...]) -> bool:
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if any(keyword in value for keyword in keywords):
                return True
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return False
