"""Location: the guard nodes that apply to one place of a document, ready to judge what closes there."""

from typing import Literal

from ..errors import GrammarError
from ..json_schema.document import Node
from ..json_schema.keywords import KEYWORD_TYPES
from ..json_text.json_value import Json
from .guard_plan import Check, GuardNode, GuardPlan
from .json_value_reader import read_json
from .number_reach import NumberReach
from .outcome import INVALID, UNKNOWN, Anything, Failure, OpenItems, OpenMembers, OpenText, SomeNumber
from .text_checks import is_found
from .validator import Allowance, Validator

Kind = Literal["object", "array", "string", "number", "literal"]
KINDS: tuple[Kind, ...] = ("object", "array", "string", "number", "literal")
MAX_KEPT = 512
MAX_KEPT_LEN = 4_096
OPEN_MARK = "\U000f0000open\U000f0001"
"""Stands in a text for a string whose characters are not known yet."""
ANY_MARK = "\U000f0000any\U000f0001"
"""Stands in a text for a value of which nothing is known yet."""
NUMBER_MARK = "\U000f0000number\U000f0001"
"""Stands in a text for a number that has begun."""
MORE_MARK = "\U000f0000more\U000f0001"
"""The last item or the last key of an array or object that may go on."""


class LocationTable:
    """The locations of one plan, each made when it is first come to."""

    def __init__(self, plan: GuardPlan) -> None:
        self.validator = Validator(plan.document, asserts_format=plan.asserts_format)
        self._locations: dict[tuple[int, ...], Location] = {}
        self._is_relevant: dict[int, bool] = {}
        self.root = self.at([plan.root])

    def at(self, nodes: "list[GuardNode | None]") -> "Location | None":
        """The place where all of `nodes` apply; None where nothing is checked from there on down."""
        relevant = {id(node): node for node in nodes if node is not None and self._has_any(node)}
        if not relevant:
            return None
        key = tuple(sorted(relevant))
        location = self._locations.get(key)
        if location is None:
            location = self._locations.setdefault(key, Location(self, list(relevant.values())))
        return location

    def _has_any(self, node: GuardNode) -> bool:
        answer = self._is_relevant.get(id(node))
        if answer is None:
            answer = self._is_relevant[id(node)] = node.has_any
        return answer


