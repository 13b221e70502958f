"""The table of JSON Schema's keywords: what holds schemas, what annotates, what type of value each is about."""

SCHEMA_APPLICATORS = frozenset(
    (
        "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties", "unevaluatedProperties",
        "propertyNames", "not", "if", "then", "else", "contentSchema",
    )
)  # fmt: skip
"""Keywords that hold a schema."""
LIST_APPLICATORS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems", "items"))
"""Keywords that hold a list of schemas (`items`: before 2020-12)."""
MAP_APPLICATORS = frozenset(
    ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
)
"""Keywords that hold schemas by name."""

KEYWORD_TYPES = {
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number",
    "multipleOf": "number",
    "minLength": "string", "maxLength": "string", "pattern": "string", "format": "string",
    "properties": "object", "required": "object", "additionalProperties": "object", "patternProperties": "object",
    "propertyNames": "object", "minProperties": "object", "maxProperties": "object", "dependentRequired": "object",
    "dependentSchemas": "object", "dependencies": "object", "unevaluatedProperties": "object",
    "items": "array", "prefixItems": "array", "additionalItems": "array", "minItems": "array", "maxItems": "array",
    "uniqueItems": "array", "contains": "array", "minContains": "array", "maxContains": "array",
    "unevaluatedItems": "array",
}  # fmt: skip
"""The type of value that a keyword is about; it says nothing of values of other types."""

IN_PLACE_KEYWORDS = frozenset(
    ("$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else")
)
"""Keywords whose schemas are about the value itself, not about what it holds."""

ASSERTIONS = frozenset(("type", "enum", "const", *KEYWORD_TYPES, *IN_PLACE_KEYWORDS))
"""Keywords that may forbid something; each is enforced, guarded or refused."""

ANNOTATIONS = frozenset(
    (
        "title", "description", "default", "examples", "example", "$comment", "deprecated", "readOnly", "writeOnly",
        "$schema", "$id", "$anchor", "$dynamicAnchor", "$defs", "definitions", "discriminator",
        "contentEncoding", "contentMediaType", "contentSchema",
    )
)  # fmt: skip
"""These forbid nothing by the specification (`discriminator` is OpenAPI's hint beside `oneOf`)."""

REFUSED_KEYWORDS = {
    "$recursiveAnchor": "its meaning depends on the way taken; use $dynamicAnchor, or $defs and $ref",
    "$vocabulary": "only a meta-schema has one",
    "nullable": 'it is OpenAPI\'s, not JSON Schema\'s; use anyOf with {"type": "null"}',
    "divisibleBy": "it is draft 2's; use multipleOf",
    "extends": "it is draft 3's; use allOf",
    "disallow": "it is draft 3's; use not",
}
"""Keywords of other dialects that would have to be dropped, and why."""

UNKNOWN_REASON = "it is not a keyword of JSON Schema 2020-12; check its spelling, or begin its name with 'x-'"
