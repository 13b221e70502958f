"""GuardFrames: which documents inside a larger text are guarded, and where each begins."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..guards.guard_plan import GuardPlan
from .argument_scan import ArgumentScan
from .turn_state import TurnState
from .turn_table import TurnRow, from_rows, to_rows


@dataclass(frozen=True, slots=True, eq=False)
class GuardFrames:
    """The automaton of the text, and the guards of its bodies by their keys; bodies without an entry have none."""

    first: TurnState
    guards: Mapping[str, GuardPlan]

    def start(self) -> "FramePosition":
        """Before the first byte."""
        return FramePosition(self, self.first, _scan_at(self.first), b"")

    def __reduce__(self) -> "tuple[Callable[..., GuardFrames], tuple[object, ...]]":
        return _unpickled, (to_rows(self.first), dict(self.guards))


@dataclass(frozen=True, slots=True)
class FramePosition:
    """A place in the text; immutable, so that a walk is taken back by keeping the places it passed.

    Bodies are JSON containers: those with a plan are for the caller to read, others are skipped here.
    """

    frames: GuardFrames
    state: TurnState
    scan: ArgumentScan | None
    pending: bytes
    """The beginning of a character."""

    @property
    def plan(self) -> GuardPlan | None:
        """The guards of the JSON document that begins with the next byte; None where none does."""
        body = self.state.body
        return None if body is None else self.frames.guards.get(body.key)

    def after_document(self) -> "FramePosition":
        """Where the text goes on behind the document of `plan`."""
        assert self.state.body is not None, "asked where no document begins"
        return self._at(self.state.body.next)

    def advance(self, byte: int) -> "FramePosition":
        """The place after one more byte that is not of a guarded document. Raises `ValueError` for one not allowed."""
        assert self.plan is None, "the bytes of a guarded document are for its reader"
        read = self.pending + bytes((byte,))
        decoder = codecs.getincrementaldecoder("utf-8")()
        character = decoder.decode(read)
        if not character:
            return FramePosition(self.frames, self.state, self.scan, read)
        if self.scan is not None and self.state.body is not None:
            scan = self.scan.step(character)
            if scan is None:
                return self._at(self.state.body.next)
            return FramePosition(self.frames, self.state, scan, b"")
        following = self.state.step(character)
        if following is None:
            raise ValueError(f"expected what the constraint allows, got {character!r}")
        return self._at(following)

    def _at(self, state: TurnState) -> "FramePosition":
        return FramePosition(self.frames, state, _scan_at(state), b"")


def _unpickled(rows: tuple[TurnRow, ...], guards: Mapping[str, GuardPlan]) -> GuardFrames:
    return GuardFrames(from_rows(rows), guards)


def _scan_at(state: TurnState) -> ArgumentScan | None:
    return None if state.body is None else ArgumentScan("json")
