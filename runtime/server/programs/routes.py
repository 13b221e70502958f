"""The router of programs and of live branches."""

from fastapi import APIRouter

from ..parts import ServerParts
from . import branches, register, run
from .branch_leases import BranchLeases
from .program_store import ProgramStore


def router(parts: ServerParts) -> APIRouter:
    """`/v1/programs` and `/v1/branches`."""
    made = APIRouter(tags=["programs"])
    store = ProgramStore(parts.settings.programs.max_programs)
    leases = BranchLeases(parts.settings.programs)
    run.add_routes(made, parts, store, leases)  # before the programs: `/v1/programs/run` is no program
    register.add_routes(made, parts, store)
    branches.add_routes(made, parts, leases)
    return made
