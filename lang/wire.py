"""What a client and a server say of programs: the bodies of requests, and the events that come of them, as JSON."""

from typing import Annotated, Literal

import msgspec

from .events import GenResult, ScoreResult, SelectResult, Timing
from .ir import Operation
from .plan import Plan
from .sampling_params import NUMBER_KEYS
from .terms import DEFAULT_TERMS, Terms


class OpenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/branches`: a new, empty branch, with the arguments of `Backend.open_branch`."""

    seed: int | None = None
    cache_salt: str = ""
    terms: Terms = DEFAULT_TERMS


class OperationsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/branches/{id}/run`: operations to run on a live branch; a `Join` names live branches by their ids."""

    operations: tuple[Operation, ...]


class ForkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/branches/{id}/fork`."""

    num_children: int


class HoldBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/branches/{id}/hold`."""

    seconds: float


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/branches/close`: ids that are not open, or no longer, are passed over."""

    ids: tuple[int, ...]


class BranchIds(msgspec.Struct, frozen=True):
    """The answer to what opens or closes branches: the ids of those it opened or closed."""

    ids: tuple[int, ...]


class PlanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/programs/run`: a plan that has no open arguments, with the arguments of `PlanBackend.run_plan`.

    Its branches stay open when it has ended, for whoever goes on with them; a plan that is cut off leaves none.
    """

    plan: Plan
    roots: Annotated[dict[int, int], NUMBER_KEYS] = {}
    """Live branches by the index of the root that goes on with them."""
    seed: int | None = None
    cache_salt: str = ""
    terms: Terms = DEFAULT_TERMS
    stream: bool = False


class WireError(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error of the server's side. `number`: two that are one object there have the same one within an answer."""

    type: str
    message: str
    number: int
    attributes: dict[str, str | int | float | bool | None] = {}
    cause: "WireError | None" = None


class ProgramEvent(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """One event; on the stream it is also named by its `type`."""


class RunStarted(ProgramEvent, frozen=True, tag="run_started", omit_defaults=True):
    """The first event: which run this is."""

    id: str
    program: str


class BranchOpened(ProgramEvent, frozen=True, tag="branch_opened", omit_defaults=True):
    """A branch of the plan is live, and stays so, as `id`, until it is closed or its lease ends."""

    branch: int
    id: int


class OperationStarted(ProgramEvent, frozen=True, tag="operation_started", omit_defaults=True):
    """It is the operation's turn: what comes before it on its branch has ended, and what it needs is there."""

    branch: int
    step: int
    kind: str
    name: str | None = None


class TextAdded(ProgramEvent, frozen=True, tag="text", omit_defaults=True):
    """The branch gained text of the program's own: words of the prompt, marks of a turn, what a join appends."""

    branch: int
    step: int
    text: str


class TokenAdded(ProgramEvent, frozen=True, tag="token", omit_defaults=True):
    """The branch gained text of a value; `token_ids` as in `TextDelta`. One or several tokens at a time."""

    branch: int
    step: int
    name: str
    text: str
    token_ids: tuple[int, ...] = ()


class ValueMade(ProgramEvent, frozen=True, tag="value", omit_defaults=True):
    """A value is whole; exactly one of `samples`, `selection` and `score` is there."""

    branch: int
    step: int
    name: str
    samples: tuple[GenResult, ...] | None = None
    selection: SelectResult | None = None
    score: ScoreResult | None = None
    timing: Timing | None = None


class BranchForked(ProgramEvent, frozen=True, tag="branch_forked", omit_defaults=True):
    """The branches `children` now exist, and begin with all of this one so far."""

    branch: int
    step: int
    children: tuple[int, ...]


class BranchJoined(ProgramEvent, frozen=True, tag="branch_joined", omit_defaults=True):
    """The branches `children` end with their last step; `mode` as in `Joining`."""

    branch: int
    step: int
    children: tuple[int, ...]
    mode: Literal["gather_variable", "concate_and_append"]


class TurnClosing(ProgramEvent, frozen=True, tag="closing", omit_defaults=True):
    """The text that would close the open end of the chat so far; see `Closing`."""

    branch: int
    text: str


class BranchDone(ProgramEvent, frozen=True, tag="branch_ended", omit_defaults=True):
    """All steps of the branch ran, or `error` stopped it, at `step` where one is to blame."""

    branch: int
    step: int | None = None
    error: WireError | None = None


class RunEnded(ProgramEvent, frozen=True, tag="run_ended", omit_defaults=True):
    """The last event. `error`: the first that ended a branch, or what ended the run as a whole."""

    error: WireError | None = None


WireEvent = (
    RunStarted
    | BranchOpened
    | OperationStarted
    | TextAdded
    | TokenAdded
    | ValueMade
    | BranchForked
    | BranchJoined
    | TurnClosing
    | BranchDone
    | RunEnded
)
