"""Limb: a live branch of the simulation with its double in the oracle, and the requests that run on it."""

from dataclasses import dataclass, field

from faults import InjectedFault
from ledger import Ledger
from oracle import NaiveBranch
from plan_watch import PlanWatch

from palmette.lang.events import Event
from palmette.lang.ir import Fork, Gen, Operation, Score, Select
from palmette.runtime.errors import RequestCancelled
from palmette.runtime.request import Ended, Request

NEEDS_MODEL = (Gen, Select, Score, Fork)


@dataclass(eq=False)
class Limb:
    """A branch of the engine. What is submitted to it has been run by the oracle before."""

    branch_id: int
    naive: NaiveBranch
    parent: "Limb | None" = None
    watches: "list[RequestWatch]" = field(default_factory=list)
    is_cut: bool = False
    """It was cancelled or closed, or the listener of a request failed before that had ended."""
    is_refused: bool = False
    """An operation on it will be refused, or has been."""
    error: BaseException | None = None
    """What ended it."""
    is_closed: bool = False
    plan: "PlanWatch | None" = None
    """The plan that runs on it, and has it for itself meanwhile."""

    @property
    def is_busy(self) -> bool:
        """Whether it has work that has not ended."""
        return self.plan is not None or any(watch.ended is None for watch in self.watches)

    @property
    def is_alive(self) -> bool:
        """Whether it may be expected to take more operations."""
        return not (self.is_cut or self.is_refused or self.error or self.is_closed)


class RequestWatch:
    """The listener of a request: takes what it hears, and checks it when the engine has stopped to look."""

    request: Request

    def __init__(
        self, limb: Limb, operations: tuple[Operation, ...], ledger: Ledger, born: float, deaf_after: int | None
    ) -> None:
        """`born`: the time it was submitted at; `deaf_after`: it fails once it has heard so many items."""
        self.limb = limb
        self.operations = operations
        self.ledger = ledger
        self.born = born
        self.came_late = limb.error is not None or limb.is_cut or limb.is_closed
        earlier = [operation for watch in limb.watches for operation in watch.operations]
        self.may_be_refused = limb.parent is None and not any(isinstance(each, NEEDS_MODEL) for each in earlier)
        self.must_fail = bool(operations) and not limb.is_alive
        self.ended: Ended | None = None
        self._deaf_after = deaf_after
        self._is_deaf = False
        self._num_heard = 0
        self._inbox: list[Event | Ended] = []

    @property
    def seeds(self) -> set[int]:
        """Of the branch it runs on."""
        return {self.limb.naive.branch.seed}

    def __call__(self, item: Event | Ended) -> None:
        self._inbox.append(item)
        self._num_heard += 1
        if self._deaf_after is not None and self._num_heard > self._deaf_after:
            self._is_deaf = True
            raise InjectedFault("a listener")

    def take(self) -> list[Event | Ended]:
        """What has been heard since the last time, checked."""
        items, self._inbox = self._inbox, []
        for item in items:
            assert self.ended is None, f"{self}: {item} came after the end"
            if isinstance(item, Ended):
                self.ended = item
                # One that ended in the step its listener failed in is left alone, and so is its branch.
                self.limb.is_cut |= self._is_deaf and item.error is not None
                if item.error is None:
                    assert not self.must_fail, "the request ended well, on a branch that takes no more operations"
                    self.ledger.check_complete()
            else:
                self.ledger.hear(item)
        assert self.ended is not None or not self._is_deaf, "its listener has failed, but the request goes on"
        return items

    def is_explained(self, ended: Ended) -> bool:
        """Whether the error that ended the request had to come."""
        refusal = self.ledger.refusal
        if refusal is not None and type(ended.error) is refusal[1]:
            return ended.operation_index == refusal[0]
        if isinstance(ended.error, RequestCancelled):
            return self.limb.is_cut
        return ended.error is self.limb.error
