"""The messages between a server and its engine's process, and how they are read and written.

    server                                   engine's process
      Configure ----------------------------->
                <----------------------------- Started | Refused          the model is loaded, or cannot be
      RunOperations, RunPlan ---------------->
                <----------------------------- Happened ... Finished      any number of events, then the end
      OpenBranch, ForkBranch, Ask*, ... ----->
                <----------------------------- one answer | Refused
      CancelCall, KeepBranches, CloseBranch, Shutdown ->                  no answer

Plain data in MessagePack, each message with a tag that says what it is; nothing that is read is ever run.
"""

from pathlib import Path
from typing import Any

import msgspec

from ....grammar.spec import Constraint
from ....lang.events import Event
from ....lang.ir import Operation
from ....lang.plan import Plan
from ....lang.terms import Terms
from ...cache.tree_snapshot import TreeSnapshot
from ...config import EngineConfig
from .error_record import ErrorRecord

# --- from the server


class Configure(msgspec.Struct, frozen=True, array_like=True, tag="configure"):
    """The first message: which engine to make, and how many bytes may wait to be sent to the server."""

    config: EngineConfig
    max_unsent_bytes: int


class OpenBranch(msgspec.Struct, frozen=True, array_like=True, tag="open"):
    """`Backend.open_branch`; answered by `BranchesOpened`."""

    seed: int | None
    cache_salt: str
    terms: Terms


class RunOperations(msgspec.Struct, frozen=True, array_like=True, tag="run"):
    """`Branch.run`; answered by `Happened`s and `Finished`."""

    branch_id: int
    operations: tuple[Operation, ...]


class RunPlan(msgspec.Struct, frozen=True, array_like=True, tag="run_plan"):
    """`PlanBackend.run_plan`; answered by `PlanHappened`, `PlanBranchOpened`, `PlanBranchEnded`, and `Finished`."""

    plan: Plan
    roots: dict[int, int]
    """Ids of live branches by their index in the plan."""
    seed: int | None
    cache_salt: str
    terms: Terms
    is_streaming: bool


class CancelCall(msgspec.Struct, frozen=True, array_like=True, tag="cancel"):
    """Stop what the call of the frame's id has begun; it is answered no more."""


class KeepBranches(msgspec.Struct, frozen=True, array_like=True, tag="keep"):
    """The server knows of all branches that the plan of the frame's id has opened, and will close them itself.

    Until then they are the plan's: they end when it is cancelled, even if all of it had run and been told by then.
    """


class ForkBranch(msgspec.Struct, frozen=True, array_like=True, tag="fork"):
    """`Branch.fork`; answered by `BranchesOpened`."""

    branch_id: int
    num_children: int


class HoldBranch(msgspec.Struct, frozen=True, array_like=True, tag="hold"):
    """`HoldingBranch.hold`; answered by `Done`."""

    branch_id: int
    seconds: float


class CloseBranch(msgspec.Struct, frozen=True, array_like=True, tag="close"):
    """`Branch.close`."""

    branch_id: int


class AskStats(msgspec.Struct, frozen=True, array_like=True, tag="ask_stats"):
    """The engine's counters; answered by `Stats`."""


class AskTree(msgspec.Struct, frozen=True, array_like=True, tag="ask_tree"):
    """The radix tree; answered by `Tree`."""

    max_nodes: int
    num_preview_tokens: int


class Compile(msgspec.Struct, frozen=True, array_like=True, tag="compile"):
    """Compile constraints, which are kept for those who generate with them; answered by `Compiled`."""

    constraints: tuple[Constraint, ...]


class AskEnforcement(msgspec.Struct, frozen=True, array_like=True, tag="ask_enforcement"):
    """Which engine enforces a constraint, and why; answered by `Enforcement`, refused where it does not compile."""

    constraint: Constraint


class FlushCache(msgspec.Struct, frozen=True, array_like=True, tag="flush"):
    """`Backend.aflush_cache`; answered by `Done`."""


