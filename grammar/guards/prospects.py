"""Prospects: whether checks of the values that are open can still come to hold, whatever is written next."""

from ..json_text.json_value import Json
from .json_value_reader import read_json
from .location import ANY_MARK, MORE_MARK, NUMBER_MARK, OPEN_MARK, Kind, Location, with_marks_read
from .open_string import open_text
from .outcome import OpenText
from .reader_state import Container, Mode, State
from .validator import Allowance

MAX_DEPTH = 64
"""Values further within values are not looked at, either: each of them is checked with all that it holds."""
MAX_LEN = 4_096
"""Longer values are not looked at: what is checked of them is found out when they close."""
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_SCALARS: dict[Mode, Kind] = {Mode.STRING: "string", Mode.NUMBER: "number", Mode.LITERAL: "literal"}


def has_prospects(state: State) -> bool:
    """Whether anything is checked of the value that comes or of one that is open: else there is nothing to ask."""
    if state.location is not None and any(state.location.is_checked.values()):
        return True
    container = state.container
    while container is not None:
        if _is_checked(container):
            return True
        container = container.parent
    return False


def is_hopeless(state: State, text: bytes | bytearray, allowance: Allowance) -> bool:
    """Whether some check fails however the text goes on; `state` is where `text` ends.

    The open values are closed as values that stand for many: of a string that has begun all that begin so, of an
    object all with these members and perhaps more. Linear in the open values' text, and in the work of their checks,
    which the `allowance` bounds: what is not found out within it counts as hope.
    """
    written = OpenText("")
    if state.mode is Mode.STRING:
        written = open_text(bytes(text[state.start + 1 :]))
    kind = _SCALARS.get(state.mode)
    location = state.location
    if kind is not None and location is not None and location.is_checked[kind]:
        mark: Json = OPEN_MARK if kind == "string" else NUMBER_MARK
        if kind == "literal":
            mark = read_json(_LITERALS[text[state.start]])
        if location.is_hopeless(kind, with_marks_read(mark, written), allowance):
            return True
    top = _outermost_checked(state.container)
    if top is None or len(text) - top.start > MAX_LEN or _depth(state.container) > MAX_DEPTH:
        return False
    tail = _rest_of_scalar(state, text)
    if tail is None:
        return False
    cut, rest = tail
    container = state.container
    while container is not None and container.start >= top.start and not allowance.is_used_up:
        rest += _closing(container, text, cut if container is state.container else None, rest)
        closed = bytes(text[container.start : cut]) + rest
        if _is_checked(container) and _fails(container, closed, written, allowance):
            return True
        container = container.parent
    return False


def _depth(container: Container | None) -> int:
    depth = 0
    while container is not None:
        depth += 1
        container = container.parent
    return depth


def _is_checked(container: Container) -> bool:
    location = container.location
    return location is not None and location.is_checked["object" if container.is_object else "array"]


def _outermost_checked(container: Container | None) -> Container | None:
    found = None
    while container is not None:
        if _is_checked(container):
            found = container
        container = container.parent
    return found


def _rest_of_scalar(state: State, text: bytes | bytearray) -> tuple[int, bytes] | None:
    """Where to cut the text, and what to put there, so that the innermost container can be closed next."""
    container = state.container
    assert container is not None
    if state.mode is Mode.STRING:
        return state.start, f'"{OPEN_MARK}"'.encode()
    if state.mode is Mode.NUMBER:
        return state.start, f'"{NUMBER_MARK}"'.encode()
    if state.mode is Mode.LITERAL:
        return state.start, _LITERALS[text[state.start]]
    any_value = f'"{ANY_MARK}"'.encode()
    if state.mode is Mode.COLON:
        return len(text), b":" + any_value
    if state.mode is Mode.VALUE:
        is_first = not container.is_object and container.num_items == 0
        return len(text), b"" if is_first and _ends_with(text, container.start) else any_value
    if state.mode in (Mode.KEY, Mode.KEY_STRING):
        end = state.start if state.mode is Mode.KEY_STRING else len(text)
        while end > container.start + 1 and text[end - 1] in b" \t\r\n,":
            end -= 1
        return end, b""
    return (len(text), b"") if state.mode is Mode.AFTER else None


def _ends_with(text: bytes | bytearray, start: int) -> bool:
    """Whether nothing but blanks follows the bracket at `start`."""
    return not bytes(text[start + 1 :]).strip()


def _closing(container: Container, text: bytes | bytearray, cut: int | None, rest: bytes) -> bytes:
    """The mark for what may still come, and the bracket."""
    is_empty = cut is not None and not rest and _ends_with(text[:cut], container.start)
    comma = b"" if is_empty else b","
    return comma + (f'"{MORE_MARK}":0}}' if container.is_object else f'"{MORE_MARK}"]').encode()


def _fails(container: Container, closed: bytes, written: OpenText, allowance: Allowance) -> bool:
    location: Location | None = container.location
    assert location is not None
    try:
        value = read_json(closed)
    except ValueError:
        return False
    kind: Kind = "object" if container.is_object else "array"
    return location.is_hopeless(kind, with_marks_read(value, written), allowance)
