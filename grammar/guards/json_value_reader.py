"""JSON text to `Json` values: exact numbers, whole ones as `int` whatever way they are written."""

import json
from decimal import Decimal

from ..json_text.json_value import Json

MAX_EXPONENT = 2_000


def read_json(text: str | bytes | bytearray) -> Json:
    """The value of a JSON text; of a key said twice the last one counts, and its place is the last.

    Raises `ValueError` for what is no JSON text or, as more digits than Python reads, cannot be looked at.
    """
    value: Json = json.loads(text, parse_float=_number, parse_constant=_refuse, object_pairs_hook=_members)
    return value


def _number(text: str) -> int | Decimal:
    value = Decimal(text)
    if value and abs(value.adjusted()) > MAX_EXPONENT:
        raise ValueError(f"a number: expected an exponent from -{MAX_EXPONENT} to {MAX_EXPONENT}, got {text[:40]}")
    return int(value) if value == value.to_integral_value() else value


def _refuse(name: str) -> Json:
    raise ValueError(f"JSON text: expected a number, got {name}")


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        for key, value in pairs:
            members.pop(key, None)
            members[key] = value
    return members
