"""Types and equality of JSON values as JSON Schema means them: true is not 1, 1.0 is 1, members have no order."""

from decimal import Decimal

from ..json_text.json_value import Json


def type_of(value: Json) -> str:
    """The narrowest JSON Schema type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Decimal):
        return "number"
    return "array" if isinstance(value, list) else "object"


class _Written(str):
    """A part of an identity that is written already."""

    __slots__ = ()


def identity(value: Json) -> str:
    """A text that is the same for equal values and for no others; linear, whatever the depth."""
    if isinstance(value, str):
        return repr(str(value))
    parts: list[str] = []
    pending: list[Json] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, _Written):
            parts.append(item)
        elif isinstance(item, list):
            parts.append("[")
            pending.append(_Written("]"))
            pending.extend(reversed(item))
        elif isinstance(item, dict):
            parts.append("{")
            pending.append(_Written("}"))
            for key in sorted(item, reverse=True):
                pending += (item[key], _Written(f"{key!r}:"))
        elif isinstance(item, Decimal):
            top, bottom = item.as_integer_ratio()
            parts.append(f"{top}/{bottom}" if bottom != 1 else f"{top}")
        else:
            parts.append(repr(item))
        parts.append(" ")
    return "".join(parts)
