"""Kinds of values without parts: null, booleans, numbers, strings, dates and times, enumerations, anything."""

import datetime
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from .annotated_bounds import NO_BOUNDS, Bounds
from .kind import NOT_YET, Schema, SchemaScope, mismatch
from .partial_json import JsonPart, PartValue
from .type_errors import TypeMismatch

MAX_EXPONENT = 400
"""Decimals beyond ten to this power are refused before they are written out."""


@dataclass(frozen=True)
class NullKind:
    """None."""

    expected: str = "null"

    def schema(self, _scope: SchemaScope) -> Schema:
        return {"type": "null"}

    def convert(self, value: object, path: str) -> None:
        if value is not None:
            raise mismatch(self, value, path)

    def partial(self, value: PartValue, path: str) -> Any:
        raise mismatch(self, value, path)


@dataclass(frozen=True)
class BoolKind:
    """True and False."""

    expected: str = "true or false"

    def schema(self, _scope: SchemaScope) -> Schema:
        return {"type": "boolean"}

    def convert(self, value: object, path: str) -> bool:
        if not isinstance(value, bool):
            raise mismatch(self, value, path)
        return value

    def partial(self, value: PartValue, path: str) -> Any:
        raise mismatch(self, value, path)


@dataclass(frozen=True)
class NumberKind:
    """`int`, `float` or `Decimal`. To JSON Schema 1.0 is an integer, and to Python 1 is a float."""

    python: type[int] | type[float] | type[Decimal]
    bounds: Bounds = NO_BOUNDS

    @property
    def expected(self) -> str:
        return "an integer" if self.python is int else "a number"

    def schema(self, _scope: SchemaScope) -> Schema:
        return {"type": "integer" if self.python is int else "number", **self.bounds.number_keywords()}

    def convert(self, value: object, path: str) -> int | float | Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not _is_moderate(value):
            raise mismatch(self, value, path)
        if self.python is int and value != int(value):
            raise mismatch(self, value, path)
        try:
            number = self.python(str(value)) if self.python is Decimal else self.python(value)
        except OverflowError as error:
            raise mismatch(self, value, path) from error
        broken = self.bounds.broken_by_number(value)
        if broken is not None or (isinstance(number, float) and not math.isfinite(number)):
            raise TypeMismatch(path, broken or "a number that a float can hold", value)
        return number

    def partial(self, value: PartValue, path: str) -> Any:
        raise mismatch(self, value, path)


def _is_moderate(value: int | float | Decimal) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite() and value.adjusted() <= MAX_EXPONENT
    return isinstance(value, int) or math.isfinite(value)


@dataclass(frozen=True)
class StringKind:
    """`str`."""

    bounds: Bounds = NO_BOUNDS
    expected: str = "a string"

    def schema(self, _scope: SchemaScope) -> Schema:
        pattern = {} if self.bounds.pattern is None else {"pattern": self.bounds.pattern}
        return {"type": "string", **self.bounds.length_keywords("Length"), **pattern}

    def convert(self, value: object, path: str) -> str:
        if not isinstance(value, str):
            raise mismatch(self, value, path)
        broken = self.bounds.broken_by_text(value)
        if broken is not None:
            raise TypeMismatch(path, broken, value)
        return value

    def partial(self, value: PartValue, path: str) -> str:
        """The text so far; its bounds are for the whole."""
        if not isinstance(value, str):
            raise mismatch(self, value, path)
        return value


@dataclass(frozen=True)
class TextKind:
    """A value that JSON writes as a string of a certain form, such as a date; shown once it is whole."""

    expected: str
    python: type
    keyword: tuple[str, str]
    read: Callable[[str], Any]

    def schema(self, _scope: SchemaScope) -> Schema:
        return {"type": "string", **dict([self.keyword])}

    def convert(self, value: object, path: str) -> Any:
        if not isinstance(value, str):
            raise mismatch(self, value, path)
        try:
            return self.read(value)
        except (ValueError, OverflowError) as error:
            raise mismatch(self, value, path) from error

    def partial(self, value: PartValue, path: str) -> Any:
        if not isinstance(value, str):
            raise mismatch(self, value, path)
        return NOT_YET


