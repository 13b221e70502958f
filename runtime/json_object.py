"""JsonObject: a JSON file of a model folder, read field by field with errors that name file and field."""

import json
from collections.abc import Mapping
from pathlib import Path

from .errors import InvalidModelConfig


class JsonObject:
    """The fields of a JSON object. A field that is missing or null takes the default, if there is one."""

    def __init__(self, source: str, fields: Mapping[str, object]) -> None:
        self.source = source
        self.fields = fields

    @classmethod
    def read(cls, path: Path) -> "JsonObject":
        """The object in a file. Raises `InvalidModelConfig` where it is not JSON, or not an object."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InvalidModelConfig(f"{path}: expected JSON, got {error}; download the file again") from error
        if not isinstance(fields, dict):
            raise InvalidModelConfig(f"{path}: expected a JSON object, got a {type(fields).__name__}")
        return cls(str(path), fields)

    @classmethod
    def read_if_there(cls, path: Path) -> "JsonObject":
        """`read`, or an object without fields where there is no file."""
        return cls.read(path) if path.is_file() else cls(str(path), {})

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.fields.get(name) is not None

    def child(self, name: str) -> "JsonObject":
        """The object in a field; one without fields where it is missing."""
        value = self.fields.get(name)
        if value is None:
            return JsonObject(f"{self.source}: {name}", {})
        if not isinstance(value, dict):
            raise self.error(name, "an object")
        return JsonObject(f"{self.source}: {name}", value)

    def integer(self, name: str, default: int | None = None, minimum: int = 1) -> int:
        """An integer of at least `minimum`."""
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.error(name, f"an integer >= {minimum}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A number, integers included."""
        value = self._value(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.error(name, "a number")
        return float(value)

    def boolean(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.error(name, "true or false")
        return value

    def string(self, name: str, default: str | None = None) -> str:
        """A string."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self.error(name, "a string")
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty where the field is missing."""
        value = self._value(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(name, "a list of strings")
        return tuple(value)

    def token_ids(self, name: str) -> tuple[int, ...]:
        """A token id or a list of them; empty where the field is missing."""
        value = self._value(name, [])
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in items):
            raise self.error(name, "a token id or a list of token ids")
        return tuple(items)

    def error(self, name: str, expected: str) -> InvalidModelConfig:
        """What to raise for a field that is wrong."""
        value = repr(self.fields[name]) if name in self.fields else "nothing"
        return InvalidModelConfig(f"{self.source}: {name}: expected {expected}, got {value[:200]}")

    def _value(self, name: str, default: object) -> object:
        value = self.fields.get(name)
        return default if value is None else value
