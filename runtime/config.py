"""EngineConfig: what an engine is made with, as small frozen records; each component takes its own."""

import difflib
from dataclasses import dataclass, field
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Literal, TypeVar, get_args

from ..kernels.attention_backends.backend_name import BACKEND_NAMES, BackendName
from ..kernels.quantization import Quantization
from .cache.eviction_policy import EvictionPolicyName
from .errors import InvalidOption
from .speculation.draft import SOURCES, Source

PolicyName = Literal["fair-lpm", "fcfs", "lpm", "dfs", "priority"]
"""The orders in which waiting rows are let in; `scheduling/policy_choice.py` says which is which."""


KVCacheDtype = Literal["auto", "fp8_e4m3"]
"""`auto`: that of the weights; `fp8_e4m3`: half of bfloat16's memory, which changes answers."""


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it is held."""

    path: Path | None = None
    """A Hugging Face folder; None: sprig, the embedded model."""
    dtype: str = "auto"
    """`auto`: float32 on a CPU, the checkpoint's own type on CUDA; or a torch type's name."""
    device: str = "auto"
    """`auto`: CUDA if there is one, else the CPU."""
    context_len: int | None = None
    """Longest text in tokens; None: what the model was made for."""
    quantization: Quantization | None = None
    """What the weights of linear layers are rounded to when they are loaded; None: they are not."""
    attention_backend: BackendName | None = None
    """Who attends; None: chosen by device, dtype, heads and rows."""
    has_cuda_graphs: bool = True
    """Whether small passes are recorded and launched as CUDA graphs; it means nothing on a CPU."""
    is_deterministic: bool = False
    """Whether the bits of a text's log-probabilities must depend on that text alone; refused where nothing promises."""


@dataclass(frozen=True)
class CacheOptions:
    """How much KV memory there is, and how it is shared."""

    page_size: int = 16
    """Tokens in a page."""
    num_tokens: int | None = None
    """Tokens the pool holds, in whole pages: what is left over of it is not used. None: chosen from the memory at
    hand."""
    is_caching: bool = True
    """Whether prefixes are kept and shared in the radix cache."""
    eviction_policy: EvictionPolicyName = "lru"
    """Which cached text is given up first when memory is short."""
    dtype: KVCacheDtype = "auto"
    """What keys and values are kept as."""


@dataclass(frozen=True)
class SchedulerOptions:
    """How many rows and tokens go into one step."""

    token_budget: int = 2048
    """Tokens computed in one pass, at most; longer prompts are computed in chunks."""
    max_running_rows: int = 256
    policy: PolicyName = "fair-lpm"
    oldest_every: int = 8
    """k of the policy `fair-lpm`: one row in so many is the oldest, whatever is cached of it."""
    quantum: int = 2048
    """Of `fair-lpm`: tokens a tenant may have computed before other tenants that wait have had as many."""
    max_queued_requests: int | None = None
    """Requests that may wait without having begun; one more is refused. None: any number."""
    max_queued_tokens: int | None = None
    """Tokens that such requests may have in all; a request that waits alone may have more. None: any number."""
    overlaps: bool = True
    """Whether a pass may be launched before the tokens that it computes are read; it means nothing on a CPU."""


@dataclass(frozen=True)
class RollbackBudget:
    """How much one sample may take back where its constraint leads to dead ends; past it the request fails."""

    max_rollbacks: int = 64
    """Times it may go back to an earlier choice."""
    max_tokens: int = 512
    """Tokens that it may take back in all."""


DEFAULT_ROLLBACK_BUDGET = RollbackBudget()


@dataclass(frozen=True)
class ConstraintOptions:
    """How constraints are enforced while the model writes."""

    rollback: RollbackBudget = DEFAULT_ROLLBACK_BUDGET
    num_mask_threads: int = 1
    """Threads that find out what may come next while the model computes; 0: the engine's own does, after that."""
    is_output_validated: bool = False
    """Whether each finished text is checked against its constraint once more, on the engine's thread."""
    num_compile_workers: int = 2
    """Processes that compile constraints, started when the first one comes; 0: the thread that asks does, unbounded."""
    compile_time_limit_s: float = 10.0
    compile_memory_limit_mb: int = 2048
    """What one constraint may take; both hold only in a compile worker."""
    grammar_cache_mb: int = 256
    """Compiled constraints that are kept for the next request."""


@dataclass(frozen=True)
class SpeculationOptions:
    """Whether what comes next is guessed, and checked several tokens at a time. No answer depends on it."""

    sources: tuple[Source, ...] = SOURCES
    """Who guesses; () for nobody."""
    num_stored_tokens: int = 1_000_000
    """Tokens of texts that are kept to guess from, after their KV cells are gone."""
    draft_model: Path | None = None
    """A smaller model with the same tokenizer, for the source `model`: a Hugging Face folder, or `bud` for the embedded
    one; None: there is none, nor is that source."""
    num_draft_cells: int = 65_536
    """Tokens that the pool of the draft model holds, at most."""


