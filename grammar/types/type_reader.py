"""TypeReader: annotations to kinds."""

import collections.abc
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from .annotated_bounds import LENGTH_WORDS, NUMBER_WORDS, TEXT_WORDS, Bounds, read_bounds
from .container_kinds import ArrayKind, DictKind, TupleKind, UnionKind
from .kind import Kind
from .pydantic_kind import PydanticKind
from .record_kind import RecordField, RecordKind
from .record_reader import read_record
from .scalar_kinds import AnyKind, BoolKind, ChoiceKind, NullKind, NumberKind, StringKind, TextKind, text_kind
from .type_errors import UnsupportedType
from .wrapper_kinds import NamedKind, NotedKind

_PLAIN: dict[Any, Kind] = {
    None: NullKind(),
    types.NoneType: NullKind(),
    bool: BoolKind(),
    int: NumberKind(int),
    float: NumberKind(float),
    Decimal: NumberKind(Decimal),
    str: StringKind(),
    Any: AnyKind(),
    object: AnyKind(),
}
_ARRAYS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    set: set,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    frozenset: frozenset,
}
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_BARE = {list: "list[T]", set: "set[T]", frozenset: "frozenset[T]", tuple: "tuple[A, B] or tuple[T, ...]",
         dict: "dict[str, T]"}  # fmt: skip


def type_name(annotation: Any) -> str:
    """An annotation as its author wrote it, more or less."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__name__
    return str(annotation).replace("typing.", "")


class TypeReader:
    """Reads one annotation and all it leads to; a class met again is the same kind, so that types may recur."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[Any, Kind]]] = {}

    def read(self, annotation: Any, path: str) -> Kind:
        """The kind of an annotation at `path`; raises `UnsupportedType`."""
        try:
            known = _PLAIN.get(annotation)
        except TypeError:  # metadata that cannot be hashed
            known = None
        if known is not None:
            return known
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._annotated(arguments[0], annotation.__metadata__, path)
        if origin is Literal:
            return _choice([(each.value if isinstance(each, Enum) else each, each) for each in arguments], path)
        if origin in (Union, types.UnionType):
            return self._union(arguments, path)
        if origin is Final or getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly"):
            return self.read(arguments[0], path)
        if origin is not None and (arguments or isinstance(annotation, types.GenericAlias)):  # tuple[()] has none
            container = self._container(origin, arguments, path)
            if container is not None:
                return container
        return self._named(annotation, path)

    def _annotated(self, inner: Any, metadata: tuple[object, ...], path: str) -> Kind:
        bounds = read_bounds(metadata, path)
        kind = bounded(self.read(inner, path), bounds, path)
        return NotedKind(kind, bounds.notes) if bounds.notes else kind

    def _union(self, arguments: tuple[Any, ...], path: str) -> Kind:
        members = tuple(self.read(each, path) for each in arguments if each is not msgspec.UnsetType)
        return members[0] if len(members) == 1 else UnionKind(members)

    def _container(self, origin: Any, arguments: tuple[Any, ...], path: str) -> Kind | None:
        if origin in _ARRAYS:
            return ArrayKind(self.read(arguments[0], f"{path}[]"), _ARRAYS[origin])
        if origin is tuple:
            if len(arguments) == 2 and arguments[1] is Ellipsis:
                return ArrayKind(self.read(arguments[0], f"{path}[]"), tuple)
            return TupleKind(tuple(self.read(each, f"{path}[{index}]") for index, each in enumerate(arguments)))
        if origin in _DICTS:
            key = self.read(arguments[0], f"{path} (its keys)")
            is_text = isinstance(key, StringKind | TextKind)
            if not is_text and not (isinstance(key, ChoiceKind) and all(isinstance(k, str) for k in key.json_values)):
                raise UnsupportedType(
                    path, f"keys of {type_name(arguments[0])}", "dict[str, T]: JSON has no other keys"
                )
            return DictKind(key, self.read(arguments[1], f"{path}[]"), has_free_keys=key == StringKind())
        return None

    def _named(self, annotation: Any, path: str) -> Kind:
        """Classes, and whatever else bears a name."""
        for known, kind in self._known.get(repr(annotation), []):
            if known is annotation or (get_origin(annotation) is not None and known == annotation):
                return kind
        if annotation in _BARE:
            raise UnsupportedType(path, f"{annotation.__name__} without the type of its items", _BARE[annotation])
        if isinstance(annotation, TypeVar):
            raise UnsupportedType(path, f"the type variable {annotation}", "its value, as in Box[int]")
        if isinstance(annotation, str) or type(annotation).__name__ == "ForwardRef":
            raise UnsupportedType(path, f"the unread annotation {annotation!r}", "a type, not its name")
        if hasattr(annotation, "__supertype__"):
            return self.read(annotation.__supertype__, path)
        if type(annotation).__name__ == "TypeAliasType":
            alias = self._remember(annotation, NamedKind(annotation.__name__))
            alias.target = self.read(annotation.__value__, path)
            return alias
        return self._class(annotation, path)

    def _class(self, annotation: Any, path: str) -> Kind:
        python = get_origin(annotation) or annotation
        if isinstance(python, type) and issubclass(python, Enum):
            return _choice([(member.value, member) for member in python], path)
        if hasattr(python, "__pydantic_validator__") and "pydantic" in sys.modules:
            return self._pydantic(annotation, path)
        record = read_record(annotation, path)
        if record is not None:
            kind = self._remember(annotation, RecordKind(record.name, record.shape))
            kind.fields = tuple(
                RecordField(
                    each.name, each.attribute, self.read(each.annotation, f"{path}.{each.name}"), each.is_required
                )
                for each in record.properties
            )
            return kind
        text = text_kind(python) if isinstance(python, type) else None
        if text is not None:
            return text
        if hasattr(python, "__get_pydantic_core_schema__") and "pydantic" in sys.modules:
            return self._pydantic(annotation, path)
        raise UnsupportedType(path, type_name(annotation))

    def _pydantic(self, annotation: Any, path: str) -> Kind:
        name = type_name(annotation)
        return self._remember(annotation, PydanticKind(annotation, name, path, self._read_leniently))

    def _read_leniently(self, annotation: Any) -> Kind:
        """The kind of a pydantic model's field, for showing it in the making; pydantic knows types we do not."""
        try:
            return self.read(annotation, type_name(annotation))
        except UnsupportedType:
            return AnyKind()

    def _remember(self, annotation: Any, kind: "KindT") -> "KindT":
        # By repr besides equality: to Python `A[int | str]` equals `A[str | int]`, but which fits first differs.
        self._known.setdefault(repr(annotation), []).append((annotation, kind))
        return kind


