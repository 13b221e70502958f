"""Assembly: makes the parts of an engine from its configuration and puts them together."""

import itertools
import os
import secrets
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ..grammar.compiler import GrammarCompiler
from ..grammar.compiling.compile_service import CompileService
from ..grammar.vocabulary import Vocabulary
from ..kernels.attention import Attention, choose_attention
from ..kernels.attention_backends.attention_case import AttentionCase
from ..kernels.attention_backends.choice import BackendCannotServe
from ..kernels.linear import ProductsDependOnRows
from ..kernels.philox import branch_path
from .cache.kv_pool import KVLayout, KVPool
from .cache.radix_cache import RadixCache
from .config import CacheOptions, ConstraintOptions, EngineConfig, ModelOptions, SpeculationOptions
from .engine import EngineCore
from .errors import InvalidOption
from .memory import Memory
from .model_runner import ModelRunner
from .models.batch import Model
from .models.decoder import Decoder
from .models.loader import LoadedModel, load_model
from .models.model_config import ModelConfig
from .operations.starter import Starter, TextLimits
from .sampler import Sampler
from .speculation.count_drafts import CountDrafts
from .speculation.draft import Source
from .speculation.draft_head import DraftHead
from .speculation.draft_model import DraftModel, check_same_tokenizer
from .speculation.drafter import Drafter
from .speculation.forced_drafts import ForcedDrafts
from .speculation.model_drafts import ModelDrafts
from .speculation.pass_timing import measure_step_cost
from .speculation.prediction_drafts import PredictionDrafts
from .speculation.radix_drafts import RadixDrafts
from .speculation.segment_feed import SegmentFeed
from .speculation.segment_store import SegmentStore
from .speculation.speculator import Speculator
from .speculation.suffix_drafts import SuffixDrafts
from .step_graphs.buckets import MAX_QUERY_LEN, Buckets
from .step_graphs.cuda_graph_recorder import CudaGraphRecorder
from .step_graphs.graph_recorder import GraphRecorder
from .step_graphs.step_graphs import StepGraphs
from .text.chat_template import ChatTemplate
from .text.tokenizer import Tokenizer

SPRIG = Path(__file__).parent / "models" / "sprig"
"""The embedded model."""

_BUD = Path(__file__).parent / "models" / "bud"
"""Its draft model."""

_MAX_DEFAULT_TOKENS = 262_144
_CPU_SHARE = 0.2
_CUDA_SHARE = 0.85
_FIRST_FP8_CAPABILITY = (8, 9)


@dataclass(frozen=True)
class EngineParts:
    """An engine, ready to run, and what its faces need of it."""

    core: EngineCore
    tokenizer: Tokenizer
    chat_template: ChatTemplate | None
    compiler: GrammarCompiler


def assemble(
    config: EngineConfig,
    *,
    recorder: GraphRecorder | None = None,
    draft_head: DraftHead | None = None,
    overlaps: bool | None = None,
) -> EngineParts:
    """Load the model and build an engine around it.

    `recorder`: of passes; None: CUDA graphs on CUDA, if they are wanted, else none. `draft_head`: guesses, too,
    wherever the engine guesses at all. `overlaps`: see `RunAhead`; None: on CUDA, if that is wanted. Raises:
    InvalidOption, ModelLoadError.
    """
    device = _device(config.model)
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():  # where kernels are launched
        return _assemble(config, device, recorder, draft_head, overlaps)


