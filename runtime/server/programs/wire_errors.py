"""WireErrors: the errors of one answer as data, numbered, so that the client tells one error from two alike."""

from ....grammar.errors import GrammarError
from ....lang.wire import WireError
from ...errors import EngineError
from ..api_error import api_error

_MAX_TEXT_LEN = 200


class WireErrors:
    """Of one stream; an error keeps its number."""

    def __init__(self) -> None:
        self._numbered: dict[int, tuple[BaseException, int]] = {}

    def write(self, error: BaseException) -> WireError:
        """The error and the chain of its causes; what is nobody's fault but ours says nothing of itself."""
        cause = error.__cause__
        answer = api_error(error)
        is_known = isinstance(error, EngineError | GrammarError)
        return WireError(
            type(error).__name__ if is_known else answer.code or answer.type,
            answer.message,
            self._number(error),
            _attributes(error) if is_known else {},
            self.write(cause) if is_known and isinstance(cause, EngineError | GrammarError) else None,
        )

    def _number(self, error: BaseException) -> int:
        _, number = self._numbered.setdefault(id(error), (error, len(self._numbered)))
        return number


def _attributes(error: BaseException) -> dict[str, str | int | float | bool | None]:
    """Plain values that the error carries besides its message."""
    return {
        name: value
        for name, value in vars(error).items()
        if name != "operation_index"
        and not name.startswith("_")
        and (
            value is None
            or isinstance(value, int | float | bool)
            or (isinstance(value, str) and len(value) <= _MAX_TEXT_LEN)
        )
    }