class Location:
    """What must hold of the values at a place.

    Some keywords are broken for good while the value still grows, so they are not left until it closes: a repeated
    item (`uniqueItems`), one item too many (`maxItems`, `maxContains`), a repeated or a wrong key, one key too many.
    """

    def __init__(self, table: LocationTable, nodes: list[GuardNode]) -> None:
        self._table = table
        self._nodes = nodes
        self._members: dict[str, Location | None] = {}
        self._items: dict[int, Location | None] = {}
        self.reaches: list[NumberReach] = [node.reach for node in nodes if node.reach is not None]
        """What numbers here can become."""
        self._num_prefix = max(len(node.prefix) for node in nodes)
        self._kept: dict[bytes, Failure | None] = {}
        self.open_beginnings: set[tuple[bytes, int]] = set()
        """Beginnings of earlier items, and how many begin so, of which it is known that other items can begin so."""
        self.has_unique_items = False
        self.contained: tuple[tuple[Node, int], ...] = ()
        """For each `maxContains`: what is counted, and how many there may be."""
        self.max_items: int | None = None
        self.max_properties: int | None = None
        self.has_unique_keys = any(node.unique_keys for node in nodes)
        self._key_checks = [check for node in nodes for check in node.key_checks]
        checks = dict.fromkeys(check for node in nodes for check in node.checks)
        closing = [check for check in checks if not self._take_growing(check)]
        self._closing: dict[Kind, list[Check]] = {
            kind: [check for check in closing if KEYWORD_TYPES.get(check.keyword, kind) == kind] for kind in KINDS
        }
        self.watches_keys = self.has_unique_keys or bool(self._key_checks) or self.max_properties is not None
        self.watches_items = self.has_unique_items or bool(self.contained) or self.max_items is not None
        growing: dict[Kind, bool] = {"object": self.watches_keys, "array": self.watches_items}
        self.is_watched: dict[Kind, bool] = {
            kind: bool(self._closing[kind]) or growing.get(kind, False) for kind in KINDS
        }
        """By kind: whether anything is checked of such a value itself."""
        self.is_checked: dict[Kind, bool] = {kind: bool(self._closing[kind]) for kind in KINDS}
        """By kind: whether anything is checked when it closes."""

    @property
    def checks_only_unique_keys(self) -> bool:
        """Whether the only thing asked of a key is that it be new."""
        return self.has_unique_keys and not self._key_checks and self.max_properties is None

    def _take_growing(self, check: Check) -> bool:
        """Note a check that is made while the value grows; True where nothing is left of it to check at the end."""
        schema = check.node.value
        if not isinstance(schema, dict) or check.keyword not in schema:
            return False
        value = schema[check.keyword]
        match check.keyword:
            case "uniqueItems":
                self.has_unique_items |= value is not False
                return True
            case "contains" | "maxContains" if "contains" in schema:
                high = schema.get("maxContains")
                if isinstance(high, int):
                    self.contained = tuple(dict.fromkeys((*self.contained, (check.node.child("contains"), high))))
                return False
            case "maxItems" if isinstance(value, int):
                self.max_items = value if self.max_items is None else min(self.max_items, value)
                return True
            case "maxProperties" if isinstance(value, int):
                self.max_properties = value if self.max_properties is None else min(self.max_properties, value)
                return True
            case "propertyNames":
                self._key_checks.append(Check(check.node.child("propertyNames"), ""))
                return True
        return False

    def member(self, key: str) -> "Location | None":
        """The place of the member `key` of an object here."""
        try:
            return self._members[key]
        except KeyError:
            pass
        applying: list[GuardNode | None] = []
        for node in self._nodes:
            hits = [node.properties[key]] if key in node.properties else []
            is_additional = not hits
            for pattern, child in node.patterns:
                is_match = is_found(pattern, key)
                if is_match is not False:  # in doubt, both what would apply and what would otherwise
                    hits.append(child)
                    is_additional &= is_match is None
            applying += [*hits, node.additional] if is_additional else hits
        location = self._table.at(applying)
        if len(self._members) < MAX_KEPT:
            self._members[key] = location
        return location

    def item(self, index: int) -> "Location | None":
        """The place of item `index` of an array here."""
        index = min(index, self._num_prefix)
        if index not in self._items:
            self._items[index] = self._table.at(
                [node.prefix[index] if index < len(node.prefix) else node.rest for node in self._nodes]
            )
        return self._items[index]

    def judge(self, kind: Kind, text: bytes, sketch: str | None) -> Failure | None:
        """What is wrong with a value that closes, from its JSON text; None where nothing is.

        `sketch`: the text holds `OPEN_MARK` for a string of which only this beginning is known, and the answer may be
        `UNKNOWN`; otherwise what is unknown is wrong. Linear in the text, and in the work of the schemas asked.
        """
        if text in self._kept:
            return self._kept[text]
        try:
            value = read_json(text)
            if sketch is not None:
                value = with_open_text(value, sketch)
        except (ValueError, RecursionError):  # hundreds of values within values are not looked at
            return INVALID
        if sketch is not None:
            return self._judge_all(self._closing[kind], value)
        failure = INVALID if self._judge_all(self._closing[kind], value) else None
        if len(text) <= MAX_KEPT_LEN:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[text] = failure
        return failure

    def is_hopeless(self, kind: Kind, value: Json, allowance: Allowance) -> bool:
        """Whether what is checked of a value that closes surely fails of every value that `value` stands for."""
        for check in self._closing[kind]:
            try:
                outcome = self._table.validator.keyword_outcome(check.node, check.keyword, value, allowance)
            except GrammarError:
                return True
            if outcome is INVALID:
                return True
        return False

    def judge_text(self, text: str) -> Failure | None:
        """What is wrong with a string that closes here; of an `OpenText`, with all that begin so."""
        return self._judge_all(self._closing["string"], text)

    def judge_key(self, key: str) -> Failure | None:
        """What is wrong with a key, by itself."""
        return self._judge_all(self._key_checks, key)

    def holds(self, node: Node, value: Json) -> bool | None:
        """Whether a schema holds of a value; None: unknown."""
        try:
            outcome = self._table.validator.outcome(node, value)
        except GrammarError:
            return None
        return None if outcome is UNKNOWN else outcome is not INVALID

    def _judge_all(self, checks: list[Check], value: Json) -> Failure | None:
        is_unknown = False
        for check in checks:
            try:
                outcome = self._table.validator.keyword_outcome(check.node, check.keyword, value)
            except (GrammarError, RecursionError):
                # A schema or a value without end, or one the audit should have refused: nothing is valid by it.
                return INVALID
            if outcome is INVALID:
                return INVALID
            is_unknown |= outcome is UNKNOWN
        return UNKNOWN if is_unknown else None


def with_marks_read(value: Json, string: OpenText) -> Json:
    """`value` with what each mark stands for in its place; changes containers in place."""
    if isinstance(value, list):
        is_open = bool(value) and value[-1] == MORE_MARK
        items = [with_marks_read(item, string) for item in (value[:-1] if is_open else value)]
        return OpenItems(items) if is_open else items
    if isinstance(value, dict):
        is_open = value.pop(MORE_MARK, None) is not None
        members = {key: with_marks_read(item, string) for key, item in value.items()}
        return OpenMembers(members) if is_open else members
    if value == OPEN_MARK:
        return string
    if value == ANY_MARK:
        return Anything()
    return SomeNumber() if value == NUMBER_MARK else value


def with_open_text(value: Json, beginning: str) -> Json:
    """`value` with an `OpenText` for each mark; changes containers in place."""
    if value == OPEN_MARK:
        return OpenText(beginning)
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            item[:] = [OpenText(beginning) if inner == OPEN_MARK else inner for inner in item]
            pending.extend(item)
        elif isinstance(item, dict):
            item.update({key: OpenText(beginning) for key, inner in item.items() if inner == OPEN_MARK})
            pending.extend(item.values())
    return value