@dataclass(frozen=True)
class ChoiceKind:
    """One of listed JSON scalars, each standing for a Python value: a Literal or an Enum."""

    json_values: tuple[str | int | float | bool | None, ...]
    python_values: tuple[Any, ...]

    @property
    def expected(self) -> str:
        return f"one of {list(self.json_values)!r}"

    def schema(self, _scope: SchemaScope) -> Schema:
        is_text = all(isinstance(value, str) for value in self.json_values)
        return {**({"type": "string"} if is_text else {}), "enum": list(self.json_values)}

    def convert(self, value: object, path: str) -> Any:
        value = float(value) if isinstance(value, Decimal) else value
        for json_value, python_value in zip(self.json_values, self.python_values, strict=True):
            if json_value == value and isinstance(json_value, bool) is isinstance(value, bool):  # true is not 1
                return python_value
        raise mismatch(self, value, path)

    def partial(self, value: PartValue, path: str) -> Any:
        if isinstance(value, str) and any(
            isinstance(each, str) and each.startswith(value) for each in self.json_values
        ):
            return NOT_YET
        raise mismatch(self, value, path)


@dataclass(frozen=True)
class AnyKind:
    """Any JSON value, as plain Python data."""

    expected: str = "a JSON value"

    def schema(self, _scope: SchemaScope) -> Schema:
        return {}

    def convert(self, value: object, path: str) -> Any:
        match value:
            case Decimal() | float() | int():
                return self._number(value, path)
            case list():
                return [self.convert(item, path) for item in value]
            case dict():
                return {key: self.convert(item, path) for key, item in value.items()}
            case _:
                return value

    def partial(self, value: PartValue, path: str) -> Any:
        match value:
            case list():
                return [self._part(item, path) for item in value]
            case dict():
                return {key: self._part(item, path) for key, item in value.items()}
            case _:
                return value

    def _number(self, value: int | float | Decimal, path: str) -> int | float:
        if isinstance(value, int):
            return value
        if not _is_moderate(value) or not math.isfinite(float(value)):
            raise TypeMismatch(path, "a number that a float can hold", value)
        return float(value)

    def _part(self, part: JsonPart, path: str) -> Any:
        return self.convert(part.value, path) if part.is_complete else self.partial(part.value, path)


_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"
_LEAP_YEARS = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_MONTHS = (
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])"
)
_DAY = f"(?:(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{{2}}|[1-9][0-9]{{3}})-(?:{_MONTHS})|{_LEAP_YEARS}-02-29)"
_COUNT = "[0-9]{1,4}"
_SECONDS = "[0-9]{1,5}(?:[.][0-9]{1,6})?S"
_HOURS = f"T(?:{_COUNT}H(?:{_COUNT}M(?:{_SECONDS})?)?|{_COUNT}M(?:{_SECONDS})?|{_SECONDS})"
_DURATION = f"^P(?:{_COUNT}D(?:{_HOURS})?|{_HOURS})$"
"""Days, hours, minutes and seconds: months and years have no fixed length, and `timedelta` cannot hold them."""


def _duration(text: str) -> datetime.timedelta:
    return msgspec.convert(text, datetime.timedelta)


def _with_offset(read: Callable[[str], Any], has_offset: bool | None) -> Callable[[str], Any]:
    def checked(text: str) -> Any:
        value = read(text)
        if has_offset is not None and (value.tzinfo is not None) is not has_offset:
            raise ValueError("the offset is missing" if has_offset else "there is an offset")
        return value

    return checked


def text_kind(python: type, has_offset: bool | None = None) -> TextKind | None:
    """The kind of a date, time, duration or UUID; None for another class.

    Times are generated with an offset, as RFC 3339 and JSON Schema's `format` have them, unless `has_offset` is False;
    those without one are read, too, unless it is True.
    """
    ending = '"' if has_offset is False else 'Z"'
    match python:
        case datetime.date:
            return TextKind('a date such as "2024-02-29"', python, ("format", "date"), datetime.date.fromisoformat)
        case datetime.datetime:
            keyword = ("pattern", f"^{_DAY}T{_CLOCK}$") if has_offset is False else ("format", "date-time")
            shown = f'a date and time such as "2024-02-29T12:30:00{ending}'
            return TextKind(shown, python, keyword, _with_offset(datetime.datetime.fromisoformat, has_offset))
        case datetime.time:
            keyword = ("pattern", f"^{_CLOCK}$") if has_offset is False else ("format", "time")
            shown = f'a time such as "12:30:00{ending}'
            return TextKind(shown, python, keyword, _with_offset(datetime.time.fromisoformat, has_offset))
        case datetime.timedelta:
            return TextKind('a duration such as "P1DT2H30M"', python, ("pattern", _DURATION), _duration)
        case uuid.UUID:
            return TextKind("a UUID", python, ("format", "uuid"), uuid.UUID)
        case _:
            return None
