"""All options of `palmette serve`, in one table."""

from typing import get_args

from ...kernels.attention_backends.backend_name import BACKEND_NAMES
from ...kernels.quantization import Quantization
from ..cache.eviction_policy import EvictionPolicyName
from ..config import KVCacheDtype, PolicyName
from .flag import Flag

_POLICIES: tuple[str, ...] = get_args(PolicyName)
_EVICTIONS: tuple[str, ...] = get_args(EvictionPolicyName)
_QUANTIZATIONS: tuple[str, ...] = get_args(Quantization)
_KV_CACHE_DTYPES: tuple[str, ...] = get_args(KVCacheDtype)
_DTYPES = ("auto", "float32", "bfloat16", "float16")
_LEVELS = ("critical", "error", "warning", "info", "debug")

FLAGS: tuple[Flag, ...] = (
    Flag("host", "bind.host", "server", "address to listen on; 0.0.0.0 for all, which wants keys"),
    Flag("port", "bind.port", "server", "port to listen on; 0 takes a free one"),
    Flag("root-path", "bind.root_path", "server", "path that a proxy in front takes off"),
    Flag("cors-origin", "bind.cors_origins", "server", "origin whose pages may read replies"),
    Flag("in-process", "process.is_in_process", "server", "keep the engine in the server's process, for debugging"),
    Flag("drain-seconds", "process.drain_s", "server", "after SIGTERM, time for requests in flight to end", "seconds"),
    Flag("engine-heartbeat-seconds", "process.heartbeat_s", "server", "between signs of life of the engine", "seconds"),
    Flag(
        "engine-silence-seconds",
        "process.heartbeat_limit_s",
        "server",
        "an engine that is silent for so long is started again",
        "seconds",
    ),
    Flag(
        "stream-heartbeat-seconds",
        "stream.heartbeat_s",
        "server",
        "a stream that is silent for so long gets a comment",
        "seconds",
    ),
    Flag(
        "api-key",
        "keys.api_keys",
        "keys",
        "key that may use the server; better given in the environment, where others do not see it",
        is_secret=True,
    ),
    Flag("admin-key", "keys.admin_keys", "keys", "key that may do all, metrics and dashboard too", is_secret=True),
    Flag("max-concurrent-per-key", "keys.max_concurrent_per_key", "keys", "requests of one key at the same time"),
    Flag("model", "model_path", "model", "Hugging Face model folder"),
    Flag("dtype", "dtype", "model", "type of weights and cache", choices=_DTYPES),
    Flag("quantization", "quantization", "model", "what weights are rounded to when loaded", choices=_QUANTIZATIONS),
    Flag("attention-backend", "attention_backend", "model", "who attends", choices=("auto", *BACKEND_NAMES)),
    Flag("device", "device", "model", "auto, cpu, cuda or cuda:n"),
    Flag("cuda-graphs", "cuda_graphs", "model", "on CUDA, record small passes and launch each as one"),
    Flag("deterministic", "deterministic", "model", "bits of a text do not depend on batch, chunks, cache or guesses"),
    Flag("context-length", "context_length", "model", "longest text", "tokens"),
    Flag("random-seed", "random_seed", "model", "requests without a seed draw theirs from this"),
    Flag("page-size", "page_size", "memory", "size of a page of the KV pool", "tokens"),
    Flag("max-total-tokens", "max_total_tokens", "memory", "what the KV pool holds", "tokens"),
    Flag("disable-radix-cache", "disable_radix_cache", "memory", "keep no prefixes"),
    Flag(
        "radix-eviction-policy",
        "radix_eviction_policy",
        "memory",
        "what goes when memory is short",
        choices=_EVICTIONS,
    ),
    Flag("kv-cache-dtype", "kv_cache_dtype", "memory", "what keys and values are kept as", choices=_KV_CACHE_DTYPES),
    Flag("chunked-prefill-size", "chunked_prefill_size", "scheduling", "most that one pass computes", "tokens"),
    Flag("max-running-requests", "max_running_requests", "scheduling", "rows at work at the same time"),
    Flag("schedule-policy", "schedule_policy", "scheduling", "order in which requests are let in", choices=_POLICIES),
    Flag("max-queued-requests", "max_queued_requests", "scheduling", "requests that may wait; more get a 429"),
    Flag("max-queued-tokens", "max_queued_tokens", "scheduling", "tokens of those that may wait", "tokens"),
    Flag(
        "overlap-schedule", "overlap_schedule", "scheduling", "on CUDA, launch a pass before the last tokens are read"
    ),
    Flag("speculation", "speculation", "scheduling", "who guesses what comes next: auto, off, or radix,suffix,..."),
    Flag("draft-model", "draft_model", "scheduling", "smaller model that guesses, too: a folder, or bud"),
    Flag("max-rollbacks", "max_rollbacks", "constraints", "times a sample may go back from a dead end"),
    Flag("max-tokens-taken-back", "max_tokens_taken_back", "constraints", "what it may take back in all", "tokens"),
    Flag("num-mask-threads", "num_mask_threads", "constraints", "threads that fill masks beside the model"),
    Flag("validate-output", "validate_output", "constraints", "check each finished text against its constraint again"),
    Flag("num-compile-workers", "num_compile_workers", "constraints", "processes that compile constraints"),
    Flag("compile-timeout-s", "compile_timeout_s", "constraints", "time one constraint may take", "seconds"),
    Flag("compile-memory-mb", "compile_memory_mb", "constraints", "memory one constraint may take", "MiB"),
    Flag("grammar-cache-mb", "grammar_cache_mb", "constraints", "compiled constraints that are kept", "MiB"),
    Flag("max-body-bytes", "limits.max_body_bytes", "limits", "longest body of a request", "bytes"),
    Flag("max-headers", "limits.max_headers", "limits", "headers of a request"),
    Flag("max-header-bytes", "limits.max_header_bytes", "limits", "all headers together", "bytes"),
    Flag("max-nesting", "limits.max_nesting", "limits", "levels of arrays and objects in a schema"),
    Flag("max-messages", "limits.max_messages", "limits", "messages of a chat"),
    Flag("max-prompts", "limits.max_prompts", "limits", "prompts in one request"),
    Flag("max-samples", "limits.max_samples", "limits", "samples in one request: n times its prompts"),
    Flag("max-stops", "limits.max_stops", "limits", "stop strings"),
    Flag("max-stop-len", "limits.max_stop_len", "limits", "length of one", "characters"),
    Flag("max-tools", "limits.max_tools", "limits", "tools of a request"),
    Flag("max-schema-bytes", "limits.max_schema_bytes", "limits", "a schema or grammar, or all tools", "bytes"),
    Flag("max-logprobs", "limits.max_logprobs", "limits", "alternatives reported for a token"),
    Flag("max-logit-bias", "limits.max_logit_bias", "limits", "tokens with a bias of their own"),
    Flag("max-programs", "programs.max_programs", "limits", "programs that are registered at the same time"),
    Flag("max-plan-branches", "programs.max_plan_branches", "limits", "branches of one program"),
    Flag("max-live-branches", "programs.max_live_branches", "limits", "branches that clients hold open"),
    Flag("branch-lease-seconds", "programs.branch_lease_s", "limits", "an idle one is closed after", "seconds"),
    Flag("max-stored-responses", "responses.max_responses", "limits", "responses that are kept to be asked for again"),
    Flag("max-stored-bytes", "responses.max_bytes", "limits", "all that is kept of them", "bytes"),
    Flag("stored-response-seconds", "responses.ttl_s", "limits", "one that is not used is forgotten after", "seconds"),
    Flag("max-background-responses", "responses.max_background", "limits", "responses at work in the background"),
    Flag(
        "default-max-completion-tokens",
        "defaults.max_completion_tokens",
        "requests",
        "where a request does not say; else what is left of the context",
        "tokens",
    ),
    Flag(
        "default-queue-timeout-seconds",
        "defaults.queue_timeout_s",
        "requests",
        "a request that has not begun by then fails",
        "seconds",
    ),
    Flag("default-timeout-seconds", "defaults.timeout_s", "requests", "one that has not ended then fails", "seconds"),
    Flag("trace", "observing.is_traced", "observing", "OpenTelemetry spans, by the OTEL_* variables (extra: tracing)"),
    Flag("log-level", "observing.log_level", "observing", "what is written to standard error", choices=_LEVELS),
    Flag("access-log", "observing.has_access_log", "observing", "a line for each request"),
)
