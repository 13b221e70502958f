"""From the constraint arguments of `gen` (dtype, regex, json_schema, ebnf, lark, constraint) to one constraint."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

from ...grammar.notations.regex import parse_regex
from ...grammar.spec import Constraint, Ebnf, JsonSchema, Lark, Regex
from ..errors import InvalidArgument

if TYPE_CHECKING:
    from ...grammar.types.value_type import ValueType

DTYPE_REGEXES = {
    "int": r"[-+]?[0-9]+[ \n]?",
    "float": r"[-+]?([0-9]+(\.[0-9]+)?|\.[0-9]+)[ \n]?",
    "bool": r"(True|False)",
    "str": r'"[^"\\\n\r\t]*"',
}
"""What each dtype may look like. A number may end in one blank, by which a model in mid-sentence shows that it is
done; `int()` and `float()` read it all the same."""

DType = type[int] | type[float] | type[bool] | type[str] | str


def constraint_of(
    *,
    dtype: DType | None,
    regex: str | None,
    json_schema: Mapping[str, object] | str | bool | type | None,
    ebnf: str | None,
    lark: str | None = None,
    constraint: Constraint | None = None,
) -> Constraint | None:
    """The one constraint that is given, or None; two at once raise `InvalidArgument`, a regex that cannot be enforced
    `GrammarError`."""
    given = {
        "dtype": dtype,
        "regex": regex,
        "json_schema": json_schema,
        "ebnf": ebnf,
        "lark": lark,
        "constraint": constraint,
    }
    check_at_most_one(given)
    if dtype is not None:
        return _of_dtype(dtype)
    if regex is not None:
        return _of_regex(regex)
    if json_schema is not None:
        return JsonSchema(_schema_text_of(json_schema))
    if ebnf is not None:
        return Ebnf(_text("ebnf", "a grammar", ebnf))
    if lark is not None:
        return Lark(_text("lark", "a grammar", lark))
    if constraint is not None and not isinstance(constraint, get_args(Constraint)):
        kinds = ", ".join(kind.__name__ for kind in get_args(Constraint))
        raise InvalidArgument("constraint", f"one of palmette.grammar.spec: {kinds}", constraint)
    return constraint


def typed(annotation: Any) -> "tuple[ValueType[Any] | None, Constraint | None]":
    """What `gen(type=annotation)` decodes its text by, and what the text is held to; None, None for `str`.

    A plain number may end in a blank, as under a dtype. Raises `UnsupportedType` for what no grammar can be held to.
    """
    from ...grammar.types.value_type import (
        ValueType,  # most programs name no type, and need not wait for it to be imported
    )

    value_type = ValueType.of(annotation)
    if value_type.is_text:
        return None, None
    number = _NUMBER_REGEXES.get(annotation) if isinstance(annotation, type) else None
    if number is not None:
        return value_type, Regex(number)
    return value_type, JsonSchema(json.dumps(value_type.schema, ensure_ascii=False))


_NUMBER_REGEXES: dict[type, str] = {
    int: r"-?(0|[1-9][0-9]*)[ \n]?",
    float: r"-?(0|[1-9][0-9]*)(\.[0-9]+)?[ \n]?",
}


def check_at_most_one(given: Mapping[str, object]) -> None:
    """Raise `InvalidArgument` if two of `given` are not None."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise InvalidArgument(
            " and ".join(names),
            f"at most one constraint of {', '.join(given)}",
            {name: given[name] for name in names},
            "keep one, or express both in one json_schema, regex or ebnf",
        )


def schema_text(schema: Mapping[str, object] | str | bool) -> str:
    """`schema` as JSON text, its properties in the order they were declared; raises `InvalidArgument`.

    Text is written anew, so that the same schema is known again however it was laid out, unless that would lose
    something: a key that is said twice, or digits past a float's. Then it stays as it is.
    """
    parsed, is_lossless = _read(schema) if isinstance(schema, str) else (schema, True)
    if not isinstance(parsed, Mapping | bool):
        raise InvalidArgument("json_schema", "a JSON Schema: an object (a dict, or its JSON text)", schema)
    if isinstance(schema, str) and not is_lossless:
        return schema
    try:
        return json.dumps(parsed, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument("json_schema", "a dict of plain JSON values", schema, str(error)) from error


def _read(text: str) -> tuple[object, bool]:
    """The value of JSON text, and whether it says all that the text says."""
    losses: list[object] = []

    def read_float(literal: str) -> float:
        value = float(literal)
        if not math.isfinite(value) or Decimal(repr(value)) != Decimal(literal):
            losses.append(literal)
        return value

    def read_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        if len(value) < len(pairs):
            losses.append(pairs)
        return value

    try:
        parsed = json.loads(text, parse_float=read_float, object_pairs_hook=read_object)
    except ValueError as error:
        raise InvalidArgument("json_schema", "JSON text", text, f"it does not parse: {error}") from error
    except RecursionError as error:
        raise InvalidArgument("json_schema", "JSON text", text, "it is nested too deeply") from error
    return parsed, not losses


def _schema_text_of(schema: Mapping[str, object] | str | bool | type) -> str:
    if isinstance(schema, str | Mapping | bool):
        return schema_text(schema)
    value_type, _ = typed(schema)
    return json.dumps({"type": "string"} if value_type is None else value_type.schema, ensure_ascii=False)


def _of_regex(pattern: object) -> Regex:
    """Read by the grammar's own parser, which says what it cannot enforce before a token is made."""
    text = _text("regex", "a regular expression", pattern)
    parse_regex(text)
    return Regex(text)


def _of_dtype(dtype: DType) -> Regex:
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", "")
    is_known = name in DTYPE_REGEXES and (isinstance(dtype, str) or dtype in (int, float, bool, str))
    if not is_known:
        raise InvalidArgument("dtype", "int, float, bool or str", dtype)
    return Regex(DTYPE_REGEXES[name])


def _text(name: str, what: str, value: object) -> str:
    if not isinstance(value, str) or value == "":
        raise InvalidArgument(name, f"{what} as a non-empty string", value)
    return value
