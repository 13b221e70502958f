"""MetricSpec: every metric of the server, its name, kind and meaning, in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...speculation.draft import SOURCES

MetricKind = Literal["counter", "gauge", "histogram"]
MetricGroup = Literal["queue", "tokens", "latency", "cache", "speculation", "constraints", "outcomes"]

SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LONG_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric. The name of a counter is without its `_total`, which Prometheus clients add.

    `stats_key`: the engine's own number that it shows, times `scale`; None: the server counts it itself. Where there is
    a label, each of its values has a number of its own, `{stats_key}_{value}`.
    """

    name: str
    kind: MetricKind
    group: MetricGroup
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    stats_key: str | None = None
    scale: float = 1.0

    @property
    def sample_names(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.kind == "counter":
            return (f"{self.name}_total",)
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def _engine(name: str, kind: MetricKind, group: MetricGroup, key: str, text: str, scale: float = 1.0) -> MetricSpec:
    return MetricSpec(f"palmette_{name}", kind, group, text, stats_key=key, scale=scale)


def _by_source(name: str, text: str) -> MetricSpec:
    return MetricSpec(f"palmette_source_{name}", "counter", "speculation", text, ("source",), stats_key=f"num_{name}")


ENGINE_METRICS: tuple[MetricSpec, ...] = (
    _engine("queued_requests", "gauge", "queue", "num_queued_requests", "Requests that wait and have not begun."),
    _engine("queued_tokens", "gauge", "queue", "num_queued_tokens", "Tokens of the requests that wait."),
    _engine("running_rows", "gauge", "queue", "num_running_rows", "Rows that the engine computes in each pass."),
    _engine("engine_steps", "counter", "queue", "num_steps", "Forward passes."),
    _engine(
        "passes_ahead",
        "counter",
        "queue",
        "num_passes_ahead",
        "Forward passes launched before the last tokens were read.",
    ),
    _engine("preemptions", "counter", "queue", "num_preemptions", "Rows put back because memory was short."),
    _engine(
        "preempted_tokens", "counter", "queue", "num_preempted_tokens", "Computed tokens that preempted rows gave up."
    ),
    _engine("refused_requests", "counter", "queue", "num_refused_requests", "Requests that a full queue kept out."),
    _engine("expired_requests", "counter", "queue", "num_expired_requests", "Requests that ran out of their time."),
    _engine("computed_tokens", "counter", "tokens", "num_computed_tokens", "Tokens that went through the model."),
    _engine("kv_pages", "gauge", "cache", "num_pages", "Pages of the KV pool."),
    _engine("kv_free_pages", "gauge", "cache", "num_free_pages", "Pages of the KV pool that nobody holds."),
    _engine("cached_tokens", "gauge", "cache", "num_cached_tokens", "Tokens in the radix tree."),
    _engine("evicted_tokens", "counter", "cache", "num_evicted_tokens", "Cached tokens given up for others."),
    _engine("verifications", "counter", "speculation", "num_verifications", "Times a pass checked guesses at a text."),
    _engine("verified_tokens", "counter", "speculation", "num_verified_tokens", "Tokens that came of these checks."),
    _engine("drafted_tokens", "counter", "speculation", "num_drafted_tokens", "Guesses that were checked."),
    _engine("accepted_tokens", "counter", "speculation", "num_accepted_tokens", "Of these: those that were right."),
    _by_source("drafted_tokens", "Guesses that were checked, by who made them; one by several counts for each."),
    _by_source("accepted_tokens", "Of these: those that were right."),
    _engine("rollbacks", "counter", "constraints", "num_rollbacks", "Times a generation left a dead end."),
    _engine("tokens_taken_back", "counter", "constraints", "num_tokens_taken_back", "Tokens given up at dead ends."),
    _engine("masks", "counter", "constraints", "num_masks", "Masks of allowed tokens that were filled."),
    _engine(
        "mask_fill_seconds", "counter", "constraints", "mask_fill_us", "Seconds that filling masks took.", scale=1e-6
    ),
    _engine(
        "mask_wait_seconds",
        "counter",
        "constraints",
        "mask_wait_us",
        "Seconds that the engine waited for masks after a pass.",
        scale=1e-6,
    ),
    _engine("grammar_compiles", "counter", "constraints", "num_grammar_compiles", "Constraints compiled, well or not."),
    _engine("grammar_hits", "counter", "constraints", "num_grammar_hits", "Look-ups of compiled constraints."),
    _engine(
        "grammar_timeouts",
        "counter",
        "constraints",
        "num_grammar_timeouts",
        "Constraints that took too long.",
    ),
    _engine(
        "grammar_compile_seconds",
        "counter",
        "constraints",
        "grammar_compile_us",
        "Seconds that compiling constraints took.",
        scale=1e-6,
    ),
)
"""Read from the engine's counters at each scrape."""

KV_USE = MetricSpec(
    "palmette_kv_use_ratio",
    "gauge",
    "cache",
    "Share of the KV pool's pages that hold text, 0 to 1.",
)
SPEC_ACCEPT_LENGTH = MetricSpec(
    "palmette_spec_accept_length",
    "gauge",
    "speculation",
    "Tokens that came of a check of guesses, the mean since the start; 0 before the first.",
)
ENGINE_UP = MetricSpec("palmette_engine_up", "gauge", "outcomes", "1 while the engine answers, else 0.")

ENGINE_RESTARTS = MetricSpec(
    "palmette_engine_restarts",
    "counter",
    "outcomes",
    "Times the engine's process was started again, or tried to be, since it had ended or hung.",
)
HTTP_RESPONSES = MetricSpec(
    "palmette_http_responses",
    "counter",
    "outcomes",
    "Replies that were begun; a stream counts with its first byte.",
    ("route", "status"),
)

OPEN_BRANCHES = MetricSpec("palmette_open_branches", "gauge", "queue", "Branches that the server holds open.")
OPERATIONS_RUNNING = MetricSpec(
    "palmette_running_requests", "gauge", "queue", "Requests at work or waiting, as the server counts them."
)
PROMPT_TOKENS = MetricSpec("palmette_prompt_tokens", "counter", "tokens", "Tokens that generations went on from.")
PREFIX_HIT_TOKENS = MetricSpec(
    "palmette_prefix_hit_tokens", "counter", "cache", "Of the prompt tokens: those that were computed already."
)
GENERATED_TOKENS = MetricSpec("palmette_generated_tokens", "counter", "tokens", "Tokens that the model wrote.")
FORCED_TOKENS = MetricSpec(
    "palmette_forced_tokens", "counter", "constraints", "Of the generated: the only ones their constraint allowed."
)
GENERATIONS = MetricSpec(
    "palmette_generations", "counter", "outcomes", "Finished samples by their finish reason.", ("finish_reason",)
)
ABORTS = MetricSpec(
    "palmette_aborts", "counter", "outcomes", "Requests that ended otherwise than by finishing, by reason.", ("reason",)
)
TOOL_CALLS = MetricSpec(
    "palmette_tool_calls",
    "counter",
    "outcomes",
    "Turns with tools: calls that were whole, turns cut inside a call, calls that could not be read.",
    ("validity",),
)
QUEUE_SECONDS = MetricSpec(
    "palmette_queue_seconds", "histogram", "latency", "From an operation's turn to its first pass.", buckets=LONG_S
)
FIRST_TOKEN_SECONDS = MetricSpec(
    "palmette_time_to_first_token_seconds",
    "histogram",
    "latency",
    "From the arrival of a request to its first token.",
    buckets=LONG_S,
)
INTER_TOKEN_SECONDS = MetricSpec(
    "palmette_inter_token_seconds",
    "histogram",
    "latency",
    "Between tokens of one stream; tokens that come together share the time since the last.",
    buckets=SHORT_S,
)
REQUEST_SECONDS = MetricSpec(
    "palmette_request_seconds", "histogram", "latency", "From the arrival of a request to its end.", buckets=LONG_S
)

SERVER_METRICS: tuple[MetricSpec, ...] = (
    ENGINE_UP,
    ENGINE_RESTARTS,
    HTTP_RESPONSES,
    OPEN_BRANCHES,
    OPERATIONS_RUNNING,
    PROMPT_TOKENS,
    GENERATED_TOKENS,
    QUEUE_SECONDS,
    FIRST_TOKEN_SECONDS,
    INTER_TOKEN_SECONDS,
    REQUEST_SECONDS,
    KV_USE,
    SPEC_ACCEPT_LENGTH,
    PREFIX_HIT_TOKENS,
    FORCED_TOKENS,
    TOOL_CALLS,
    GENERATIONS,
    ABORTS,
)

METRICS: tuple[MetricSpec, ...] = (*ENGINE_METRICS, *SERVER_METRICS)

LABEL_VALUES: Mapping[str, Sequence[str]] = {
    "finish_reason": ("stop", "length"),
    "reason": (
        "client_gone",
        "cancelled",
        "deadline",
        "queue_full",
        "invalid_request",
        "invalid_constraint",
        "dead_end",
        "engine_closed",
        "step_failed",
        "other",
    ),
    "source": SOURCES,
    "validity": ("valid", "cut", "malformed"),
}
"""All values of a label: each is there, with 0, from the start, so that a rate has no gap."""

OPEN_LABELS: Mapping[str, str] = {
    "route": "the path as it is documented, its ids as names (`unmatched`: there is none)",
    "status": "the HTTP status (499: the client had gone)",
}
"""What the values of the other labels are; each is there from when it first comes."""
