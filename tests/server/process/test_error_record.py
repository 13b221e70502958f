"""ErrorRecord: errors cross the socket as themselves, and nothing that is read is run."""

import msgspec
import pytest

from palmette.grammar.errors import ConstraintTooLarge, GrammarError, InvalidRegex, UnsupportedSchema
from palmette.lang.backend import OutOfTime, QueueRefusal
from palmette.runtime.errors import (
    ConstraintDeadEnd,
    DeadlineExceeded,
    DependencyFailed,
    EngineClosed,
    EngineError,
    InvalidRequest,
    QueueFull,
    RequestTooLong,
    StepFailed,
)
from palmette.runtime.server.process.error_record import _KINDS, ErrorRecord, error_of, record_of
from palmette.runtime.server.process.errors import EngineRestarted, FrameTooLong, SlowReader

ERRORS = [
    InvalidRequest("a request"),
    RequestTooLong("the text", 9, "the context", 4, "shorten it"),
    QueueFull(1, None, 3, 4),
    DeadlineExceeded("timeout_s", 1.5, 2.0),
    ConstraintDeadEnd("no way", "some text", 3, 4),
    EngineRestarted("again"),
    FrameTooLong(5, 4),
    SlowReader(5, 4),
    InvalidRegex("(", 0, "a '('"),
    UnsupportedSchema("/a", "not", "why"),
    ConstraintTooLarge("states", 3, 2**70),
]


def sent(error: BaseException) -> Exception:
    data = msgspec.msgpack.encode(record_of(error))
    return error_of(msgspec.msgpack.decode(data, type=ErrorRecord))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_as_itself(error: Exception) -> None:
    setattr(error, "operation_index", 3)  # noqa: B010 - errors of any type carry it
    error.add_note("item 2")
    read = sent(error)
    assert type(read) is type(error)
    assert str(read) == str(error)
    expected = {name: value if value != 2**70 else repr(value) for name, value in vars(error).items()}
    assert vars(read) == expected


def test_errors_of_time_and_of_the_queue_still_are_what_the_port_calls_so() -> None:
    assert isinstance(sent(DeadlineExceeded("queue_timeout_s", 1.5, 2.0)), OutOfTime | TimeoutError)
    late = sent(DeadlineExceeded("queue_timeout_s", 1.5, 2.0))
    assert isinstance(late, OutOfTime)
    assert (late.limit_name, late.limit_s, late.waited_s) == ("queue_timeout_s", 1.5, 2.0)
    full = sent(QueueFull(1, None, 3, 4))
    assert isinstance(full, QueueRefusal)
    assert (full.num_requests, full.max_requests, full.num_tokens, full.max_tokens) == (1, None, 3, 4)


@pytest.mark.parametrize("name", sorted(_KINDS))
def test_every_class_of_the_table_can_be_made_without_its_init(name: str) -> None:
    error = error_of(ErrorRecord(name, "the message"))
    assert type(error).__name__ == name
    assert str(error) == "the message"
    assert isinstance(error, EngineError | GrammarError)


def test_causes_come_along() -> None:
    failed = DependencyFailed("no value")
    failed.__cause__ = RequestTooLong("the text", 9, "the context", 4, "shorten it")
    cause = sent(failed).__cause__
    assert isinstance(cause, RequestTooLong)
    assert cause.limit == 4


def test_a_circle_of_causes_ends() -> None:
    one, other = EngineError("one"), EngineError("other")
    one.__cause__, other.__cause__ = other, one
    assert str(sent(one)) == "one"


def test_a_class_that_is_not_in_the_table_is_named_by_its_nearest_base_or_in_the_message() -> None:
    class Odd(StepFailed):
        """Some other error."""

    assert type(sent(Odd("x"))) is StepFailed
    other = sent(ZeroDivisionError("division by zero"))
    assert type(other) is EngineError
    assert str(other) == "ZeroDivisionError: division by zero"


def test_what_is_read_makes_no_other_classes_and_sets_no_special_attributes() -> None:
    for kind in ("SystemExit", "Exception", "error_of", "os.system", ""):
        assert type(error_of(ErrorRecord(kind, "x"))) is EngineError
    error = error_of(ErrorRecord("EngineClosed", "x", {"__class__": "str", "__dict__": 3, "fine": 1}))
    assert type(error) is EngineClosed
    assert vars(error) == {"fine": 1}


def test_lone_surrogates_and_odd_attributes_do_not_stop_an_error() -> None:
    error = EngineError("bad \ud800 text")
    setattr(error, "thing", object)  # noqa: B010 - not plain data
    setattr(error, "nested", [1, ("a", {"b": 2.0})])  # noqa: B010 - plain data
    read = sent(error)
    assert str(read) == "bad ? text"
    assert vars(read)["nested"] == [1, ["a", {"b": 2.0}]]
    assert isinstance(vars(read)["thing"], str)
