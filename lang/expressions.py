"""What user code appends to a state: expressions, joined with `+`, that become operations there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..grammar.spec import Constraint
from .errors import StateError
from .ir import ChoicesMethod

if TYPE_CHECKING:
    from ..grammar.types.value_type import ValueType


class Expression:
    """Something that can be appended to a state; `expression + text + expression` is one, too."""

    def __format__(self, spec: str) -> str:
        raise StateError(
            f"{type(self).__name__} stands in an f-string, which would be its description; append it beside the text: "
            's += "text" + gen("x")'
        )

    def __add__(self, other: "Expression | str") -> "ExpressionList":
        return ExpressionList((*_parts(self), *_parts(other))) if _is_part(other) else NotImplemented

    def __radd__(self, other: "Expression | str") -> "ExpressionList":
        return ExpressionList((*_parts(other), *_parts(self))) if _is_part(other) else NotImplemented


@dataclass(frozen=True, slots=True)
class ExpressionList(Expression):
    """Expressions and texts, appended in order."""

    parts: tuple[Expression | str, ...]


@dataclass(frozen=True, slots=True)
class GenExpression(Expression):
    """A generation; `sampling` holds the `SamplingParams` fields that were set, the run's defaults fill the rest."""

    name: str | None
    sampling: Mapping[str, Any]
    constraint: Constraint | None
    value_type: "ValueType[Any] | None" = None
    """What the text stands for; None: for itself."""
    prediction: str | None = None


@dataclass(frozen=True, slots=True)
class SelectExpression(Expression):
    """A selection among `choices`."""

    name: str | None
    choices: tuple[str, ...]
    method: ChoicesMethod
    temperature: float


@dataclass(frozen=True, slots=True)
class ScoreExpression(Expression):
    """A text to append, whose log-probability is wanted."""

    name: str | None
    text: str


@dataclass(frozen=True, slots=True)
class RoleBeginExpression(Expression):
    """The begin of a turn."""

    role: str


@dataclass(frozen=True, slots=True)
class RoleEndExpression(Expression):
    """The end of a turn."""

    role: str


def _is_part(value: object) -> bool:
    return isinstance(value, Expression | str)


def _parts(value: Expression | str) -> tuple[Expression | str, ...]:
    return value.parts if isinstance(value, ExpressionList) else (value,)
