"""PlanRequest: a plan to run, and who listens to what comes of its branches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...grammar.errors import GrammarError
from ...lang.events import BranchEnded, Event
from ...lang.plan import Plan, Ref
from ...lang.terms import DEFAULT_TERMS, Terms
from ..ticket import Ticket


@dataclass(frozen=True)
class BranchOpened:
    """A branch of the plan exists now, which was not open before: the first that is heard of it."""

    branch_id: int


PlanItem = tuple[int, Event | BranchOpened | BranchEnded]
"""(index of the branch, what happened)."""

PlanListener = Callable[[list[PlanItem]], None]
"""Is called on the engine's thread with all that one step brought, in order per branch; must return at once."""


@dataclass(frozen=True, eq=False)
class PlanRequest:
    """A plan that `check_plan` has let through; the listener gets one `BranchEnded` for each branch of it."""

    plan: Plan
    roots: Mapping[int, int]
    """Ids of live branches by index; roots that are not among them are opened, with `seed` and `namespace`."""
    listener: PlanListener
    seed: int | None = None
    namespace: str = ""
    is_streaming: bool = False
    """Otherwise the text of an operation comes in one piece, with its value."""
    refused: Mapping[Ref, GrammarError] = field(default_factory=dict)
    """Generations whose constraint does not compile: a branch ends where it comes to one."""
    terms: Terms = DEFAULT_TERMS
    """Of all that the plan has computed, from its start to its end."""
    ticket: Ticket | None = None
    """Its place, where it goes on with what arrived earlier; None: it has just arrived, on `terms`."""
