"""Padding: rows that fill a pass up to the size of its graph, and touch nobody's text."""

from dataclasses import replace

import torch

from ..cache.kv_pool import KVPool
from ..models.batch import Batch


def pad(batch: Batch, num_tokens: int, kv_pool: KVPool) -> Batch:
    """The pass with so many tokens, and with logits wanted of so many; those after the batch's own mean nothing.

    Behind its rows come rows of one token each. They write to scratch cells, each to one of its own, and attend
    nothing but the cells of padding in this very pass: the first ones of the page that they write to. So no row of
    the batch sees them, and they see no cell that is in use or was left over.
    """
    num_padding = num_tokens - batch.num_tokens
    assert 0 <= num_padding <= len(kv_pool.scratch_pages) * kv_pool.page_size, (
        f"expected a pass of {num_tokens} tokens at most, and scratch for the rest, got {batch.num_tokens} tokens and "
        f"{len(kv_pool.scratch_pages)} scratch pages"
    )
    num_unwanted = num_tokens - len(batch.logit_indices)
    wanted = torch.cat((batch.logit_indices, torch.full((num_unwanted,), num_tokens - 1)))
    if not num_padding:
        return replace(batch, logit_indices=wanted)
    indices = torch.arange(num_padding)
    offsets = indices % kv_pool.page_size
    page_table = torch.zeros((batch.num_rows + num_padding, batch.page_table.shape[1]), dtype=torch.int64)
    page_table[: batch.num_rows] = batch.page_table
    page_table[batch.num_rows :, 0] = kv_pool.scratch_pages.start + indices // kv_pool.page_size
    return Batch(
        token_ids=torch.cat((batch.token_ids, torch.zeros_like(indices))),
        positions=torch.cat((batch.positions, offsets)),
        slots=torch.cat((batch.slots, kv_pool.scratch_pages.start * kv_pool.page_size + indices)),
        query_lens=batch.query_lens + (1,) * num_padding,
        kv_lens=batch.kv_lens + tuple((offsets + 1).tolist()),
        page_table=page_table,
        logit_indices=wanted,
        ancestor_masks=batch.ancestor_masks + (None,) * num_padding,
        late_token_ids=batch.late_token_ids,
    )


def only_padding(num_tokens: int, kv_pool: KVPool, *, has_trees: bool) -> Batch:
    """A pass of padding alone, to be recorded. With `has_trees` one row has an ancestor mask, which hides nothing."""
    none = torch.zeros(0, dtype=torch.int64)
    nobody = Batch(none, none, none, (), (), torch.zeros((0, 1), dtype=torch.int64), none, ())
    batch = pad(nobody, num_tokens, kv_pool)
    if not has_trees:
        return batch
    mask = torch.ones((1, 1), dtype=torch.bool)
    return replace(batch, ancestor_masks=(mask, *batch.ancestor_masks[1:]))