class Ping(msgspec.Struct, frozen=True, array_like=True, tag="ping"):
    """Are you alive; answered by `Pong`."""


class Shutdown(msgspec.Struct, frozen=True, array_like=True, tag="shutdown"):
    """End, in order; the stream ends when that is done."""


Request = (
    Configure
    | OpenBranch
    | RunOperations
    | RunPlan
    | CancelCall
    | KeepBranches
    | ForkBranch
    | HoldBranch
    | CloseBranch
    | AskStats
    | AskTree
    | Compile
    | AskEnforcement
    | FlushCache
    | Ping
    | Shutdown
)

# --- from the engine's process


class EngineFacts(msgspec.Struct, frozen=True):
    """What is known of an engine once its model is loaded."""

    process_id: int
    model_name: str
    """As users named it: its folder, or "sprig"."""
    model_folder: str
    context_len: int
    """Tokens of the longest text: what the model was made for, or the pool where that holds less."""
    vocab_size: int
    page_size: int
    num_pages: int
    device: str
    dtype: str


class Started(msgspec.Struct, frozen=True, array_like=True, tag="started"):
    """The answer to `Configure`."""

    facts: EngineFacts


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """The call has failed."""

    error: ErrorRecord


class Happened(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """An event of `RunOperations`."""

    event: Event


class PlanHappened(msgspec.Struct, frozen=True, array_like=True, tag="plan_event"):
    """An event of the branch `index` of a plan."""

    index: int
    event: Event


class PlanBranchOpened(msgspec.Struct, frozen=True, array_like=True, tag="plan_branch"):
    """The branch `index` of a plan exists now."""

    index: int
    branch_id: int


class PlanBranchEnded(msgspec.Struct, frozen=True, array_like=True, tag="plan_end"):
    """`lang.events.BranchEnded` of the branch `index` of a plan."""

    index: int
    error: ErrorRecord | None
    operation_index: int | None


class Finished(msgspec.Struct, frozen=True, array_like=True, tag="finished"):
    """All events of a call have been sent; `error`: what stopped it."""

    error: ErrorRecord | None = None


class BranchesOpened(msgspec.Struct, frozen=True, array_like=True, tag="opened"):
    """The answer to `OpenBranch` and `ForkBranch`."""

    branch_ids: tuple[int, ...]


class Stats(msgspec.Struct, frozen=True, array_like=True, tag="stats"):
    """The answer to `AskStats`."""

    counters: dict[str, int | float]


class Tree(msgspec.Struct, frozen=True, array_like=True, tag="tree"):
    """The answer to `AskTree`."""

    tree: TreeSnapshot


class Compiled(msgspec.Struct, frozen=True, array_like=True, tag="compiled"):
    """The answer to `Compile`: what is wrong, by the index of the constraint."""

    refused: dict[int, ErrorRecord]


class Enforcement(msgspec.Struct, frozen=True, array_like=True, tag="enforcement"):
    """The answer to `AskEnforcement`."""

    engine: str
    reason: str


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """The answer where there is nothing to say."""


class Pong(msgspec.Struct, frozen=True, array_like=True, tag="pong"):
    """The answer to `Ping`. `silence_s`: for so long the engine's loop has owed a sign of life; 0: it owes none."""

    silence_s: float


Answer = (
    Started
    | Refused
    | Happened
    | PlanHappened
    | PlanBranchOpened
    | PlanBranchEnded
    | Finished
    | BranchesOpened
    | Stats
    | Tree
    | Compiled
    | Enforcement
    | Done
    | Pong
)


def _encode_path(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"message: expected plain data, got a {type(value).__name__}")


def _decode_path(kind: type, value: object) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"message: expected a {kind.__name__}, got {value!r}")


ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_path)
REQUEST_DECODER: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request, dec_hook=_decode_path)
ANSWER_DECODER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