def _assemble(
    config: EngineConfig,
    device: torch.device,
    recorder: GraphRecorder | None,
    draft_head: DraftHead | None,
    overlaps: bool | None,
) -> EngineParts:
    path, dtype = config.model.path or SPRIG, _dtype(config.model, device)
    cell_dtype = _cell_dtype(config.cache, device)
    # Before the weights are read, which takes a while: who cannot attend is refused at once.
    attention = _attention(config, ModelConfig.read(path), dtype, cell_dtype, device)
    loaded = _load(path, config.model, dtype, device, attention)
    draft_model = _draft_model(config, loaded.tokenizer, device)  # before the pool takes what memory is left
    layout = loaded.model.kv_layout(cell_dtype)
    context_len = _context_len(config.model, loaded.config.max_position_embeddings)
    num_pages = _num_pages(config.cache, layout, context_len, device)
    # Graphs hold palmette's own attention, and hand out logits alone: else passes are launched one by one.
    is_own = all(choice.name == "triton" for choice in attention.choices.values()) and draft_head is None
    if recorder is None and device.type == "cuda" and is_own and config.model.has_cuda_graphs:
        recorder = CudaGraphRecorder(device)
    buckets = Buckets(config.scheduler.token_budget, max(context_len + MAX_QUERY_LEN, config.cache.page_size))
    num_scratch = 0 if recorder is None else buckets.max_tokens
    pool = KVPool(layout, num_pages, config.cache.page_size, device, num_scratch)
    model: Model = loaded.model if recorder is None else _recorded(loaded.model, pool, recorder, buckets, config)
    cache = RadixCache(pool, eviction_policy=config.cache.eviction_policy)
    memory = Memory(pool, cache, is_caching=config.cache.is_caching)
    vocab_size = loaded.model.vocab_size
    tokenizer = loaded.tokenizer
    eos_token_ids = frozenset(tokenizer.eos_token_ids)
    padding: tuple[bytes | None, ...] = (None,) * (vocab_size - len(tokenizer.token_bytes))
    compiler = _compiler(Vocabulary(tokenizer.token_bytes + padding, eos_token_ids), config.constraints)
    limits = TextLimits(context_len, num_pages * config.cache.page_size, config.scheduler.token_budget)
    constraints = config.constraints
    starter = Starter(
        tokenizer,
        eos_token_ids,
        vocab_size,
        compiler,
        loaded.chat_template,
        limits,
        constraints.rollback,
        is_output_validated=constraints.is_output_validated,
    )
    core = EngineCore(
        starter,
        ModelRunner(model, pool, attention),
        Sampler(vocab_size),
        memory,
        config.scheduler,
        _seed_source(config.random_seed),
        num_mask_threads=constraints.num_mask_threads,
        speculator=_speculator(
            config.speculation, loaded.model, model, memory, compiler.vocabulary, tokenizer, draft_model, draft_head
        ),
        overlaps=config.scheduler.overlaps and device.type == "cuda" if overlaps is None else overlaps,
    )
    return EngineParts(core, tokenizer, loaded.chat_template, compiler)


def _load(
    path: Path, options: ModelOptions, dtype: torch.dtype | None, device: torch.device, attention: Attention
) -> LoadedModel:
    try:
        return load_model(
            path,
            dtype=dtype,
            device=device,
            quantization=options.quantization,
            attention=attention,
            is_deterministic=options.is_deterministic,
        )
    except ProductsDependOnRows as error:
        raise InvalidOption(f"deterministic: {error}") from error


def _recorded(model: Decoder, pool: KVPool, recorder: GraphRecorder, buckets: Buckets, config: EngineConfig) -> Model:
    """The model with its small passes recorded, the commonest ones at once."""
    graphs = StepGraphs(model, pool, recorder, buckets, is_deterministic=config.model.is_deterministic)
    graphs.record_decoding(config.scheduler.max_running_rows, is_guessing=bool(config.speculation.sources))
    return graphs


def _speculator(
    options: SpeculationOptions,
    model: Decoder,
    runs: Model,
    memory: Memory,
    vocabulary: Vocabulary,
    tokenizer: Tokenizer,
    draft_model: DraftModel | None,
    draft_head: DraftHead | None,
) -> Speculator | None:
    """`runs`: what passes go through, which is the model or its recorded passes."""
    if not options.sources:
        return None
    store = SegmentStore(options.num_stored_tokens)
    tokenize = partial(tokenizer.encode, has_special=False)
    drafters: dict[Source, Drafter] = {
        "forced": ForcedDrafts(vocabulary, tokenize),
        "prediction": PredictionDrafts(tokenize),
        "radix": RadixDrafts(memory.cache),
        "suffix": SuffixDrafts(store),
        "counts": CountDrafts(),
    }
    if "suffix" in options.sources:
        memory.cache.listeners.append(SegmentFeed(store))
    cost = measure_step_cost(runs, memory.pool)
    # As passes are timed: on a CPU what this thread takes itself, whatever else the machine does.
    clock = time.perf_counter if memory.pool.device.type == "cuda" else time.thread_time
    if draft_model is not None:
        drafters["model"] = ModelDrafts(
            draft_model, model.vocab_size, draft_cost=draft_model.measure_cost(), target_cost=cost, clock=clock
        )
    chosen = [drafters[source] for source in options.sources]
    if draft_head is not None:
        if draft_head.hidden_size != model.config.hidden_size:
            expected, given = model.config.hidden_size, draft_head.hidden_size
            raise InvalidOption(f"draft_head: the model's states have {expected} numbers, the head reads {given}")
        chosen.append(draft_head)
    return Speculator(chosen, cost, clock=clock)


