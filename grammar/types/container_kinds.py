"""Kinds of values made of values of other types: arrays, tuples, dictionaries, unions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .annotated_bounds import NO_BOUNDS, Bounds
from .kind import NOT_YET, Kind, Schema, SchemaScope, convert_part, member_path, mismatch
from .partial_json import PartValue
from .type_errors import TypeMismatch


@dataclass(frozen=True)
class ArrayKind:
    """list[T], set[T], frozenset[T] or tuple[T, ...], which `build` makes of the items."""

    item: Kind
    build: Callable[[Iterable[Any]], Any]
    bounds: Bounds = NO_BOUNDS

    @property
    def expected(self) -> str:
        return "a list"

    @property
    def is_set(self) -> bool:
        return self.build in (set, frozenset)

    def schema(self, scope: SchemaScope) -> Schema:
        return {"type": "array", "items": self.item.schema(scope), **self.bounds.length_keywords("Items")}

    def convert(self, value: object, path: str) -> Any:
        if not isinstance(value, list):
            raise mismatch(self, value, path)
        items = self.build([self.item.convert(item, f"{path}[{index}]") for index, item in enumerate(value)])
        broken = self.bounds.broken_by_length(len(items), "items")
        if broken is not None:
            raise TypeMismatch(path, broken, value)
        return items

    def partial(self, value: PartValue, path: str) -> Any:
        """The items so far. Of those of a set only the complete ones: an item that grows would be several."""
        if not isinstance(value, list):
            raise mismatch(self, value, path)
        parts = [part for part in value if part.is_complete or not self.is_set]
        items = [convert_part(self.item, part, f"{path}[{index}]") for index, part in enumerate(parts)]
        return self.build([item for item in items if item is not NOT_YET])


@dataclass(frozen=True)
class TupleKind:
    """tuple[A, B]: an array of that many items."""

    items: tuple[Kind, ...]

    @property
    def expected(self) -> str:
        return f"a list of {len(self.items)} items"

    def schema(self, scope: SchemaScope) -> Schema:
        length = len(self.items)
        if not length:
            return {"type": "array", "maxItems": 0}
        prefix = [item.schema(scope) for item in self.items]
        return {"type": "array", "prefixItems": prefix, "items": False, "minItems": length, "maxItems": length}

    def convert(self, value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(self.items):
            raise mismatch(self, value, path)
        pairs = enumerate(zip(self.items, value, strict=True))
        return tuple(kind.convert(item, f"{path}[{index}]") for index, (kind, item) in pairs)

    def partial(self, value: PartValue, path: str) -> tuple[Any, ...]:
        """As long as the whole, with None for what has not come."""
        if not isinstance(value, list) or len(value) > len(self.items):
            raise mismatch(self, value, path)
        pairs = enumerate(zip(self.items, value, strict=False))
        items = [convert_part(kind, part, f"{path}[{index}]") for index, (kind, part) in pairs]
        missing = [None] * (len(self.items) - len(items))
        return (*(None if item is NOT_YET else item for item in items), *missing)


@dataclass(frozen=True)
class DictKind:
    """dict[K, T], where JSON has strings for keys."""

    key: Kind
    item: Kind
    has_free_keys: bool
    """Whether every string is a key."""
    bounds: Bounds = NO_BOUNDS

    @property
    def expected(self) -> str:
        return "an object"

    def schema(self, scope: SchemaScope) -> Schema:
        names = {} if self.has_free_keys else {"propertyNames": self.key.schema(scope)}
        items = {"additionalProperties": self.item.schema(scope)}
        return {"type": "object", **names, **items, **self.bounds.length_keywords("Properties")}

    def convert(self, value: object, path: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise mismatch(self, value, path)
        broken = self.bounds.broken_by_length(len(value), "properties")
        if broken is not None:
            raise TypeMismatch(path, broken, value)
        return {
            self.key.convert(key, member_path(path, key)): self.item.convert(item, member_path(path, key))
            for key, item in value.items()
        }

    def partial(self, value: PartValue, path: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise mismatch(self, value, path)
        members = {}
        for key, part in value.items():
            item = convert_part(self.item, part, member_path(path, key))
            name = self.key.convert(key, member_path(path, key))
            if item is not NOT_YET:
                members[name] = item
        return members


@dataclass(frozen=True)
class UnionKind:
    """The first of `members` that fits.

    A member that knows a close reading (pydantic's coerces less in it) is asked for that before any is asked for the
    wider one, so that no member takes what another was written for.
    """

    members: tuple[Kind, ...]

    @property
    def expected(self) -> str:
        return " or ".join(dict.fromkeys(member.expected for member in self.members))

    def schema(self, scope: SchemaScope) -> Schema:
        return {"anyOf": [member.schema(scope) for member in self.members]}

    def convert(self, value: object, path: str) -> Any:
        close = [getattr(member, "convert_closely", member.convert) for member in self.members]
        wide = [member.convert for member in self.members if hasattr(member, "convert_closely")]
        errors = []
        for convert in (*close, *wide):
            try:
                return convert(value, path)
            except TypeMismatch as error:
                errors.append(error)
        raise self._why(errors, value, path)

    def partial(self, value: PartValue, path: str) -> Any:
        """What the one member shows that may still fit; nothing while several may."""
        shown, errors = [], []
        for member in self.members:
            try:
                shown.append(member.partial(value, path))
            except TypeMismatch as error:
                errors.append(error)
        if not shown:
            raise self._why(errors, value, path)
        return shown[0] if len(shown) == 1 else NOT_YET

    def _why(self, errors: list[TypeMismatch], value: PartValue, path: str) -> TypeMismatch:
        """The error of the one member that came farthest into the value, or else that none of them fits."""
        outright = {member.expected for member in self.members}
        inside = {error.path: error for error in errors if error.path != path}
        closer = inside or {error.expected: error for error in errors if error.expected not in outright}
        return next(iter(closer.values())) if len(closer) == 1 else mismatch(self, value, path)
