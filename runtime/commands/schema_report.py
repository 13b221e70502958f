"""SchemaReport: what becomes of a JSON Schema as a constraint, and of a document under it."""

import itertools
from dataclasses import dataclass, replace

import msgspec

from ...grammar.acceptance import BYTE_VOCABULARY, refused_at
from ...grammar.compiler import compile_prepared
from ...grammar.engines.engine_set import EngineSet
from ...grammar.errors import GrammarError, UnsupportedSchema
from ...grammar.front import PreparedGrammar, prepare
from ...grammar.guards.json_value_reader import read_json
from ...grammar.guards.validator import is_valid
from ...grammar.json_schema.audit import AuditEntry
from ...grammar.json_schema.document import SchemaDocument
from ...grammar.json_schema.schema_compiler import audit_schema
from ...grammar.matcher import CompiledGrammar, EngineName
from ...grammar.spec import JsonSchema

Change = tuple[str, str]
"""A field of `JsonSchema` and the value it would need."""

WIDER: tuple[tuple[str, str], ...] = (
    ("whitespace", "flexible"),
    ("property_order", "any"),
    ("reading", "literal"),
)
"""What may be loosened without a document that is not valid coming in."""


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """Whether a document would be accepted as it is written.

    If not: `line` and `column`, from 1, of the first character that may not follow; why the document is not valid by
    the schema's letter, or, where it is, the least changes under which it would be accepted, None for no such.
    """

    is_accepted: bool
    line: int | None = None
    column: int | None = None
    invalid_because: str | None = None
    accepted_with: tuple[Change, ...] | None = None


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """`refusal`: why the schema is not enforced; None: it is, by `engine`, chosen for `reason`."""

    keywords: tuple[AuditEntry, ...] = ()
    refusal: GrammarError | None = None
    engine: EngineName | None = None
    reason: str | None = None
    document: DocumentReport | None = None

    @property
    def is_good(self) -> bool:
        """Whether the schema is enforced, and the document, where there is one, accepted."""
        return self.refusal is None and (self.document is None or self.document.is_accepted)

    @classmethod
    def of(cls, constraint: JsonSchema, document: str | None = None) -> "SchemaReport":
        """Read, audit and compile the schema. A schema that the front refuses costs no import of torch."""
        keywords: tuple[AuditEntry, ...] = ()
        try:
            prepared = prepare(constraint)
            keywords = prepared.audit
            compiled = _compile(prepared)
        except UnsupportedSchema as error:
            return cls(_all_keywords(constraint), error)
        except GrammarError as error:
            return cls(keywords, error)
        report = cls(keywords, None, compiled.engine, compiled.reason)
        return report if document is None else replace(report, document=_check(constraint, compiled, document))


def _compile(prepared: PreparedGrammar) -> CompiledGrammar:
    return compile_prepared(prepared, EngineSet(BYTE_VOCABULARY))


def _all_keywords(constraint: JsonSchema) -> tuple[AuditEntry, ...]:
    try:
        return audit_schema(constraint)
    except GrammarError:  # what is left without the refused keywords cannot be enforced either; the refusal stands
        return ()


def _check(constraint: JsonSchema, compiled: CompiledGrammar, document: str) -> DocumentReport:
    text = document.removesuffix("\n").removesuffix("\r").encode(errors="surrogatepass")
    num_accepted = refused_at(compiled, text)
    if num_accepted is None:
        return DocumentReport(is_accepted=True)
    before = text[:num_accepted].decode(errors="ignore")  # it may end inside a character
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    invalid_because = _why_invalid(constraint, document)
    accepted_with = None if invalid_because else _accepted_with(constraint, text)
    return DocumentReport(False, line, column, invalid_because, accepted_with)


def _why_invalid(constraint: JsonSchema, document: str) -> str | None:
    try:
        value = read_json(document)
    except (ValueError, RecursionError) as error:
        return f"it is no JSON text that can be read: {error}"
    schema = SchemaDocument(constraint.schema)
    return None if is_valid(schema, schema.root, value) else "it is not valid by the schema"


def _accepted_with(constraint: JsonSchema, text: bytes) -> tuple[Change, ...] | None:
    open_changes = [(name, value) for name, value in WIDER if getattr(constraint, name) != value]
    for num_changes in range(1, len(open_changes) + 1):
        for changes in itertools.combinations(open_changes, num_changes):
            try:
                compiled = _compile(prepare(msgspec.structs.replace(constraint, **dict(changes))))
            except GrammarError:  # a wider reading may be refused where this one is not
                continue
            if refused_at(compiled, text) is None:
                return changes
    return None
