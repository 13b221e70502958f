"""The audit's table: what becomes of each JSON Schema keyword."""

ENFORCED_KEYWORDS = frozenset(
    (
        "$ref", "type", "enum", "const", "allOf", "anyOf", "oneOf",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minLength", "maxLength", "pattern", "format",
        "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
        "minProperties", "maxProperties",
        "items", "prefixItems", "additionalItems", "minItems", "maxItems",
    )
)  # fmt: skip
"""Every generated document obeys these, or the schema is refused at the place where it would not."""

ANNOTATIONS = frozenset(
    (
        "title", "description", "default", "examples", "example", "$comment", "deprecated", "readOnly", "writeOnly",
        "$schema", "$id", "$anchor", "$dynamicAnchor", "$defs", "definitions", "discriminator",
        "contentEncoding", "contentMediaType", "contentSchema",
    )
)  # fmt: skip
"""These forbid nothing by the specification (`discriminator` is OpenAPI's hint beside `oneOf`)."""

REFUSED_KEYWORDS = {
    "not": "what must not be cannot be said in a grammar; say what may be, with anyOf or enum",
    "if": "conditions need the whole value; write the cases as anyOf",
    "uniqueItems": "a grammar cannot compare items; use false or leave it out",
    "contains": "a grammar cannot look for one item among others; use prefixItems",
    "minContains": "a grammar cannot count matching items",
    "maxContains": "a grammar cannot count matching items",
    "dependentRequired": "a grammar cannot remember which properties came; write the cases as anyOf",
    "dependentSchemas": "a grammar cannot remember which properties came; write the cases as anyOf",
    "dependencies": "a grammar cannot remember which properties came; write the cases as anyOf",
    "unevaluatedProperties": "it depends on which branches hold; use additionalProperties",
    "unevaluatedItems": "it depends on which branches hold; use items",
    "$dynamicRef": "its target depends on the way taken; use $ref",
    "$recursiveRef": "its target depends on the way taken; use $ref",
    "$recursiveAnchor": "its meaning depends on the way taken; use $defs and $ref",
    "$vocabulary": "only a meta-schema has one",
    "nullable": 'it is OpenAPI\'s, not JSON Schema\'s; use anyOf with {"type": "null"}',
    "id": "it is draft 4's; use $id",
    "divisibleBy": "it is draft 2's; use multipleOf",
    "extends": "it is draft 3's; use allOf",
    "disallow": "it is draft 3's; use anyOf",
}
"""Keywords that would have to be dropped, and why."""

UNKNOWN_REASON = "it is not a keyword of JSON Schema 2020-12; check its spelling, or begin its name with 'x-'"

KEYWORD_TYPES = {
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number",
    "multipleOf": "number",
    "minLength": "string", "maxLength": "string", "pattern": "string", "format": "string",
    "properties": "object", "required": "object", "additionalProperties": "object", "patternProperties": "object",
    "propertyNames": "object", "minProperties": "object", "maxProperties": "object",
    "items": "array", "prefixItems": "array", "additionalItems": "array", "minItems": "array", "maxItems": "array",
}  # fmt: skip
"""The type of value that a keyword is about; it says nothing of values of other types."""