def _draft_model(config: EngineConfig, tokenizer: Tokenizer, device: torch.device) -> DraftModel | None:
    options = config.speculation
    if options.draft_model is None:
        return None
    folder = _BUD if options.draft_model == Path("bud") else options.draft_model
    loaded = load_model(folder, dtype=_dtype(config.model, device), device=device)
    check_same_tokenizer(tokenizer, loaded.tokenizer, "draft_model")
    num_cells = min(options.num_draft_cells, config.cache.num_tokens or options.num_draft_cells)
    num_pages = max(1, num_cells // config.cache.page_size)
    pool = KVPool(loaded.model.kv_layout(), num_pages, config.cache.page_size, device)
    return DraftModel(loaded.model, pool, context_len=loaded.config.max_position_embeddings)


def _compiler(vocabulary: Vocabulary, options: ConstraintOptions) -> GrammarCompiler:
    service = None
    if options.num_compile_workers:
        service = CompileService(
            vocabulary,
            num_workers=options.num_compile_workers,
            time_limit_s=options.compile_time_limit_s,
            memory_limit_bytes=options.compile_memory_limit_mb * 1024**2,
        )
    return GrammarCompiler(vocabulary, max_cached_bytes=options.grammar_cache_mb * 1024**2, service=service)


def _device(options: ModelOptions) -> torch.device:
    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(options.device)
    except RuntimeError as error:
        raise InvalidOption(f"device: expected 'auto', 'cpu' or 'cuda[:n]', got {options.device!r}") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InvalidOption(f"device: got {options.device!r}, but torch finds no CUDA device; use 'auto' or 'cpu'")
    return device


def _dtype(options: ModelOptions, device: torch.device) -> torch.dtype | None:
    """None: the checkpoint's own."""
    if options.dtype == "auto":
        # On a CPU float32: a sum that another batch or chunk orders differently then moves no token.
        return torch.float32 if device.type == "cpu" else None
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if options.dtype not in known:
        raise InvalidOption(f"dtype: expected 'auto' or one of {', '.join(known)}, got {options.dtype!r}")
    return known[options.dtype]


def _attention(
    config: EngineConfig,
    model: ModelConfig,
    dtype: torch.dtype | None,
    cell_dtype: torch.dtype | None,
    device: torch.device,
) -> Attention:
    case = AttentionCase(
        dtype=dtype or model.dtype,
        num_heads=model.num_heads,
        num_kv_heads=model.num_kv_heads,
        head_dim=model.head_dim,
        page_size=config.cache.page_size,
        kv_dtype=cell_dtype,
        has_window=any(window is not None for window in model.windows),
        is_deterministic=config.model.is_deterministic,
    )
    try:
        return choose_attention(case, device, config.model.attention_backend)
    except BackendCannotServe as error:
        option = "deterministic" if case.is_deterministic else "attention_backend"
        raise InvalidOption(f"{option}: {error}") from error


def _cell_dtype(options: CacheOptions, device: torch.device) -> torch.dtype | None:
    """What the cells of the pool are; None: as the model's weights."""
    if options.dtype == "auto":
        return None
    wanted = f"a CUDA device of compute capability {'.'.join(map(str, _FIRST_FP8_CAPABILITY))} or more"
    if device.type != "cuda":
        raise InvalidOption(f"kv_cache_dtype: {options.dtype!r} needs {wanted}, got {device.type!r}; use 'auto'")
    capability = torch.cuda.get_device_capability(device)
    if capability < _FIRST_FP8_CAPABILITY:
        got = ".".join(map(str, capability))
        raise InvalidOption(f"kv_cache_dtype: {options.dtype!r} needs {wanted}, got {got}; use 'auto'")
    if options.page_size & (options.page_size - 1):
        raise InvalidOption(
            f"kv_cache_dtype: {options.dtype!r} needs a page_size that is a power of two, got {options.page_size}"
        )
    return torch.float8_e4m3fn


def _context_len(options: ModelOptions, model_len: int) -> int:
    if options.context_len is None:
        return model_len
    if options.context_len > model_len:
        raise InvalidOption(f"context_length: the model was made for {model_len} tokens, got {options.context_len}")
    return options.context_len


def _num_pages(options: CacheOptions, layout: KVLayout, context_len: int, device: torch.device) -> int:
    if options.num_tokens is not None:
        return max(1, options.num_tokens // options.page_size)
    if device.type == "cuda":
        num_bytes = torch.cuda.mem_get_info(device)[0] * _CUDA_SHARE
    else:
        num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _CPU_SHARE
    num_tokens = int(num_bytes / layout.num_bytes_per_token)
    if num_tokens < context_len:
        # Less than one whole text: better than nothing, and a request that does not fit is refused with the figures.
        return max(1, num_tokens // options.page_size)
    return min(num_tokens, max(_MAX_DEFAULT_TOKENS, context_len)) // options.page_size


def _seed_source(random_seed: int | None) -> Callable[[], int]:
    if random_seed is None:
        return lambda: secrets.randbits(64)
    counter = itertools.count()
    return lambda: branch_path(random_seed, next(counter))