@dataclass(frozen=True)
class EngineConfig:
    """All options of an engine."""

    model: ModelOptions = field(default_factory=ModelOptions)
    cache: CacheOptions = field(default_factory=CacheOptions)
    scheduler: SchedulerOptions = field(default_factory=SchedulerOptions)
    constraints: ConstraintOptions = field(default_factory=ConstraintOptions)
    speculation: SpeculationOptions = field(default_factory=SpeculationOptions)
    random_seed: int | None = None
    """Branches without a seed draw theirs from this; None: from the operating system."""

    @classmethod
    def from_options(
        cls,
        model_path: str | Path | None = None,
        *,
        dtype: str = "auto",
        device: str = "auto",
        context_length: int | None = None,
        quantization: str | None = None,
        attention_backend: str = "auto",
        cuda_graphs: bool = ModelOptions.has_cuda_graphs,
        deterministic: bool = ModelOptions.is_deterministic,
        page_size: int = CacheOptions.page_size,
        max_total_tokens: int | None = None,
        disable_radix_cache: bool = False,
        radix_eviction_policy: str = CacheOptions.eviction_policy,
        kv_cache_dtype: str = CacheOptions.dtype,
        chunked_prefill_size: int = SchedulerOptions.token_budget,
        max_running_requests: int = SchedulerOptions.max_running_rows,
        schedule_policy: str = SchedulerOptions.policy,
        max_queued_requests: int | None = None,
        max_queued_tokens: int | None = None,
        overlap_schedule: bool = SchedulerOptions.overlaps,
        max_rollbacks: int = RollbackBudget.max_rollbacks,
        max_tokens_taken_back: int = RollbackBudget.max_tokens,
        num_mask_threads: int = ConstraintOptions.num_mask_threads,
        validate_output: bool = ConstraintOptions.is_output_validated,
        num_compile_workers: int = ConstraintOptions.num_compile_workers,
        compile_timeout_s: float = ConstraintOptions.compile_time_limit_s,
        compile_memory_mb: int = ConstraintOptions.compile_memory_limit_mb,
        grammar_cache_mb: int = ConstraintOptions.grammar_cache_mb,
        speculation: str = "auto",
        draft_model: str | Path | None = None,
        random_seed: int | None = None,
        **unknown: object,
    ) -> "EngineConfig":
        """Options by the names SGLang gives them.

        `max_total_tokens` is rounded down to whole pages. `speculation`: "auto", "off", or the sources to guess from,
        with commas between them. `draft_model`: a folder, or "bud"; with it "auto" has the source `model`, too.
        `attention_backend`: "auto", or who is to attend. Raises: InvalidOption for an unknown name or a value out of
        range.
        """
        if unknown:
            name = next(iter(unknown))
            raise InvalidOption(_unknown_message(name))
        at_least_one = {
            "page_size": page_size,
            "chunked_prefill_size": chunked_prefill_size,
            "max_running_requests": max_running_requests,
            "max_total_tokens": max_total_tokens,
            "context_length": context_length,
            "max_queued_requests": max_queued_requests,
            "max_queued_tokens": max_queued_tokens,
            "compile_memory_mb": compile_memory_mb,
            "grammar_cache_mb": grammar_cache_mb,
        }
        for name, value in at_least_one.items():
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InvalidOption(f"{name}: expected an integer >= 1, got {value!r}")
        at_least_none = {
            "max_rollbacks": max_rollbacks,
            "max_tokens_taken_back": max_tokens_taken_back,
            "num_mask_threads": num_mask_threads,
            "num_compile_workers": num_compile_workers,
        }
        for name, value in at_least_none.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise InvalidOption(f"{name}: expected an integer >= 0, got {value!r}")
        if (
            isinstance(compile_timeout_s, bool)
            or not isinstance(compile_timeout_s, int | float)
            or compile_timeout_s <= 0
        ):
            raise InvalidOption(f"compile_timeout_s: expected seconds above 0, got {compile_timeout_s!r}")
        if max_total_tokens is not None and max_total_tokens < page_size:
            raise InvalidOption(
                f"max_total_tokens: expected at least one page of page_size={page_size} tokens, got {max_total_tokens}"
            )
        if model_path is not None and not isinstance(model_path, str | PathLike):
            raise InvalidOption(f"model_path: expected a folder as a string or a Path, got {model_path!r}")
        for name, text in {"dtype": dtype, "device": device}.items():
            if not isinstance(text, str):
                raise InvalidOption(f"{name}: expected a string, got {text!r}")
        flags = {
            "cuda_graphs": cuda_graphs,
            "deterministic": deterministic,
            "disable_radix_cache": disable_radix_cache,
            "overlap_schedule": overlap_schedule,
            "validate_output": validate_output,
        }
        for name, flag in flags.items():
            if not isinstance(flag, bool):
                raise InvalidOption(f"{name}: expected True or False, got {flag!r}")
        is_int = isinstance(random_seed, int) and not isinstance(random_seed, bool)
        if random_seed is not None and not (is_int and 0 <= random_seed < 2**64):
            raise InvalidOption(f"random_seed: expected an integer in [0, 2**64), got {random_seed!r}")
        return cls(
            model=ModelOptions(
                Path(model_path) if model_path is not None else None,
                dtype,
                device,
                context_length,
                None if quantization is None else _one_of("quantization", quantization, _QUANTIZATIONS),
                _attention_backend(attention_backend),
                cuda_graphs,
                deterministic,
            ),
            cache=CacheOptions(
                page_size,
                max_total_tokens,
                not disable_radix_cache,
                _one_of("radix_eviction_policy", radix_eviction_policy, _EVICTION_POLICIES),
                _one_of("kv_cache_dtype", kv_cache_dtype, _KV_CACHE_DTYPES),
            ),
            scheduler=SchedulerOptions(
                chunked_prefill_size,
                max_running_requests,
                _one_of("schedule_policy", schedule_policy, _POLICIES),
                max_queued_requests=max_queued_requests,
                max_queued_tokens=max_queued_tokens,
                overlaps=overlap_schedule,
            ),
            constraints=ConstraintOptions(
                RollbackBudget(max_rollbacks, max_tokens_taken_back),
                num_mask_threads,
                validate_output,
                num_compile_workers,
                compile_timeout_s,
                compile_memory_mb,
                grammar_cache_mb,
            ),
            speculation=_speculation(speculation, draft_model),
            random_seed=random_seed,
        )


