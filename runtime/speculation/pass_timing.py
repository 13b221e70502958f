"""measure_step_cost: how long passes of a model take on this machine, found out before it serves anybody."""

import time
from typing import Final

import torch

from ..cache.kv_pool import KVPool
from ..models.batch import Batch, Model
from .step_cost import StepCost

_SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_CONTEXT_LEN: Final = 128
_SECONDS: Final = 0.1


def measure_step_cost(model: Model, pool: KVPool) -> StepCost:
    """Time passes over 1 to 64 tokens. The pool must be empty: cells of free pages are written.

    Takes a tenth of a second; with a slow model, three passes, one of them over 64 tokens; on CUDA also one pass of
    each size before.
    """
    sizes = [size for size in _SIZES if size + 1 < pool.num_tokens]
    if len(sizes) < 2:
        sizes = [1, 2]
    # What is made at first use is made: on CUDA that is kernels and graphs, which differ from size to size.
    for size in sizes if pool.device.type == "cuda" else sizes[:1]:
        _time_pass(model, pool, size)
    return StepCost.measured(lambda size: _time_pass(model, pool, size), sizes, seconds=_SECONDS)


def _time_pass(model: Model, pool: KVPool, num_tokens: int) -> float:
    batch = _batch(pool, num_tokens)
    if pool.device.type != "cuda":
        # Of this thread alone: what other processes take of the machine meanwhile is not the pass's.
        start = time.thread_time()
        model.forward(batch, pool)
        return time.thread_time() - start
    torch.cuda.synchronize(pool.device)
    start = time.perf_counter()
    model.forward(batch, pool)
    torch.cuda.synchronize(pool.device)
    return time.perf_counter() - start


def _batch(pool: KVPool, num_tokens: int) -> Batch:
    """One row of so many tokens behind a short text, all of whose logits are wanted, as those of guesses are."""
    kv_len = min(_CONTEXT_LEN + num_tokens, pool.num_tokens)
    start = kv_len - num_tokens
    num_pages = -(-kv_len // pool.page_size)
    places = torch.arange(start, kv_len)
    return Batch(
        token_ids=torch.zeros(num_tokens, dtype=torch.int64),
        positions=places,
        slots=places.clone(),  # pages 0, 1, 2, ... in a row
        query_lens=(num_tokens,),
        kv_lens=(kv_len,),
        page_table=torch.arange(num_pages)[None],
        logit_indices=torch.arange(num_tokens),
        ancestor_masks=(None,),
    )
