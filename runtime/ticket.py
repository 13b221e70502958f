"""Ticket: a request's place among all that have arrived, and what has become of it since."""

from dataclasses import dataclass

from ..lang.terms import DEFAULT_TERMS, Terms


@dataclass(eq=False)
class Ticket:
    """Shared by all requests of a program, whichever branch they are on: one that has begun keeps its place."""

    arrival: int
    """Smaller came first; no two are equal."""
    arrived_at: float
    """Seconds of the engine's clock."""
    terms: Terms = DEFAULT_TERMS
    is_accepted: bool = False
    """The queue had room for it."""
    has_begun: bool = False
    """A row of it has been let in."""
    error: Exception | None = None
    """It has run out of time: this is the answer to all of it that is still open."""