_OPTION_NAMES = tuple(name for name in signature(EngineConfig.from_options).parameters if name != "unknown")

_POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)
_QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
_KV_CACHE_DTYPES: tuple[KVCacheDtype, ...] = get_args(KVCacheDtype)
_EVICTION_POLICIES: tuple[EvictionPolicyName, ...] = get_args(EvictionPolicyName)

_Name = TypeVar("_Name", bound=str)


def _speculation(speculation: str, draft_model: str | Path | None) -> SpeculationOptions:
    if not (draft_model is None or isinstance(draft_model, str | PathLike)) or draft_model == "":
        raise InvalidOption(f"draft_model: expected a folder as a string or a Path, or 'bud', got {draft_model!r}")
    sources = _sources(speculation, has_model=draft_model is not None)
    if draft_model is None and "model" in sources:
        raise InvalidOption("speculation: the source 'model' wants a draft_model, got none; name a folder, or 'bud'")
    if draft_model is not None and "model" not in sources:
        raise InvalidOption(
            f"draft_model: got {str(draft_model)!r}, but speculation={speculation!r} does not use it; say 'auto', or "
            "name 'model' among the sources"
        )
    return SpeculationOptions(sources, draft_model=None if draft_model is None else Path(draft_model))


def _sources(speculation: str, *, has_model: bool) -> tuple[Source, ...]:
    if speculation == "auto":
        return tuple(source for source in SOURCES if has_model or source != "model")
    if speculation == "off":
        return ()
    names = [name.strip() for name in speculation.split(",")] if isinstance(speculation, str) else []
    if not names or not set(names) <= set(SOURCES):
        expected = f"'auto', 'off', or some of {', '.join(SOURCES)}, with commas between them"
        raise InvalidOption(f"speculation: expected {expected}, got {speculation!r}")
    return tuple(source for source in SOURCES if source in names)


def _attention_backend(name: str) -> BackendName | None:
    chosen: Literal["auto"] | BackendName = _one_of("attention_backend", name, ("auto", *BACKEND_NAMES))
    return None if chosen == "auto" else chosen


def _one_of(option: str, given: object, names: tuple[_Name, ...]) -> _Name:
    """The name that was given, checked."""
    for name in names:
        if name == given:
            return name
    raise InvalidOption(f"{option}: expected one of {names}, got {given!r}")


def _unknown_message(name: str) -> str:
    near = difflib.get_close_matches(name, _OPTION_NAMES, n=1, cutoff=0.8)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown option {name!r}; {hint}the options are {', '.join(_OPTION_NAMES)}"
