"""Kind: what the module of each sort of Python type implements, and what they share."""

import json
import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, TypeAlias

from .partial_json import JsonPart, PartValue
from .type_errors import TypeMismatch

Schema: TypeAlias = dict[str, Any]


class NotYet(Enum):
    """The one value of `partial` that is no value."""

    NOT_YET = "not yet"


NOT_YET = NotYet.NOT_YET
"""Nothing of a value can be shown yet."""


class SchemaScope:
    """The `$defs` of one schema: a place for each named type, however often and wherever it stands."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[object, str] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def refer(self, key: object, name: str, write: Callable[[], Schema]) -> Schema:
        """A reference to what `write` gives, which is called once for each `key`; `name` is made unique."""
        if key not in self._names:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
            unique, number = plain, 1
            while unique in self.definitions:
                number += 1
                unique = f"{plain}_{number}"
            self._names[key] = unique
            self.definitions[unique] = {}  # holds the place: a recursive type asks for itself while it is written
            self.definitions[unique] = write()
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def close(self, schema: Schema) -> Schema:
        """`schema` as a root, with the definitions it refers to."""
        return {**schema, "$defs": self.definitions} if self.definitions else schema


class Kind(Protocol):
    """One type. `path` is the place of a value, as in `$.address.zip`."""

    @property
    def expected(self) -> str:
        """What a value is, for messages: "an integer"."""

    def schema(self, scope: SchemaScope, /) -> Schema:
        """JSON Schema of the values, all of whose keywords can be enforced; named types go to `scope`."""

    def convert(self, value: object, path: str, /) -> Any:
        """The instance of a plain JSON value (numbers may be decimals); raises `TypeMismatch`."""

    def partial(self, value: PartValue, path: str, /) -> Any:
        """What can be shown of a value of which `value` has come, or `NOT_YET`.

        `value` is that of an incomplete `JsonPart`. Raises `TypeMismatch` where no continuation fits.
        """


def convert_part(kind: Kind, part: JsonPart, path: str) -> Any:
    """The instance of a complete part, what can be shown of another, or `NOT_YET`."""
    return kind.convert(part.value, path) if part.is_complete else kind.partial(part.value, path)


def member_path(path: str, key: str) -> str:
    """The place of a member: `$.name`, or `$["a name"]` where the name is no identifier."""
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def plain(part: PartValue) -> PartValue:
    """For messages: what came of a part, without the marks of what is complete."""
    match part:
        case list():
            return [plain(item.value) if isinstance(item, JsonPart) else item for item in part]
        case dict():
            return {key: plain(item.value) if isinstance(item, JsonPart) else item for key, item in part.items()}
        case _:
            return part


def mismatch(kind: Kind, value: PartValue, path: str) -> TypeMismatch:
    """`value` is not what `kind` expects."""
    return TypeMismatch(path, kind.expected, plain(value))
