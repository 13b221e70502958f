"""What a tool gave back, as plain JSON values and as the text that a model reads."""

import json
from typing import Any

import msgspec

JsonValue = None | bool | int | float | str | list[Any] | dict[str, Any]
"""What JSON can say: no NaN, no infinity, keys that are strings."""


def json_value(value: object) -> JsonValue:
    """`value` as plain JSON: dataclasses, structs, pydantic models, enums, dates, tuples and sets are converted.

    Raises `TypeError` or `ValueError` for what JSON cannot say.
    """
    builtin = msgspec.to_builtins(value, str_keys=True, enc_hook=_from_model)
    plain: JsonValue = json.loads(json.dumps(builtin, allow_nan=False))  # tuples, too, become lists
    return plain


def json_text(value: JsonValue) -> str:
    """How a model reads it: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _from_model(value: object) -> object:
    dump = getattr(value, "model_dump", None)  # pydantic's; palmette does not depend on it
    if callable(dump):
        return dump(mode="json")
    raise TypeError(f"a {type(value).__name__} is no JSON value")
