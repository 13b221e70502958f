"""State: where a reader of JSON text stands, as values that are never changed and share what they have in common."""

from enum import Enum, auto

from .frames import FramePosition
from .location import Kind, Location

_NO_NAMES: frozenset[str] = frozenset()


class Mode(Enum):
    """What comes next, or what the text is inside of."""

    FREE = auto()
    """Text outside of guarded documents."""
    VALUE = auto()
    KEY = auto()
    COLON = auto()
    AFTER = auto()
    """A value inside a container has closed: a comma or a bracket comes."""
    STRING = auto()
    KEY_STRING = auto()
    NUMBER = auto()
    LITERAL = auto()
    DONE = auto()
    """The whole text was one value, and it has closed."""


class Container:
    """An open array or object, with what was noted of its members so far; never changed."""

    __slots__ = (
        "counts", "is_object", "is_relevant", "keys", "location", "num_items", "outermost_start", "parent", "seen",
        "start",
    )  # fmt: skip

    def __init__(self, parent: "Container | None", location: Location | None, start: int, is_object: bool) -> None:
        self.parent = parent
        self.location = location
        self.start = start
        self.is_object = is_object
        self.num_items = 0
        self.keys = _NO_NAMES
        self.seen = _NO_NAMES
        """The items of an array with `uniqueItems`: strings behind a quote, others by their identities."""
        self.counts: tuple[int, ...] = (0,) * len(location.contained) if location is not None else ()
        is_watched = location is not None and location.is_watched["object" if is_object else "array"]
        self.outermost_start: int | None = parent.outermost_start if parent is not None else None
        """Where the outermost container begins of which something is checked; None: of none."""
        if self.outermost_start is None and is_watched:
            self.outermost_start = start
        self.is_relevant: bool = location is not None or (parent is not None and parent.is_relevant)
        """Whether anything may be checked in it or around it."""

    def copy(self) -> "Container":
        """One to change before it is shared."""
        twin = Container.__new__(Container)
        for name in Container.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin


class State:
    """Where the reader stands; `location` and `start` are those of the scalar, or of the value that comes next.

    `frame`: the place in the text around the documents, if there is one; inside a document, the place it began at.
    """

    __slots__ = ("container", "frame", "is_escaped", "location", "mode", "start")

    def __init__(
        self,
        mode: Mode,
        container: Container | None,
        location: Location | None,
        start: int,
        is_escaped: bool,
        frame: FramePosition | None,
    ) -> None:
        self.frame = frame
        self.mode = mode
        self.container = container
        self.location = location
        self.start = start
        self.is_escaped = is_escaped

    @property
    def outermost_start(self) -> int | None:
        """Where the outermost open value begins of which something is checked; None: no such value is open."""
        if self.container is not None and self.container.outermost_start is not None:
            return self.container.outermost_start
        kind = _SCALARS.get(self.mode)
        is_watched = kind is not None and self.location is not None and self.location.is_watched[kind]
        return self.start if is_watched else None

    @property
    def is_relevant(self) -> bool:
        """Whether anything may be checked from here to the end of the outermost value."""
        if self.location is not None:
            return self.mode is not Mode.DONE
        return self.container is not None and self.container.is_relevant


_SCALARS: dict[Mode, Kind] = {Mode.STRING: "string", Mode.NUMBER: "number", Mode.LITERAL: "literal"}
