"""Bounds: what the metadata of `Annotated` says of a value, whichever library's words it is said in.

msgspec's `Meta`, annotated-types' `Ge`, `Len`, ... and pydantic's `Field` are read. The two that are optional are never
imported: their objects are known by their modules.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from .kind import Schema
from .type_errors import UnsupportedType

_LOWER, _UPPER = ("ge", "gt"), ("le", "lt")
_NUMBER_WORDS = (*_LOWER, *_UPPER, "multiple_of")
_LENGTH_WORDS = ("min_length", "max_length")
_WORDS = (*_NUMBER_WORDS, *_LENGTH_WORDS, "pattern", "tz")
_IS_MET: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
    "multiple_of": lambda value, divisor: value % divisor == 0,
}
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "that is a multiple of"}
_SAYS_NOTHING = frozenset(
    ("Strict", "AllowInfNan", "FailFast", "Tag", "Discriminator", "PlainSerializer", "WrapSerializer", "SkipValidation")
)
_IDLE_SETTINGS = frozenset(("strict", "allow_inf_nan", "union_mode", "fail_fast"))


@dataclass(frozen=True)
class Bounds:
    """What a value must meet, and the `notes` (description, title, examples) that go into the schema beside it."""

    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    multiple_of: Any = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    tz: bool | None = None
    """Whether a time has an offset."""
    notes: Schema = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the bounds that are set."""
        return tuple(word for word in _WORDS if getattr(self, word) is not None)

    def only(self, words: Iterable[str]) -> "Bounds":
        """These bounds without those that are not in `words`, and without the notes."""
        return Bounds(**{word: getattr(self, word) for word in words})

    def merged(self, other: "Bounds", path: str) -> "Bounds":
        """Both together, the tighter of two bounds; raises `UnsupportedType` where that cannot be said."""
        bounds = self
        for word in other.words:
            bounds = _tightened(bounds, word, getattr(other, word), path)
        return bounds

    def number_keywords(self) -> Schema:
        """As keywords of JSON Schema for a number."""
        names = dict(zip(_NUMBER_WORDS, ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
                         strict=True))  # fmt: skip
        return {name: _as_json(getattr(self, word)) for word, name in names.items() if word in self.words}

    def length_keywords(self, of: str) -> Schema:
        """As keywords for a string ("Length"), an array ("Items") or an object ("Properties")."""
        least = {} if not self.min_length else {f"min{of}": self.min_length}
        return least if self.max_length is None else {**least, f"max{of}": self.max_length}

    def broken_by_number(self, value: int | float | Decimal) -> str | None:
        """What a number should have been where it is not within the bounds."""
        exact = Fraction(str(value))
        for word in self.words:
            if word in _IS_MET and not _IS_MET[word](exact, Fraction(str(getattr(self, word)))):
                return f"a number {_SIGNS[word]} {getattr(self, word)}"
        return None

    def broken_by_length(self, length: int, unit: str) -> str | None:
        """What a value of `length` characters, items or properties should have been, where it is not within."""
        if self.min_length is not None and length < self.min_length:
            return f"at least {self.min_length} {unit}"
        if self.max_length is not None and length > self.max_length:
            return f"at most {self.max_length} {unit}"
        return None

    def broken_by_text(self, text: str) -> str | None:
        """The same for a string, the pattern included."""
        if self.pattern is not None and re.search(self.pattern, text) is None:
            return f"a string in which {self.pattern!r} matches"
        return self.broken_by_length(len(text), "characters")


NUMBER_WORDS = frozenset(_NUMBER_WORDS)
LENGTH_WORDS = frozenset(_LENGTH_WORDS)
TEXT_WORDS = LENGTH_WORDS | {"pattern"}
NO_BOUNDS = Bounds()


