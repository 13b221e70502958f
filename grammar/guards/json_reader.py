"""JsonReader: follows JSON text byte by byte, through whatever pieces tokens cut it into, and judges what closes.

The text is known to be the beginning of well-formed JSON, as the grammar below lets nothing else through. A state is
never changed, so that taking tokens back is taking an older state:

    State(mode, location, start, is_escaped) --> Container --> Container --> None     innermost to outermost
"""

import json
import re
from collections.abc import Callable

from ..json_text.json_value import Json
from .equality import identity
from .frames import Frames
from .guard_plan import GuardPlan
from .json_value_reader import read_json
from .location import Kind, Location, LocationTable, with_open_text
from .outcome import INVALID, UNKNOWN, Failure, has_open_text
from .reader_state import Container, Mode, State

_STRING_STOP = re.compile(rb'["\\]')
_NUMBER_END = re.compile(rb"[^0-9eE+.\-]")
_LITERAL_LENS = {ord("t"): 4, ord("f"): 5, ord("n"): 4}
_SPACE = frozenset(b" \t\r\n")


class JsonReader:
    """The transitions over one document, or over a text with documents in it. Thread-safe, as its memos are."""

    def __init__(self, guards: GuardPlan | Frames) -> None:
        self._roots: dict[int, tuple[GuardPlan, Location | None]] = {}
        if isinstance(guards, GuardPlan):
            self.start = State(Mode.VALUE, None, self.root_of(guards), 0, False, None)
        else:
            self.start = State(Mode.FREE, None, None, 0, False, guards.start())

    def root_of(self, plan: GuardPlan) -> Location | None:
        """The location of a whole document."""
        if id(plan) not in self._roots:
            self._roots[id(plan)] = (plan, LocationTable(plan).root)
        return self._roots[id(plan)][1]

    def advance(self, state: State, text: bytearray, position: int, sketch: str | None = None) -> State | Failure:
        """The state after the bytes of `text` from `position` on; `INVALID` where a check fails on the way.

        `sketch`: all that is known of the beginning of the string that the text marks as open; `UNKNOWN` where a
        check hangs on the rest of it.
        """
        cursor = _Cursor(self, state, text, position, sketch)
        return cursor.run()

    def may_end(self, state: State, text: bytearray) -> bool:
        """Whether the text may end here as far as checks go: only a number that is the whole text is still open."""
        if state.mode is not Mode.NUMBER or state.container is not None or state.location is None:
            return True
        if not state.location.is_checked["number"]:
            return True
        return state.location.judge("number", bytes(text[state.start :]), None) is None


