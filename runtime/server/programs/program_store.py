"""ProgramStore: the programs that clients have registered, by the digest of their plan."""

import hashlib
import time
from dataclasses import dataclass, field

from ....lang.plan import Plan
from ..api_error import ApiError


@dataclass(frozen=True)
class StoredProgram:
    """A plan, its arguments left open."""

    program_id: str
    plan: Plan
    created: int = field(default_factory=lambda: int(time.time()))
    """Seconds since 1970."""

    def summary(self) -> dict[str, object]:
        """What a list of programs says of it."""
        return {
            "id": self.program_id,
            "object": "program",
            "created": self.created,
            "name": self.plan.name,
            "parameters": list(self.plan.parameters),
            "num_branches": len(self.plan.branches),
        }


class ProgramStore:
    """Each key has its own programs, and sees no others."""

    def __init__(self, max_programs: int) -> None:
        """max_programs: of one key."""
        self._max_programs = max_programs
        self._programs: dict[str, dict[str, StoredProgram]] = {}

    def add(self, tenant: str, plan: Plan) -> tuple[StoredProgram, bool]:
        """Register a plan; and whether it is new. Raises: ApiError (429) where the key has too many."""
        program_id = "prog_" + hashlib.sha256(plan.to_json().encode()).hexdigest()[:32]
        mine = self._programs.setdefault(tenant, {})
        if program_id in mine:
            return mine[program_id], False
        if len(mine) >= self._max_programs:
            raise ApiError(
                429,
                f"this key has {len(mine)} programs, of at most {self._max_programs}; delete some first",
                type="rate_limit_error",
                code="too_many_programs",
            )
        mine[program_id] = StoredProgram(program_id, plan)
        return mine[program_id], True

    def get(self, tenant: str, program_id: str) -> StoredProgram:
        """One program. Raises: ApiError (404)."""
        program = self._programs.get(tenant, {}).get(program_id)
        if program is None:
            raise ApiError(
                404, "there is no such program; register its plan first", type="not_found_error", code="not_found"
            )
        return program

    def of(self, tenant: str) -> list[StoredProgram]:
        """All programs of a key, the oldest first."""
        return list(self._programs.get(tenant, {}).values())

    def remove(self, tenant: str, program_id: str) -> None:
        """Forget one; what runs of it goes on. Raises: ApiError (404)."""
        self.get(tenant, program_id)
        del self._programs[tenant][program_id]
