"""The errors of Python types as constraints; they belong to the tree of `errors.py`.

GrammarError
├── UnsupportedConstraint
│   └── UnsupportedType          an annotation that no grammar can enforce, or that JSON cannot say
└── TypeMismatch                 a JSON value that is no value of the type
"""

from ..errors import GrammarError, UnsupportedConstraint, shorten

SUPPORTED = (
    "str, int, float, bool, None, date, datetime, time, timedelta, UUID, Decimal, Literal, Enum, list[T], set[T], "
    "tuple[...], dict[str, T], a dataclass, TypedDict, NamedTuple, msgspec.Struct or pydantic model, a union of these, "
    "or Annotated with bounds"
)


class UnsupportedType(UnsupportedConstraint):
    """The annotation at `path` (`Person.address`, `list[...]` as `[]`) was `found` where `expected` can be enforced."""

    def __init__(self, path: str, found: str, expected: str = SUPPORTED) -> None:
        self.path = path
        self.found = found
        self.expected = expected
        super().__init__(f"type {path}: expected {expected}; got {found}")


class TypeMismatch(GrammarError):
    """The JSON value at `path` (`$.address.zip`, `$` being the whole) is `got` where `expected` was."""

    def __init__(self, path: str, expected: str, got: object) -> None:
        self.path = path
        self.expected = expected
        self.got = got
        super().__init__(f"{path}: expected {expected}, got {shorten(got)}")
