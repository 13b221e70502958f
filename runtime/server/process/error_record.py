"""ErrorRecord: an error as plain data, and the way back to an error of the same class."""

import reprlib
from types import ModuleType
from typing import Any

import msgspec

from ....grammar import errors as grammar_errors
from ....grammar.errors import GrammarError
from ... import errors as runtime_errors
from ...errors import EngineError
from . import errors as process_errors

_MAX_CAUSES = 8
_MAX_DEPTH = 8
_MAX_INT = 2**63 - 1


class ErrorRecord(msgspec.Struct, frozen=True, array_like=True):
    """An error: the name of its class, its message, its attributes as far as they are plain data, and its cause."""

    kind: str
    message: str
    attributes: dict[str, Any] = {}
    cause: "ErrorRecord | None" = None


def record_of(error: BaseException) -> ErrorRecord:
    """The error as data. A class that is not in the table goes by the nearest of its bases that is, or is named."""
    return _record_of(error, _MAX_CAUSES)


def error_of(record: ErrorRecord) -> Exception:
    """An error of the class the record names. It is looked up in a table, and its `__init__` is not run."""
    kind = _KINDS.get(record.kind)
    if kind is None:
        error: Exception = EngineError(f"{record.kind}: {record.message}")
    else:
        error = kind.__new__(kind)
        error.args = (record.message,)
    for name, value in record.attributes.items():
        if not name.startswith("__") or name == "__notes__":
            error.__dict__[name] = value
    if record.cause is not None:
        error.__cause__ = error_of(record.cause)
    return error


def _kinds(*modules: ModuleType) -> dict[str, type[Exception]]:
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, EngineError | GrammarError)
    }


_KINDS = _kinds(runtime_errors, grammar_errors, process_errors)


def _record_of(error: BaseException, num_causes: int) -> ErrorRecord:
    kind = next((base for base in type(error).__mro__ if _KINDS.get(base.__name__) is base), None)
    cause = error.__cause__ if num_causes else None
    return ErrorRecord(
        type(error).__name__ if kind is None else kind.__name__,
        _encodable(str(error)),
        {_encodable(name): _plain(value, _MAX_DEPTH) for name, value in error.__dict__.items()},
        None if cause is None else _record_of(cause, num_causes - 1),
    )


def _plain(value: object, depth: int) -> Any:
    """The value, or where it is no plain data, a short `repr` of it."""
    match value:
        case None | bool() | float():
            return value
        case int() if -_MAX_INT <= value <= _MAX_INT:
            return value
        case str():
            return _encodable(value)
        case list() | tuple() if depth:
            return [_plain(each, depth - 1) for each in value]
        case dict() if depth:
            return {_encodable(str(name)): _plain(each, depth - 1) for name, each in value.items()}
        case _:
            return _encodable(reprlib.repr(value))


def _encodable(text: str) -> str:
    """UTF-8 has no lone surrogates, which Python's strings may hold."""
    return text.encode("utf-8", "replace").decode()
