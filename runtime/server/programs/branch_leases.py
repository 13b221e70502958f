"""BranchLeases: the live branches that clients go on with, each closed when nothing was asked of it for long."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ....lang.backend import Branch
from ..api_error import ApiError
from ..settings import ProgramSettings

_log = logging.getLogger("palmette.server")

_ID_BITS = 53
"""Of an id: JSON readers that know only floats keep it whole."""
_MAX_ID_LEN = 16
"""Digits of the longest."""


@dataclass(eq=False)
class _Lease:
    branch: Branch
    tenant: str
    num_uses: int = 0
    """Requests that are at work on it; meanwhile it does not run out."""
    timer: asyncio.TimerHandle | None = None


class BranchLeases:
    """Branches by ids that cannot be guessed, each of one key, and open to requests with this key alone."""

    def __init__(self, settings: ProgramSettings) -> None:
        self._settings = settings
        self._leases: dict[int, _Lease] = {}
        self._num_open: Counter[str] = Counter()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def num_open(self) -> int:
        """Branches that are open now."""
        return len(self._leases)

    def check_room(self, tenant: str, num_branches: int) -> None:
        """Raise ApiError (429) where so many more would be too many."""
        limit = self._settings.max_live_branches
        if self._num_open[tenant] + num_branches > limit:
            raise ApiError(
                429,
                f"{self._num_open[tenant]} branches of this key are open, of at most {limit}; close some first",
                type="rate_limit_error",
                code="too_many_branches",
                retry_after_s=1,
            )

    def add(self, tenant: str, branch: Branch) -> int:
        """Take in a branch; its id."""
        branch_id = secrets.randbits(_ID_BITS)
        while branch_id in self._leases:
            branch_id = secrets.randbits(_ID_BITS)
        self._leases[branch_id] = lease = _Lease(branch, tenant)
        self._num_open[tenant] += 1
        self._rest(branch_id, lease)
        return branch_id

    @contextmanager
    def using(self, tenant: str, branch_ids: Iterable[int]) -> Iterator[list[Branch]]:
        """The branches, whose time stands still meanwhile. Raises: ApiError (404)."""
        ids = list(dict.fromkeys(branch_ids))
        leases = [self._find(tenant, branch_id) for branch_id in ids]
        for lease in leases:
            lease.num_uses += 1
            if lease.timer is not None:
                lease.timer.cancel()
        try:
            yield [lease.branch for lease in leases]
        finally:
            for branch_id, lease in zip(ids, leases, strict=True):
                lease.num_uses -= 1
                if not lease.num_uses and branch_id in self._leases:
                    self._rest(branch_id, lease)

    async def close(self, tenant: str, branch_ids: Sequence[int]) -> list[int]:
        """Close those of `branch_ids` that are open and of this key; which they were."""
        mine = [each for each in branch_ids if each in self._leases and self._leases[each].tenant == tenant]
        for branch in [self._remove(branch_id) for branch_id in mine]:
            await branch.close()
        return mine

    def read_id(self, text: str) -> int:
        """The id that a path names. Raises: ApiError (404)."""
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_ID_LEN):
            raise self._not_found()
        return int(text)

    def _find(self, tenant: str, branch_id: int) -> _Lease:
        lease = self._leases.get(branch_id)
        if lease is None or lease.tenant != tenant:
            raise self._not_found()
        return lease

    def _not_found(self) -> ApiError:
        return ApiError(
            404,
            "there is no such branch: it was closed, or nothing was asked of it for "
            f"{self._settings.branch_lease_s:g} s, or the server was started anew",
            type="not_found_error",
            code="branch_not_found",
        )

    def _rest(self, branch_id: int, lease: _Lease) -> None:
        loop = asyncio.get_running_loop()
        lease.timer = loop.call_later(self._settings.branch_lease_s, self._expire, branch_id)

    def _expire(self, branch_id: int) -> None:
        _log.info("a live branch was closed, as nothing was asked of it for long")
        task = asyncio.get_running_loop().create_task(self._remove(branch_id).close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _remove(self, branch_id: int) -> Branch:
        lease = self._leases.pop(branch_id)
        if lease.timer is not None:
            lease.timer.cancel()
        self._num_open[lease.tenant] -= 1
        if not self._num_open[lease.tenant]:
            del self._num_open[lease.tenant]
        return lease.branch
