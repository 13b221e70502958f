"""AnswerType: the type of an agent's answer, as the JSON that the model is asked for."""

import json
from dataclasses import dataclass
from typing import Any

from ...grammar.spec import JsonSchema
from ...grammar.types.value_type import ValueType, object_schema

_VALUE = "value"


@dataclass(frozen=True)
class AnswerType:
    """Made by `of`. What is no object by itself is asked for as `{"value": ...}`, which models write more surely."""

    value_type: ValueType[Any]
    is_wrapped: bool
    schema: str
    """JSON Schema as JSON text."""

    @classmethod
    def of(cls, annotation: Any) -> "AnswerType":
        """The type of an annotation; raises `UnsupportedType`."""
        value_type = ValueType.of(annotation)
        is_wrapped = value_type.schema.get("type") != "object"
        schema = object_schema({_VALUE: value_type}) if is_wrapped else value_type.schema
        return cls(value_type, is_wrapped, json.dumps(schema, ensure_ascii=False))

    @property
    def constraint(self) -> JsonSchema:
        """What the answer's turn may say."""
        return JsonSchema(self.schema, whitespace="spaced")

    @property
    def request(self) -> str:
        """How the model is asked."""
        return f"Answer with JSON that matches this schema:\n{self.schema}"

    def decode(self, text: str) -> Any:
        """The instance; raises `TypeMismatch`."""
        return self.value_type.convert(json.loads(text)[_VALUE]) if self.is_wrapped else self.value_type.decode(text)
