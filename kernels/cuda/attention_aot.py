"""The configurations of the attention kernels that are compiled without a device."""

from collections.abc import Iterator

import torch

from .aot_case import AotCase
from .attention_config import padded_dim, tile_shape
from .attention_merge import merge_kernel
from .paged_attention import paged_attention_kernel

_TYPES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float8_e4m3fn: "fp8e4nv"}
_SHARED_MEMORY = 163 << 10  # bytes a program may have on an A100; later ones have more
# Of the compiled code: how much is spilled, and whether a loop over tiles touches it.
_MASKED_LOOP = "sm_80 only: a dozen numbers at most, some of them in the loop with the mask"
_SECOND_ACCUMULATOR = (
    "what the splits add up to: touched once a split, outside of the loops over tiles; sm_100 in them too"
)
_FLAGS = ("TOKEN_LIST", "TREE", "PATHS", "WINDOW", "SOFT_CAP", "SINKS")


def _attention_case(
    block_m: int,
    head_dim: int,
    *flags: str,
    group: int = 8,
    page_size: int = 16,
    query_dtype: torch.dtype = torch.bfloat16,
    cache_dtype: torch.dtype | None = None,
    split_len: int = 0,
    spill_reason: str | None = None,
) -> AotCase:
    assert set(flags) <= set(_FLAGS), f"expected flags of {_FLAGS}, got {flags}"
    cache_dtype = cache_dtype or query_dtype
    shape = tile_shape(block_m, head_dim, query_dtype, _SHARED_MEMORY, "TREE" in flags)
    query, cell = f"*{_TYPES[query_dtype]}", f"*{_TYPES[cache_dtype]}"
    words = ("items", "page_table", "token_list", "masks", "paths")
    signature = {"q": query, "k_cache": cell, "v_cache": cell, "out": query}
    signature |= dict.fromkeys(("partial_out", "partial_log_sum", "sinks"), "*fp32")
    signature |= dict.fromkeys(words, "*i32") | {"positions": "*i64"}
    signature |= dict.fromkeys(("num_kv_heads", "q_stride", "table_stride", "window"), "i32")
    signature |= dict.fromkeys(("score_scale", "soft_cap", "v_scale"), "fp32")
    parts = [
        f"m{block_m}",
        f"d{head_dim}",
        f"g{group}",
        f"page{page_size}",
        query[1:],
        *(flag.lower() for flag in flags),
    ]
    if cache_dtype != query_dtype:
        parts.append(f"{cell[1:]} cache")
    if split_len:
        parts.append("deterministic")
    return AotCase(
        name=f"paged_attention {' '.join(parts)}",
        kernel=paged_attention_kernel,
        signature=signature,
        constants={
            "GROUP": group,
            "HEAD_DIM": head_dim,
            "PADDED_DIM": padded_dim(head_dim),
            "PAGE_SIZE": page_size,
            "BLOCK_M": block_m,
            "BLOCK_N": shape.block_n,
            "SPLIT_LEN": split_len,
            "IS_ALWAYS_MASKED": shape.is_narrow,
        }
        | {f"HAS_{flag}": flag in flags for flag in _FLAGS},
        num_warps=shape.num_warps,
        num_stages=shape.num_stages,
        spill_reason=spill_reason,
        aligned_numbers=("q_stride",),
    )


def _merge_case(head_dim: int, block_parts: int, has_sinks: bool) -> AotCase:
    signature = dict.fromkeys(("partial_out", "partial_log_sum", "sinks"), "*fp32") | {"out": "*bf16"}
    signature |= dict.fromkeys(("tokens", "offsets", "slots"), "*i32") | {"num_heads": "i32", "v_scale": "fp32"}
    return AotCase(
        name=f"attention_merge d{head_dim} parts{block_parts}{' sinks' if has_sinks else ''}",
        kernel=merge_kernel,
        signature=signature,
        constants={
            "HEAD_DIM": head_dim,
            "PADDED_DIM": padded_dim(head_dim),
            "BLOCK_PARTS": block_parts,
            "HAS_SINKS": has_sinks,
        },
        num_warps=1 if block_parts == 1 else 4,
        num_stages=3,
    )


def _cases() -> Iterator[AotCase]:
    half, fp8 = torch.float16, torch.float8_e4m3fn
    yield _attention_case(16, 128)
    yield _attention_case(16, 64, "WINDOW", "SINKS")
    yield _attention_case(16, 256, "WINDOW", "SOFT_CAP", group=2)
    yield _attention_case(16, 128, "TOKEN_LIST", page_size=64)
    yield _attention_case(16, 128, cache_dtype=fp8)
    yield _attention_case(16, 128, "TREE", group=1, page_size=1, query_dtype=half)
    yield _attention_case(64, 128, "TREE", "WINDOW", spill_reason=_MASKED_LOOP)
    yield _attention_case(
        64, 256, "WINDOW", "SOFT_CAP", group=2, spill_reason="sm_80 only: ten numbers, outside of the loops"
    )
    yield _attention_case(64, 128, cache_dtype=fp8)
    yield _attention_case(64, 64, query_dtype=torch.float32)
    yield _attention_case(128, 64, "WINDOW", "SINKS", spill_reason="sm_100 only: one number")
    yield _attention_case(128, 96)
    yield _attention_case(128, 128, page_size=64)
    yield _attention_case(128, 128, "TREE", query_dtype=half, spill_reason=_MASKED_LOOP)
    yield _attention_case(64, 128, "TOKEN_LIST", "PATHS", split_len=1024, spill_reason=_SECOND_ACCUMULATOR)
    yield _attention_case(64, 256, split_len=1024, spill_reason=_SECOND_ACCUMULATOR)
    yield _merge_case(128, 16, has_sinks=True)
    yield _merge_case(256, 1, has_sinks=False)


AOT_CASES: tuple[AotCase, ...] = tuple(_cases())