KindT = TypeVar("KindT", bound=Kind)


def _choice(pairs: list[tuple[Any, Any]], path: str) -> ChoiceKind:
    values = [value for value, _ in pairs]
    if not pairs or not all(isinstance(value, str | int | float | None) for value in values):
        raise UnsupportedType(path, f"one of {values!r}", "one or more strings, numbers, true, false or null")
    return ChoiceKind(tuple(values), tuple(python for _, python in pairs))


def bounded(kind: Kind, bounds: Bounds, path: str) -> Kind:
    """`kind` held to `bounds`; raises `UnsupportedType` where one is not about such values."""
    left = [word for word in bounds.words if word not in _words_of(kind)]
    if left:
        raise UnsupportedType(path, f"{left[0]} for {kind.expected}", "bounds that fit the type")
    if not bounds.words:
        return kind
    match kind:
        case NumberKind() | StringKind():
            return replace(kind, bounds=kind.bounds.merged(bounds, path))
        case ArrayKind() | DictKind():
            merged = kind.bounds.merged(bounds, path)
            if isinstance(kind, ArrayKind) and kind.is_set and (merged.min_length or 0) > 1:
                raise UnsupportedType(
                    path, f"min_length={merged.min_length} for a set", "a list: a grammar cannot tell items apart"
                )
            return replace(kind, bounds=merged)
        case UnionKind():
            members = (bounded(each, bounds.only(_words_of(each) & set(bounds.words)), path) for each in kind.members)
            return UnionKind(tuple(members))
        case NotedKind():
            return replace(kind, inner=bounded(kind.inner, bounds, path))
        case TextKind():
            return text_kind(kind.python, bounds.tz) or kind
        case _:
            return kind


def _words_of(kind: Kind) -> frozenset[str]:
    """The bounds that say something of such values."""
    match kind:
        case NumberKind():
            return NUMBER_WORDS
        case StringKind():
            return TEXT_WORDS
        case ArrayKind() | DictKind():
            return LENGTH_WORDS
        case TextKind() if kind.python.__name__ in ("datetime", "time"):
            return frozenset({"tz"})
        case UnionKind():
            return frozenset[str]().union(*map(_words_of, kind.members))
        case NotedKind():
            return _words_of(kind.inner)
        case _:
            return frozenset()
