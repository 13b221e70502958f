"""Knobs: how a simulated engine is made and what its requests ask for; all settings stand in tables."""

from dataclasses import asdict, dataclass
from typing import get_args

from chooser import Chooser

from palmette.runtime.cache.eviction_policy import EvictionPolicyName
from palmette.runtime.config import PolicyName, SchedulerOptions
from palmette.runtime.ticket import Terms


@dataclass(frozen=True)
class Knobs:
    """One engine, and what is to go wrong with it."""

    page_size: int
    pool_len: int
    """Tokens that the pool is to hold; from starved to ample."""
    token_budget: int
    max_running_rows: int
    policy: PolicyName
    oldest_every: int
    quantum: int
    max_queued_requests: int | None
    max_queued_tokens: int | None
    is_caching: bool
    eviction_policy: EvictionPolicyName
    context_len: int
    has_faults: bool
    matcher_fuse: int
    """Tokens after which the matchers of faulty constraints fail, where there are faults."""
    has_deadlines: bool
    """Whether requests have them."""
    calm: int
    """Steps there are between arrivals, more or less."""
    has_guesses: bool
    """Whether what rows will write is guessed."""
    overlaps: bool
    """Whether passes are launched ahead of the tokens that they compute."""

    @property
    def num_pages(self) -> int:
        """Pages of the pool."""
        return -(-self.pool_len // self.page_size)

    @property
    def scheduler_options(self) -> SchedulerOptions:
        """What the scheduler takes."""
        return SchedulerOptions(
            self.token_budget,
            self.max_running_rows,
            self.policy,
            self.oldest_every,
            self.quantum,
            self.max_queued_requests,
            self.max_queued_tokens,
        )

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items())


# The first setting of each is the plainest: Hypothesis shrinks towards it.
ENGINES: dict[str, tuple[object, ...]] = {
    "page_size": (4, 1, 16),
    "pool_len": (640, 256, 128, 96, 80, 64, 48, 24),
    "token_budget": (64, 256, 32, 16, 7, 3, 2, 1),
    "max_running_rows": (16, 64, 6, 3, 1),
    "policy": get_args(PolicyName),
    "oldest_every": (8, 2, 1),
    "quantum": (2048, 64, 1),
    "max_queued_requests": (*[None] * 8, 5, 1),
    "max_queued_tokens": (*[None] * 9, 90),
    "is_caching": (True, True, True, True, False),
    "eviction_policy": get_args(EvictionPolicyName),
    "context_len": (1024, 1024, 1024, 40),
    "has_faults": (False, False, True),
    "matcher_fuse": (0, 1, 2, 3),
    "has_deadlines": (False, False, False, True),
    "calm": (14, 6, 3),
    "has_guesses": (False, True),
    "overlaps": (False, True),
}
CROWDED: dict[str, tuple[object, ...]] = {
    "pool_len": (128, 112, 96, 80, 64, 48),
    "token_budget": (64, 256, 32, 16),
    "max_running_rows": (16, 64),
    "max_queued_requests": (None,),
    "max_queued_tokens": (None,),
    "calm": (6, 3),
}
"""Many rows at once on too little memory, where rows are preempted."""
TERMS: dict[str, tuple[object, ...]] = {"priority": (0, 0, 0, 1, 7, -1), "tenant": ("", "", "red", "blue")}
DEADLINES: dict[str, tuple[object, ...]] = {
    "queue_timeout_s": (None, None, 0.002, 0.02),
    "timeout_s": (None, None, 0.005, 0.05, 1.0),
}
NAMESPACES = ("", "", "", "blue")


def draw_knobs(chooser: Chooser) -> Knobs:
    """One setting of each."""
    table = ENGINES | CROWDED if chooser.chance(50) else ENGINES
    return Knobs(**_drawn(table, chooser))  # type: ignore[arg-type] # the table has the types


def draw_terms(knobs: Knobs, chooser: Chooser) -> Terms:
    """The terms of a request."""
    table = TERMS | DEADLINES if knobs.has_deadlines else TERMS
    return Terms(**_drawn(table, chooser))  # type: ignore[arg-type] # as above


def _drawn(table: dict[str, tuple[object, ...]], chooser: Chooser) -> dict[str, object]:
    return {name: chooser.pick(settings) for name, settings in table.items()}
