"""Kinds around another kind: under a name of its own, or with notes in its schema."""

from dataclasses import dataclass
from typing import Any

from .kind import Kind, Schema, SchemaScope
from .partial_json import PartValue


@dataclass(eq=False)
class NamedKind:
    """A type alias with a name, which may lead to itself; `target` is set after the kind is made."""

    name: str
    target: Kind | None = None

    @property
    def expected(self) -> str:
        return f"a value for {self.name}"

    def schema(self, scope: SchemaScope) -> Schema:
        return scope.refer(self, self.name, lambda: self._known().schema(scope))

    def convert(self, value: object, path: str) -> Any:
        return self._known().convert(value, path)

    def partial(self, value: PartValue, path: str) -> Any:
        return self._known().partial(value, path)

    def _known(self) -> Kind:
        assert self.target is not None, f"alias {self.name}: expected its type to be read before it is used"
        return self.target


@dataclass(frozen=True)
class NotedKind:
    """A kind whose schema has a description, a title or examples beside it."""

    inner: Kind
    notes: Schema

    @property
    def expected(self) -> str:
        return self.inner.expected

    def schema(self, scope: SchemaScope) -> Schema:
        return {**self.inner.schema(scope), **self.notes}

    def convert(self, value: object, path: str) -> Any:
        return self.inner.convert(value, path)

    def partial(self, value: PartValue, path: str) -> Any:
        return self.inner.partial(value, path)
