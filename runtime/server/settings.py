"""ServerSettings: what `palmette serve` can be told, as small frozen groups; every flag is a field of one of them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BindSettings:
    """Where the server listens, and who may call it from a browser."""

    host: str = "127.0.0.1"
    port: int = 30_000
    root_path: str = ""
    """The path a proxy in front of the server takes off."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may read replies; none: CORS is off."""


@dataclass(frozen=True)
class KeySettings:
    """Who may use the server. Without any key everybody who reaches it may."""

    api_keys: tuple[str, ...] = ()
    admin_keys: tuple[str, ...] = ()
    """Open what changes the server for all; each opens all the rest, too."""
    max_concurrent_per_key: int | None = None
    """Requests of one key at the same time; None: no limit. Without keys, all requests count as one key's."""


@dataclass(frozen=True)
class LimitSettings:
    """What a request may hold; checked before anything is made of it."""

    max_body_bytes: int = 8 * 1024 * 1024
    max_headers: int = 100
    max_header_bytes: int = 32 * 1024
    max_nesting: int = 64
    """Levels of arrays and objects in free JSON: schemas, arguments."""
    max_messages: int = 4_096
    max_prompts: int = 256
    """Prompts in one request to `/v1/completions` or `/generate`, questions in one to `/v1/decisions`."""
    max_samples: int = 64
    """Samples in one request: `n`, times the prompts."""
    max_stops: int = 32
    max_stop_len: int = 1_024
    """Characters of a stop string."""
    max_tools: int = 128
    max_schema_bytes: int = 512 * 1024
    """Of one schema or grammar, and of all tools of a request together."""
    max_logprobs: int = 20
    """Alternatives reported for each token."""
    max_logit_bias: int = 1_024


@dataclass(frozen=True)
class StreamSettings:
    """How replies are streamed."""

    heartbeat_s: float = 15.0
    """A comment is sent where nothing else was for so long, so that proxies keep the connection."""


@dataclass(frozen=True)
class ProcessSettings:
    """How the engine's process is kept, and how the server ends."""

    is_in_process: bool = False
    """Keep the engine in the server's own process, for debugging."""
    heartbeat_s: float = 1.0
    """Between two signs of life of the engine's process."""
    heartbeat_limit_s: float = 4.0
    """Without one for so long the engine counts as hung."""
    drain_s: float = 30.0
    """After SIGTERM, requests in flight have so long to end."""


@dataclass(frozen=True)
class DefaultSettings:
    """What holds where a request does not say."""

    max_completion_tokens: int | None = None
    """None: what is left of the model's context."""
    queue_timeout_s: float | None = None
    timeout_s: float | None = None


@dataclass(frozen=True)
class ProgramSettings:
    """What clients may keep on the server between two requests; all of it of one key."""

    max_programs: int = 256
    """Registered programs."""
    max_plan_branches: int = 1_024
    """Branches of one program."""
    max_live_branches: int = 4_096
    """Branches that stay open for a client that goes on with them; see `lang.remote`."""
    branch_lease_s: float = 600.0
    """One that nothing was asked of for so long is closed."""


@dataclass(frozen=True)
class StoreLimits:
    """How much is kept of `/v1/responses`, and for how long; what exceeds it goes, the least recently used first."""

    max_responses: int = 4_096
    max_bytes: int = 256 * 1024 * 1024
    """Of conversations and events, as JSON."""
    ttl_s: float = 24 * 3600.0
    """Counted from the last use."""
    max_background: int = 64
    """Responses that run in the background at the same time; these are not forgotten before they have ended."""


@dataclass(frozen=True)
class ObservingSettings:
    """What is told of the server's work, besides its metrics."""

    is_traced: bool = False
    """Make OpenTelemetry spans."""
    log_level: str = "warning"
    has_access_log: bool = False


@dataclass(frozen=True)
class ServerSettings:
    """All of it."""

    bind: BindSettings = field(default_factory=BindSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    stream: StreamSettings = field(default_factory=StreamSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)
    defaults: DefaultSettings = field(default_factory=DefaultSettings)
    programs: ProgramSettings = field(default_factory=ProgramSettings)
    responses: StoreLimits = field(default_factory=StoreLimits)
    observing: ObservingSettings = field(default_factory=ObservingSettings)