def read_bounds(metadata: Iterable[object], path: str) -> Bounds:
    """What all `metadata` of one annotation says together; the tighter of two bounds holds.

    Metadata of libraries that are not known is passed over, as `Annotated` wants it. What is known and cannot be held
    to raises `UnsupportedType`.
    """
    bounds = Bounds()
    for word, value in _said(metadata, path):
        if value is None:
            continue
        if word in ("description", "title", "examples"):
            bounds = replace(bounds, notes={**bounds.notes, word: value})
        elif word == "extra":
            bounds = replace(bounds, notes={**bounds.notes, **value})
        else:
            bounds = _tightened(bounds, word, value, path)
    return bounds


def _tightened(bounds: Bounds, word: str, value: Any, path: str) -> Bounds:
    known = getattr(bounds, word)
    if word in _NUMBER_WORDS and not _is_finite_number(value):
        raise UnsupportedType(path, f"{word}={value!r}", f"{word} to be a finite number")
    if word == "pattern":
        value = value.pattern if isinstance(value, re.Pattern) else value
    if known is None or known == value:
        return replace(bounds, **{word: value})
    if word in (*_LOWER, "min_length"):
        return replace(bounds, **{word: max(known, value)})
    if word in (*_UPPER, "max_length"):
        return replace(bounds, **{word: min(known, value)})
    raise UnsupportedType(path, f"{word}={known!r} and {word}={value!r}", f"one {word}, which says it all")


def _said(metadata: Iterable[object], path: str) -> Iterator[tuple[str, Any]]:
    """Every (word, value) of the metadata; values may be None."""
    for each in metadata:
        library = type(each).__module__.partition(".")[0]
        if isinstance(each, str):
            yield "description", each
        elif isinstance(each, msgspec.Meta):
            yield from ((word, getattr(each, word)) for word in (*_WORDS, "title", "description", "examples"))
            yield "extra", each.extra_json_schema
        elif type(each).__name__ in ("Doc", "DocInfo"):
            yield "description", getattr(each, "documentation", None)
        elif library == "annotated_types":
            yield from _said_by_annotated_types(each, path)
        elif library == "pydantic":
            yield from _said_by_pydantic(each, path)


def _said_by_annotated_types(each: Any, path: str) -> Iterator[tuple[str, Any]]:
    words = [word for word in (*_NUMBER_WORDS, *_LENGTH_WORDS) if hasattr(each, word)]
    if hasattr(each, "__is_annotated_types_grouped_metadata__"):
        yield from _said(each, path)
    elif words:
        yield from ((word, getattr(each, word)) for word in words)
    elif type(each).__name__ != "Unit":
        raise UnsupportedType(
            path, f"{each!r}", "bounds that a grammar can hold to; check the value after it was generated"
        )


def _said_by_pydantic(each: Any, path: str) -> Iterator[tuple[str, Any]]:
    name = type(each).__name__
    if name == "FieldInfo":
        if each.alias is not None or each.validation_alias is not None:
            raise UnsupportedType(path, f"the alias {each.alias or each.validation_alias!r}", "aliases on a BaseModel")
        yield from _said(each.metadata, path)
        yield from ((word, getattr(each, word)) for word in ("title", "description", "examples"))
        yield "extra", each.json_schema_extra if isinstance(each.json_schema_extra, dict) else None
    elif hasattr(each, "__is_annotated_types_grouped_metadata__"):
        yield from _said(each, path)
    elif name in ("_PydanticGeneralMetadata", "PydanticGeneralMetadata"):
        for word, value in vars(each).items():
            if word == "pattern":
                yield word, value
            elif word not in _IDLE_SETTINGS and value:
                raise UnsupportedType(
                    path, f"{word}={value!r}", "bounds that a grammar can hold to, or a pydantic model, which checks it"
                )
    elif name not in _SAYS_NOTHING:
        raise UnsupportedType(
            path, f"{each!r}", "bounds that a grammar can hold to, or a pydantic model, which runs its validators"
        )


def _is_finite_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return math.isfinite(value)


def _as_json(limit: Any) -> int | float:
    if isinstance(limit, Decimal):
        return int(limit) if limit == limit.to_integral_value() else float(limit)
    number: int | float = limit
    return number
