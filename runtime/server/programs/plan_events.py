"""plan_events: a whole plan as the events of its branches, for a request that keeps none of them."""

from collections.abc import AsyncGenerator

from ....lang.events import BranchEnded, Event
from ....lang.plan import Plan
from ....lang.terms import Terms
from ..parts import ServerParts


async def plan_events(
    parts: ServerParts,
    plan: Plan,
    *,
    seed: int | None = None,
    cache_salt: str = "",
    terms: Terms,
    is_streaming: bool = False,
) -> AsyncGenerator[tuple[int, Event], None]:
    """(index of the branch, what happened), to be read under `aclosing`.

    `is_streaming`: text as it comes; else that of an operation in one piece.

    The branches are closed when this ends. Raises what stopped the first branch that did not come to its end.
    """
    run = parts.backend.run_plan(plan, {}, seed=seed, cache_salt=cache_salt, terms=terms, is_streaming=is_streaming)
    events = run.events()
    try:
        async for index, event in events:
            if not isinstance(event, BranchEnded):
                yield index, event
            elif event.error is not None:
                raise event.error
    finally:
        aclose = getattr(events, "aclose", None)
        if aclose is not None:
            await aclose()
        for branch in list(run.branches.values()):
            await branch.close()
