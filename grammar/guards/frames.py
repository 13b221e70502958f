"""Frames: where in a larger text guarded JSON documents stand, as a port for whoever knows the text around them."""

from typing import Protocol

from .guard_plan import GuardPlan


class FramePosition(Protocol):
    """A place outside of guarded documents; never changed. Equal positions go on alike and hash alike."""

    @property
    def plan(self) -> GuardPlan | None:
        """The guards of the document that begins with the next byte; None where none does."""
        ...

    def after_document(self) -> "FramePosition":
        """The place behind the document of `plan`."""
        ...

    def advance(self, byte: int) -> "FramePosition":
        """The place after one more byte that is not of a guarded document; raises `ValueError` for a forbidden one."""
        ...


class Frames(Protocol):
    """A text with documents in it."""

    def start(self) -> FramePosition:
        """Before the first byte."""
        ...