class _Cursor:
    """One advance, in the making."""

    def __init__(self, reader: JsonReader, state: State, text: bytearray, position: int, sketch: str | None) -> None:
        self.reader = reader
        self.text = text
        self.position = position
        self.sketch = sketch
        self.mode = state.mode
        self.container = state.container
        self.location = state.location
        self.start = state.start
        self.is_escaped = state.is_escaped
        self.frame = state.frame
        self.failure: Failure | None = None

    def run(self) -> State | Failure:
        text_len = len(self.text)
        while self.position < text_len:
            _STEPS[self.mode](self)
            if self.failure is not None:
                return self.failure
        return State(self.mode, self.container, self.location, self.start, self.is_escaped, self.frame)

    # Scalars

    def string(self) -> None:
        if self._skip_string():
            self._close("string")

    def key_string(self) -> None:
        if not self._skip_string():
            return
        self.mode = Mode.COLON
        container = self.container
        assert container is not None
        location = container.location
        if location is None:
            return
        try:
            key = json.loads(self.text[self.start : self.position])
        except ValueError:
            self.failure = INVALID
            return
        if location.watches_keys:
            self._note_key(container, location, key)
        self.location = location.member(key)

    def _note_key(self, container: Container, location: Location, key: str) -> None:
        is_new = key not in container.keys
        is_repeat = location.has_unique_keys and not is_new
        high = location.max_properties
        is_one_too_many = high is not None and is_new and len(container.keys) >= high
        if is_repeat or is_one_too_many or location.judge_key(key) is not None:
            self.failure = INVALID
        elif is_new:
            self.container = container.copy()
            self.container.keys = container.keys | {key}

    def _skip_string(self) -> bool:
        """Go on to behind the closing quote; False where the text ends before it."""
        if self.is_escaped:
            self.position += 1
            self.is_escaped = False
        while (stop := _STRING_STOP.search(self.text, self.position)) is not None:
            self.position = stop.end()
            if stop.group() == b'"':
                return True
            if self.position >= len(self.text):
                self.is_escaped = True
                return False
            self.position += 1
        self.position = len(self.text)
        return False

    def number(self) -> None:
        end = _NUMBER_END.search(self.text, self.position)
        self.position = len(self.text) if end is None else end.start()
        if end is not None:
            self._close("number")

    def literal(self) -> None:
        end = self.start + _LITERAL_LENS[self.text[self.start]]
        is_whole = end <= len(self.text)
        self.position = end if is_whole else len(self.text)
        if is_whole:
            self._close("literal")

    # Structure

    def value(self) -> None:
        byte = self.text[self.position]
        if byte in _SPACE:
            self.position += 1
            return
        if byte == 0x5D:  # ]
            self.position += 1
            self._close_container()
            return
        self.start = self.position
        self.position += 1
        if byte == 0x22:  # "
            self.mode = Mode.STRING
        elif byte in (0x7B, 0x5B):  # { [
            is_object = byte == 0x7B
            self.container = Container(self.container, self.location, self.start, is_object)
            self.mode = Mode.KEY if is_object else Mode.VALUE
            self.location = self._next_item(self.container)
        else:
            self.mode = Mode.LITERAL if byte in _LITERAL_LENS else Mode.NUMBER

    def key(self) -> None:
        byte = self.text[self.position]
        self.position += 1
        if byte == 0x22:
            self.mode = Mode.KEY_STRING
            self.start = self.position - 1
        elif byte == 0x7D:  # }
            self._close_container()

    def colon(self) -> None:
        if self.text[self.position] == 0x3A:
            self.mode = Mode.VALUE
        self.position += 1

    def after(self) -> None:
        byte = self.text[self.position]
        self.position += 1
        if byte == 0x2C:  # ,
            container = self.container
            assert container is not None
            self.mode = Mode.KEY if container.is_object else Mode.VALUE
            self.location = self._next_item(container)
        elif byte in (0x7D, 0x5D):
            self._close_container()

    def done(self) -> None:
        self.position = len(self.text)

    def free(self) -> None:
        frame = self.frame
        assert frame is not None
        plan = frame.plan
        if plan is None:
            self.frame = frame.advance(self.text[self.position])
            self.position += 1
            return
        self.location = self.reader.root_of(plan)
        self.mode = Mode.VALUE

    # Closing

    def _next_item(self, container: Container) -> Location | None:
        if container.is_object or container.location is None:
            return None
        return container.location.item(container.num_items)

    def _close_container(self) -> None:
        container = self.container
        assert container is not None
        self.container = container.parent
        self.location = container.location
        self.start = container.start
        self._close("object" if container.is_object else "array")

    def _close(self, kind: Kind) -> None:
        """The value from `start` to `position`, at `location`, has closed."""
        location, container = self.location, self.container
        if location is not None and location.is_checked[kind]:
            self.failure = location.judge(kind, self._closed_text(), self.sketch)
            if self.failure is not None:
                return
        self.location = None
        if container is None:
            self.mode = Mode.DONE
            if self.frame is not None:
                self.mode, self.frame = Mode.FREE, self.frame.after_document()
            return
        self.mode = Mode.AFTER
        if container.is_object or container.location is None:
            return
        self.container = container = container.copy()
        container.num_items += 1
        if container.location is not None and container.location.watches_items:
            self._note_item(container, container.location)

    def _note_item(self, container: Container, location: Location) -> None:
        if location.max_items is not None and container.num_items > location.max_items:
            self.failure = INVALID
            return
        if not location.has_unique_items and not location.contained:
            return
        try:
            value: Json = read_json(self._closed_text())
        except ValueError:
            self.failure = INVALID
            return
        if self.sketch is not None:
            value = with_open_text(value, self.sketch)
            if has_open_text(value):
                self.failure = UNKNOWN
                return
        if location.has_unique_items:
            name = f'"{value}' if isinstance(value, str) else identity(value)
            if name in container.seen:
                self.failure = INVALID
                return
            container.seen = container.seen | {name}
        self._count_item(container, location, value)

    def _count_item(self, container: Container, location: Location, value: Json) -> None:
        if not location.contained:
            return
        # One of which it is not known whether it counts may be one too many.
        hits = [location.holds(node, value) is not False for node, _ in location.contained]
        container.counts = tuple(count + hit for count, hit in zip(container.counts, hits, strict=True))
        if any(count > high for count, (_, high) in zip(container.counts, location.contained, strict=True)):
            self.failure = INVALID

    def _closed_text(self) -> bytes:
        return bytes(self.text[self.start : self.position])


_STEPS: dict[Mode, Callable[[_Cursor], None]] = {
    Mode.FREE: _Cursor.free,
    Mode.VALUE: _Cursor.value,
    Mode.KEY: _Cursor.key,
    Mode.COLON: _Cursor.colon,
    Mode.AFTER: _Cursor.after,
    Mode.STRING: _Cursor.string,
    Mode.KEY_STRING: _Cursor.key_string,
    Mode.NUMBER: _Cursor.number,
    Mode.LITERAL: _Cursor.literal,
    Mode.DONE: _Cursor.done,
}
