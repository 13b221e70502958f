"""The audit: what becomes of every keyword of a schema, each with its place and, where it matters, the reason."""

import warnings
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import InvalidRegex, InvalidSchema, UnsupportedRegex, UnsupportedSchema
from ..json_text.json_value import Json
from ..notations.regex import parse_regex
from ..notations.regex_dialect import Dialect
from .document import Node, SchemaDocument
from .formats import ENFORCED_FORMATS, INTEGER_FORMATS, PLAIN_FORMATS
from .keywords import ANNOTATIONS, ASSERTIONS, REFUSED_KEYWORDS, UNKNOWN_REASON
from .resources import subschemas

Verdict = Literal["enforced", "guarded", "annotation", "refused"]
_CONDITIONAL_ON = {
    "then": "if", "else": "if", "minContains": "contains", "maxContains": "contains", "additionalItems": "items",
}  # fmt: skip
_NOT_FOLLOWED = ("$defs", "definitions", "contentSchema")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class UnenforcedKeyword(UserWarning):
    """A keyword that cannot be enforced was dropped, as `on_unsupported="warn"` asks."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """The verdict on one keyword of the schema object at `pointer`.

    `enforced`: every text of the grammar obeys it. `guarded`: the grammar allows more, and what it allows is checked
    where a value closes. `annotation`: it forbids nothing. `refused`: it was dropped, for `reason`.
    """

    pointer: str
    keyword: str
    verdict: Verdict
    reason: str = ""


class Audit:
    """A walk over every schema that the document's root leads to, references included. Linear in the schema.

    In a literal reading unknown keywords and formats annotate, as the specification has it; otherwise they are
    refused, since most are misspelt.
    """

    def __init__(self, document: SchemaDocument, *, is_tight: bool) -> None:
        self._document = document
        self._is_tight = is_tight
        self.entries: list[AuditEntry] = []
        self.refusals: list[UnsupportedSchema] = []
        seen: set[Node] = set()
        pending = deque([document.root])
        while pending:
            node = pending.popleft()
            if node not in seen:
                seen.add(node)
                pending.extend(self._visit(node))

    def _visit(self, node: Node) -> Iterable[Node]:
        schema = node.value
        if schema is True or schema is False:
            return ()
        if not isinstance(schema, dict):
            raise InvalidSchema(node.pointer, "a schema: an object, true or false", schema)
        is_ref_alone = self._document.is_ref_alone and "$ref" in schema
        for keyword, value in schema.items():
            if is_ref_alone and keyword != "$ref" and keyword not in ANNOTATIONS:
                self._add(node, keyword, "annotation", "beside $ref it counts for nothing up to draft 7")
            else:
                self._judge(node, schema, keyword, value)
        return self._next(node, schema, is_ref_alone=is_ref_alone)

    def _next(self, node: Node, schema: dict[str, Json], *, is_ref_alone: bool) -> Iterable[Node]:
        for keyword in _REFERENCES[:2]:
            if keyword in schema:
                try:
                    yield self._document.resolve(node, keyword)
                except UnsupportedSchema as error:
                    self._refuse(UnsupportedSchema(node.pointer, keyword, error.reason))
        if is_ref_alone:
            return
        for child in subschemas(node):
            if not any(child.pointer.startswith(f"{node.pointer}/{keyword}/") for keyword in _NOT_FOLLOWED):
                yield child

    def _judge(self, node: Node, schema: dict[str, Json], keyword: str, value: Json) -> None:
        if keyword in _CONDITIONAL_ON and _CONDITIONAL_ON[keyword] not in schema:
            self._add(node, keyword, "annotation", f"without {_CONDITIONAL_ON[keyword]} it says nothing")
        elif keyword == "$recursiveRef":
            self._refuse_keyword(node, keyword, "its target depends on the way taken; use $dynamicRef, or $ref")
        elif keyword == "pattern" or keyword == "patternProperties":
            self._judge_patterns(node, keyword, [value] if keyword == "pattern" else value)
        elif keyword == "format":
            self._judge_format(node, value)
        elif keyword in ASSERTIONS:
            self._add(node, keyword, "enforced")
        elif keyword in ANNOTATIONS or keyword.startswith("x-"):
            self._add(node, keyword, "annotation")
        elif keyword == "id" and self._document.is_ref_alone:
            self._add(node, keyword, "annotation", "draft 4's $id")
        elif keyword in REFUSED_KEYWORDS:
            self._refuse_keyword(node, keyword, REFUSED_KEYWORDS[keyword])
        elif self._is_tight:
            self._refuse_keyword(node, keyword, UNKNOWN_REASON)
        else:
            self._add(node, keyword, "annotation", "it is not a keyword of JSON Schema 2020-12")

    def _judge_patterns(self, node: Node, keyword: str, patterns: Json) -> None:
        for pattern in patterns if isinstance(patterns, list | dict) else ():
            if not isinstance(pattern, str):
                continue  # read, and found invalid, with the keyword
            try:
                parse_regex(pattern, Dialect.SHARED, is_search=True)
            except UnsupportedRegex as error:
                self._refuse_keyword(node, keyword, str(error))
                return
            except InvalidRegex as error:
                expected = f"a regular expression ({error.reason})"
                raise InvalidSchema(f"{node.pointer}/{keyword}", expected, pattern) from error
        self._add(node, keyword, "enforced")

    def _judge_format(self, node: Node, name: Json) -> None:
        if name in ENFORCED_FORMATS or name in INTEGER_FORMATS:
            self._add(node, "format", "enforced")
        elif name in PLAIN_FORMATS or not isinstance(name, str):
            self._add(node, "format", "annotation", "it says how the value is used")
        elif self._is_tight:
            known = ", ".join(sorted(ENFORCED_FORMATS))
            reason = f"{name!r} has no grammar here (there is one for {known}); use pattern"
            self._refuse_keyword(node, "format", reason)
        else:
            self._add(node, "format", "annotation", f"{name!r} is not known")

    def _add(self, node: Node, keyword: str, verdict: Verdict, reason: str = "") -> None:
        self.entries.append(AuditEntry(node.pointer, keyword, verdict, reason))

    def _refuse_keyword(self, node: Node, keyword: str, reason: str) -> None:
        self._refuse(UnsupportedSchema(node.pointer, keyword, reason))

    def _refuse(self, error: UnsupportedSchema) -> None:
        self.refusals.append(error)


_CHECKED_WHOLE = frozenset(("not", "contains", "if", "propertyNames", "unevaluatedItems", "unevaluatedProperties"))


def with_guards(entries: Iterable[AuditEntry], guarded: set[tuple[str, str]]) -> tuple[AuditEntry, ...]:
    """The entries, those that a guard must see to marked so; `guarded` holds pointers and keywords."""
    whole = {f"{pointer}/{keyword}" for pointer, keyword in guarded if keyword in _CHECKED_WHOLE}
    return tuple(
        replace(entry, verdict="guarded")
        if entry.verdict == "enforced"
        and ((entry.pointer, entry.keyword) in guarded or (whole and _is_inside(entry.pointer, whole)))
        else entry
        for entry in entries
    )


def _is_inside(pointer: str, places: set[str]) -> bool:
    while pointer:
        if pointer in places:
            return True
        pointer = pointer.rpartition("/")[0]
    return False


def refused_entry(error: UnsupportedSchema) -> AuditEntry:
    """The entry of a keyword that is dropped."""
    return AuditEntry(error.pointer, error.keyword, "refused", error.reason)


def warn_of(refusals: Iterable[UnsupportedSchema]) -> tuple[AuditEntry, ...]:
    """A warning for each keyword that is dropped, and its entry."""
    entries = tuple(map(refused_entry, refusals))
    warn_of_dropped(entries)
    return entries


def warn_of_dropped(entries: Iterable[AuditEntry]) -> None:
    """A warning for each entry of a keyword that is dropped, as where the schema was read in another process."""
    for entry in entries:
        if entry.verdict == "refused":
            place = f"#{entry.pointer}" if entry.pointer else "# (the root)"
            warnings.warn(f"JSON schema at {place}: {entry.keyword!r} is dropped: {entry.reason}", UnenforcedKeyword, 4)
