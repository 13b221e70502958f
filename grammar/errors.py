"""The errors of constraints.

GrammarError (ValueError)
├── InvalidConstraint            the text of a constraint cannot be read
│   ├── InvalidRegex             not a regular expression; says where
│   ├── InvalidSchema            not a JSON Schema; says where
│   ├── InvalidGrammar           not a GBNF or Lark grammar; says where
│   └── InvalidChoice            not a list of different strings
├── UnsupportedConstraint        readable, but not something that can be enforced
│   ├── UnsupportedRegex         look-around, back-reference, flag, ...; says where
│   ├── UnsupportedGrammar       a construct of Lark that would weaken it; says where
│   └── UnsupportedSchema        a keyword that would have to be dropped; says where and why
├── UnsatisfiableConstraint      no text at all meets the constraint
├── ConstraintTooLarge           past a stated bound; says which
├── CompileTimeout               compiling took longer than it may
├── CompilerCrashed              the process that compiles has died of the constraint
└── ConstraintTooComplex         the engine gave up in the middle of a text; ends that request alone
"""

from typing import Literal


class GrammarError(ValueError):
    """The root of what constraints raise; the message says what was expected, what came, what to do."""

    def __reduce__(self) -> tuple[object, ...]:
        # Errors come out of the process that compiles; the arguments of their classes are not those of the message.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[GrammarError], args: tuple[object, ...], attributes: dict[str, object]) -> GrammarError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class InvalidConstraint(GrammarError):
    """The text of a constraint cannot be read."""


class InvalidRegex(InvalidConstraint):
    """`pattern` is not a regular expression; `position` is the index of the character that is wrong, if known."""

    def __init__(self, pattern: str, position: int | None, reason: str) -> None:
        self.pattern = pattern
        self.position = position
        self.reason = reason
        super().__init__(f"regex: expected a regular expression in Python syntax, got {reason}{_at(pattern, position)}")


class InvalidSchema(InvalidConstraint):
    """The schema is not a JSON Schema; `pointer` is the JSON pointer of the place."""

    def __init__(self, pointer: str, expected: str, value: object) -> None:
        self.pointer = pointer
        super().__init__(f"JSON schema at {_place(pointer)}: expected {expected}, got {shorten(value)}")


class InvalidGrammar(InvalidConstraint):
    """The text is not a grammar of its `notation`; `line` and `column` count from 1, None: the whole text is meant."""

    def __init__(
        self,
        reason: str,
        line: int | None = None,
        column: int | None = None,
        notation: Literal["EBNF", "Lark"] = "EBNF",
    ) -> None:
        self.reason = reason
        self.line = line
        self.column = column
        self.notation = notation
        place = "" if line is None else f" at line {line}, column {column}"
        super().__init__(f"{notation} grammar{place}: {reason}")


class InvalidChoice(InvalidConstraint):
    """The choices are not a list of different strings."""


class UnsupportedConstraint(GrammarError):
    """The constraint is readable, but cannot be enforced, and nothing is dropped silently."""


class UnsupportedRegex(UnsupportedConstraint):
    """`construct` at `position` of `pattern` cannot be enforced."""

    def __init__(self, pattern: str, position: int, construct: str, hint: str) -> None:
        self.pattern = pattern
        self.position = position
        self.construct = construct
        super().__init__(
            f"regex: expected constructs that can be enforced, got {construct}{_at(pattern, position)}; {hint}"
        )


class UnsupportedGrammar(UnsupportedConstraint):
    """`construct` of a Lark grammar, at `line` and `column` from 1, cannot be enforced."""

    def __init__(self, line: int, column: int, construct: str, hint: str) -> None:
        self.line = line
        self.column = column
        self.construct = construct
        super().__init__(
            f"Lark grammar at line {line}, column {column}: expected constructs that can be enforced, got {construct}; "
            f"{hint}"
        )


class UnsupportedSchema(UnsupportedConstraint):
    """The `keyword` at `pointer` cannot be enforced, for `reason`."""

    def __init__(self, pointer: str, keyword: str, reason: str) -> None:
        self.pointer = pointer
        self.keyword = keyword
        self.reason = reason
        super().__init__(
            f"JSON schema at {_place(pointer)}: expected keywords that can be enforced, got {keyword!r}: {reason}"
        )


class UnsatisfiableConstraint(GrammarError):
    """No text meets the constraint."""


class CompileTimeout(GrammarError):
    """Compiling took longer than `limit_s` seconds and was given up."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        super().__init__(
            f"constraint: expected one that compiles within {limit_s:g} s, got one that does not; simplify it"
        )


class CompilerCrashed(GrammarError):
    """The process that compiles has ended; `exit_status` is its own, None where it was shut down."""

    def __init__(self, exit_status: int | None) -> None:
        self.exit_status = exit_status
        reason = (
            "it was shut down"
            if exit_status is None
            else f"it ended with status {exit_status}; simplify the constraint"
        )
        super().__init__(f"constraint: expected the compile worker to answer, but {reason}")


class ConstraintTooLarge(GrammarError):
    """The constraint passes the bound on `quantity`."""

    def __init__(self, quantity: str, limit: int, value: object) -> None:
        self.quantity = quantity
        self.limit = limit
        self.value = value
        shown = value if isinstance(value, str) and len(value) <= 120 else shorten(value)
        super().__init__(f"constraint too large: expected at most {limit} {quantity}, got {shown}; simplify it")


class ConstraintTooComplex(GrammarError):
    """The engine reached one of its limits in the middle of a text, and can no longer say what may follow."""

    def __init__(self, engine: str, reason: str) -> None:
        self.engine = engine
        self.reason = reason
        super().__init__(
            f"constraint: expected one that {engine} can follow within its limits, got its error: {reason}; "
            "simplify nested repeats and overlapping alternatives"
        )


def shorten(value: object, max_len: int = 120) -> str:
    """`repr` of a value, cut where it is long."""
    shown = repr(value)
    return shown if len(shown) <= max_len else shown[:max_len] + "..."


def _place(pointer: str) -> str:
    return f"#{pointer}" if pointer else "# (the root)"


def _at(pattern: str, position: int | None) -> str:
    if position is None:
        return f" in {shorten(pattern)}"
    return f" at position {position} of {shorten(pattern)}"
