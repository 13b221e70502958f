"""Writes calls of tools as a model would."""

import json
from collections.abc import Sequence

from ..json_text.strings import quoted_literal
from .call_events import ParsedCall
from .call_format import CallFormat, format_of


def call_text(format_name: str, calls: Sequence[ParsedCall]) -> str:
    """The calls, one section after another; what `CallParser` reads back. Raises `InvalidConstraint` for an unknown
    format, or a name that it cannot write."""
    call_format = format_of(format_name)
    written = [
        call_format.head(call.name) + _arguments(call_format, call.arguments) + call_format.after_arguments
        for call in calls
    ]
    if not written:
        return ""
    if call_format.comma is not None:
        written = [call_format.comma.join(written)]
    return "\n".join(call_format.opening + each + call_format.closing for each in written)


def _arguments(call_format: CallFormat, arguments: dict[str, object]) -> str:
    if call_format.style == "json":
        return json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    return ", ".join(f"{name}={_python(value)}" for name, value in arguments.items())


def _python(value: object) -> str:
    match value:
        case str():
            return quoted_literal(value)
        case list() | tuple():
            return f"[{', '.join(map(_python, value))}]"
        case dict():
            return "{" + ", ".join(f"{quoted_literal(str(key))}: {_python(item)}" for key, item in value.items()) + "}"
        case None | bool() | int() | float():
            return repr(value)
        case _:
            raise TypeError(f"arguments: expected plain values, got {value!r}")
