"""What is hard about JSON Schema: wide, deep, recursive, overlapping, and what no grammar can say alone."""

from .parts import (
    BOOLEAN,
    DATE,
    INTEGER,
    NUMBER,
    STRING,
    Schema,
    array,
    either,
    matching,
    nullable,
    one_of_words,
    open_record,
    real,
    record,
    ref,
    table_of,
    tagged,
    text,
    whole,
    with_definitions,
)


def nested(depth: int) -> Schema:
    """Objects in objects."""
    schema: Schema = record({"value": INTEGER})
    for level in range(depth):
        schema = record({f"level_{level}": schema, "note?": STRING})
    return schema


SCHEMAS: dict[str, Schema] = {
    "wide_required": record({f"field_{index}": (STRING, INTEGER, BOOLEAN, NUMBER)[index % 4] for index in range(60)}),
    "wide_optional": record({f"option_{index}?": (STRING, INTEGER, BOOLEAN, NUMBER)[index % 4] for index in range(40)}),
    "very_wide": record({f"column_{index:03}{'?' if index % 3 else ''}": nullable(STRING) for index in range(200)}),
    "deep": nested(20),
    "large_enum": record({"word": one_of_words(*(f"word-{index * 7919 % 10007:05}" for index in range(1000)))}),
    "many_variants": tagged(
        "kind", **{f"kind_{index}": {"value": (STRING, INTEGER)[index % 2]} for index in range(40)}
    ),
    "inheritance": with_definitions(
        {"allOf": [ref("base"), {"properties": {"wings": whole(0, 4)}, "required": ["wings"]}]},
        base=open_record({"name": STRING, "legs?": whole(0, 1000)}),
    ),
    "deep_inheritance": with_definitions(
        {"allOf": [ref("c"), {"properties": {"d": BOOLEAN}, "required": ["d"]}]},
        a=open_record({"a": STRING}),
        b={"allOf": [ref("a"), {"properties": {"b": INTEGER}, "required": ["b"]}]},
        c={"allOf": [ref("b"), {"properties": {"c": NUMBER}}]},
    ),
    "sealed_inheritance": with_definitions(
        {"allOf": [ref("base")], "properties": {"extra": STRING}, "unevaluatedProperties": False},
        base=open_record({"id": INTEGER, "label?": STRING}),
    ),
    "linked_list": with_definitions(ref("cell"), cell=record({"head": INTEGER, "tail": nullable(ref("cell"))})),
    "binary_tree": with_definitions(
        ref("tree"), tree=nullable(record({"key": INTEGER, "left": ref("tree"), "right": ref("tree")}))
    ),
    "document_tree": with_definitions(
        ref("block"),
        block={
            "oneOf": [
                record({"type": {"const": "paragraph"}, "inline": array(ref("inline"))}),
                record({"type": {"const": "heading"}, "level": whole(1, 6), "inline": array(ref("inline"))}),
                record({"type": {"const": "list"}, "ordered": BOOLEAN, "items": array(array(ref("block")), 1)}),
                record({"type": {"const": "quote"}, "blocks": array(ref("block"), 1)}),
                record({"type": {"const": "code"}, "language?": STRING, "text": STRING}),
            ]
        },
        inline={
            "oneOf": [
                record({"type": {"const": "text"}, "text": text(1)}),
                record({"type": {"const": "strong"}, "inline": array(ref("inline"), 1)}),
                record({"type": {"const": "link"}, "href": STRING, "inline": array(ref("inline"), 1)}),
            ]
        },
    ),
    "json_schema_subset": with_definitions(
        ref("schema"),
        schema=record(
            {
                "type?": one_of_words("string", "number", "integer", "boolean", "object", "array", "null"),
                "description?": STRING,
                "enum?": array(either(STRING, NUMBER), 1),
                "properties?": table_of(ref("schema")),
                "required?": array(STRING, uniqueItems=True),
                "items?": ref("schema"),
                "anyOf?": array(ref("schema"), 1),
            }
        ),
    ),
    "query_plan": with_definitions(
        ref("plan"),
        plan=tagged(
            "node",
            scan={"table": STRING, "filter?": ref("predicate")},
            join={"left": ref("plan"), "right": ref("plan"), "on": ref("predicate")},
            sort={"input": ref("plan"), "by": array(STRING, 1)},
        ),
        predicate=tagged(
            "op",
            equal={"column": STRING, "value": either(STRING, NUMBER)},
            all={"of": array(ref("predicate"), 1)},
            any={"of": array(ref("predicate"), 1)},
        ),
    ),
    "mutual_recursion": with_definitions(
        ref("even"),
        even=record({"odd?": ref("odd"), "n": INTEGER}),
        odd=record({"even?": ref("even"), "n": INTEGER}),
    ),
    "tags": record({"tags": array(matching("^[a-z]{2,12}$"), 1, 8, uniqueItems=True)}),
    "lottery": array(whole(1, 49), 6, 6, uniqueItems=True),
    "price_in_cents": record({"price": {"type": "number", "minimum": 0, "maximum": 1000, "multipleOf": 0.01}}),
    "quarters": array({"type": "number", "multipleOf": 0.25, "minimum": -10, "maximum": 10}, 1, 5),
    "contains_admin": record(
        {"roles": array(one_of_words("admin", "editor", "viewer"), 1, 4, contains={"const": "admin"})}
    ),
    "at_most_two_primary": array(record({"name": STRING, "primary": BOOLEAN}), 1, 6)
    | {
        "contains": {"properties": {"primary": {"const": True}}, "required": ["primary"]},
        "minContains": 1,
        "maxContains": 2,
    },
    "not_empty_string": {"type": "string", "not": {"const": ""}},
    "anything_but_null": {"not": {"type": "null"}},
    "not_reserved": record(
        {"name": {"type": "string", "pattern": "^[a-z]{3,10}$", "not": {"enum": ["root", "admin"]}}}
    ),
    "overlapping_numbers": {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}]},
    "overlapping_records": {
        "oneOf": [open_record({"a": STRING}), open_record({"b": STRING})],
    },
    "either_contact": {
        "type": "object",
        "properties": {"email": STRING, "phone": STRING, "name": STRING},
        "required": ["name"],
        "anyOf": [{"required": ["email"]}, {"required": ["phone"]}],
    },
    "conditional_fields": {
        "type": "object",
        "properties": {"kind": one_of_words("circle", "square"), "radius": real(0), "side": real(0)},
        "required": ["kind"],
        "allOf": [
            {"if": {"properties": {"kind": {"const": "circle"}}}, "then": {"required": ["radius"]}},
            {"if": {"properties": {"kind": {"const": "square"}}}, "then": {"required": ["side"]}},
        ],
        "additionalProperties": False,
    },
    "dependent_schemas": {
        "type": "object",
        "properties": {"gift": BOOLEAN, "message": STRING, "wrap": one_of_words("red", "blue")},
        "dependentSchemas": {"gift": {"required": ["message"], "properties": {"message": {"minLength": 3}}}},
        "additionalProperties": False,
    },
    "some_properties": {
        "type": "object",
        "properties": dict.fromkeys(("a", "b", "c", "d", "e"), INTEGER),
        "minProperties": 2,
        "maxProperties": 3,
        "additionalProperties": False,
    },
    "named_by_pattern": table_of(
        NUMBER, propertyNames={"pattern": "^[a-z]+_(min|max)$"}, minProperties=1, maxProperties=6
    ),
    "declared_and_pattern": {
        "type": "object",
        "properties": {"id": INTEGER},
        "patternProperties": {"^x-": STRING, "_at$": DATE},
        "required": ["id"],
        "additionalProperties": False,
    },
    "two_patterns": {"type": "string", "allOf": [{"pattern": "^[a-z]"}, {"pattern": "[0-9]$"}], "maxLength": 12},
    "pattern_and_length": {"type": "string", "pattern": "^([a-z]+ ?)+$", "minLength": 5, "maxLength": 20},
    "password": {
        "type": "string",
        "minLength": 8,
        "maxLength": 24,
        "allOf": [{"pattern": "[0-9]"}, {"pattern": "[A-Z]"}, {"pattern": "[a-z]"}],
    },
    "matrix": array(array(real(-1, 1), 3, 3), 3, 3),
    "sudoku_row": array(array(whole(1, 9), 9, 9, uniqueItems=True), 9, 9),
    "tuple_with_rest": {"type": "array", "prefixItems": [STRING, INTEGER], "items": BOOLEAN, "minItems": 2},
    "old_tuple": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [STRING, NUMBER],
        "additionalItems": False,
    },
    "old_definitions": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"amount": {"type": "number", "exclusiveMinimum": 0}},
        "type": "object",
        "properties": {"net": {"$ref": "#/definitions/amount"}, "gross": {"$ref": "#/definitions/amount"}},
        "required": ["net", "gross"],
    },
    "oldest_bounds": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 10,
    },
    "anchored": {
        "$defs": {"name": {"$anchor": "name", "type": "string", "minLength": 1}},
        "type": "object",
        "properties": {"first": {"$ref": "#name"}, "last": {"$ref": "#name"}},
        "required": ["first", "last"],
    },
}
