"""Explanations: whether an error that ended a request or a branch of a plan had to come."""

from faults import InjectedFault, fault_of
from knobs import Knobs
from limb import Limb, RequestWatch
from plan_watch import PlanWatch

from palmette.lang.events import BranchEnded
from palmette.runtime.errors import BranchClosed, DeadlineExceeded, DependencyFailed, EngineClosed, QueueFull
from palmette.runtime.request import Ended


class Explanations:
    """Knows the limits of the engine, and which branch each injected fault has ended."""

    def __init__(self, knobs: Knobs) -> None:
        self.is_shut = False
        """The engine was shut down."""
        self._knobs = knobs
        self._owners: dict[InjectedFault, Limb | PlanWatch] = {}

    def check_request(self, watch: RequestWatch, ended: Ended, now: float) -> None:
        """Raise AssertionError unless what ended a request was to be expected."""
        if ended.error is None or watch.is_explained(ended):
            return
        if isinstance(ended.error, BranchClosed):
            assert watch.came_late, f"branch {watch.limb.branch_id} was alive: {ended}"
        else:
            self._check(watch, ended.error, now)

    def check_plan(self, watch: PlanWatch, index: int, ended: BranchEnded, now: float) -> None:
        """Raise AssertionError unless what ended a branch of a plan was to be expected."""
        if ended.error is not None and not watch.is_explained(index, ended):
            self._check(watch, ended.error, now)

    def _check(self, watch: RequestWatch | PlanWatch, error: BaseException, now: float) -> None:
        """Of a limit, a fault that was put in, or the end of all."""
        root = error
        while isinstance(root, DependencyFailed) and root.__cause__ is not None:
            root = root.__cause__
        match root:
            case EngineClosed():
                assert self.is_shut, f"the engine is open, but says {error!r}"
            case QueueFull():
                self._check_refusal(watch, root)
            case DeadlineExceeded():
                # What is queued on a branch ends with it, so the deadline may be another request's.
                together = watch.limb.watches if isinstance(watch, RequestWatch) else [watch]
                limits = [(each.born, getattr(each.request.terms, root.limit_name)) for each in together]
                is_late = any(limit is not None and born + limit <= now for born, limit in limits)
                assert is_late, f"there was time, but {error!r}"
            case _:
                self._check_fault(watch, error)

    def _check_refusal(self, watch: RequestWatch | PlanWatch, error: QueueFull) -> None:
        assert not isinstance(watch, RequestWatch) or watch.may_be_refused, f"it had begun, but {error!r}"
        max_requests, max_tokens = self._knobs.max_queued_requests, self._knobs.max_queued_tokens
        by_number = max_requests is not None and error.num_requests >= max_requests
        by_tokens = max_tokens is not None and error.num_tokens > max_tokens
        assert by_number or by_tokens, f"there was room, but {error!r}"

    def _check_fault(self, watch: RequestWatch | PlanWatch, error: BaseException) -> None:
        fault = fault_of(error)
        if fault is None:
            raise AssertionError(f"expected no error, got {error!r}") from error
        if fault.seeds is not None:
            assert fault.seeds & watch.seeds, f"{fault} ended what had no part in it: {error!r}"
        if not fault.is_shared:
            owner = watch.limb if isinstance(watch, RequestWatch) else watch
            first = self._owners.setdefault(fault, owner)
            assert first is owner, f"{fault} ended more than the branch it belongs to"
