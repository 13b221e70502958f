"""ModelRunner: makes a Batch of the rows' shares, runs the model, and hands each row its logits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..kernels.attention import Attention
from ..kernels.upload import upload
from .branch import Branch
from .cache.kv_pool import KVPool
from .device_fault import check_device
from .models.batch import Batch, HiddenStateModel, Model
from .row import RowShare


@dataclass(frozen=True)
class RowLogits:
    """Raw logits of one row's share, each [n, vocab_size] float32, on the model's device; read before the next pass."""

    score_positions: range
    scores: Tensor  # [len(score_positions), vocab_size]
    last: Tensor | None  # [vocab_size], after the last tape token computed; None where that is not wanted
    nodes: Tensor  # [num_inner_nodes, vocab_size]
    hidden: Tensor | None = None  # [1 + num_inner_nodes, hidden_size], what `last` and `nodes` are made from; if wanted


@dataclass(frozen=True)
class LaunchedPass:
    """A pass that the device was given: what it computes, row by row, and what comes of it."""

    shares: Sequence[RowShare]
    logits: Sequence[RowLogits]
    """Of each share."""


class ModelRunner:
    """Runs one forward pass over the shares of a step."""

    def __init__(self, model: Model, kv_pool: KVPool, attention: Attention | None = None) -> None:
        """attention: the model's, where it says how it attends."""
        self._model = model
        self._kv_pool = kv_pool
        self._attention = attention

    def run(self, shares: Sequence[RowShare], *, wants_hidden: bool = False) -> list[RowLogits]:
        """Compute the shares' tokens, whose cells have been reserved; logits in the order of the shares.

        On CUDA the pass is launched, not waited for: it is done when something of the logits is read.
        """
        builder = _BatchBuilder(self._kv_pool.page_size)
        for share in shares:
            builder.add(share)
        if not wants_hidden:
            return builder.split(self._model.forward(builder.batch(), self._kv_pool))
        assert isinstance(self._model, HiddenStateModel), f"{type(self._model).__name__} tells no hidden states"
        return builder.split(*self._model.forward_with_hidden(builder.batch(), self._kv_pool))

    def run_ahead(self, shares: Sequence[RowShare], token_ids: Tensor, places: Sequence[int]) -> list[RowLogits]:
        """As `run`, where each share is one token that is not on the tape yet: `token_ids[place]`, by share, ascending.

        token_ids: [num_sampled] int64 where the model computes; the pass reads them when its turn comes.
        """
        builder = _BatchBuilder(self._kv_pool.page_size)
        for share in shares:
            builder.add_next(share)
        if len(places) < len(token_ids):
            token_ids = token_ids.index_select(0, upload(_tensor(places), token_ids.device))
        batch = replace(builder.batch(), late_token_ids=token_ids)
        return builder.split(self._model.forward(batch, self._kv_pool))

    def claim_thread(self) -> None:
        """Make the device of the model that of the calling thread: kernels are launched on a thread's own."""
        device = self._kv_pool.device
        if device.type == "cuda" and device.index is not None:  # else it is the one that every thread begins with
            torch.cuda.set_device(device)

    def stats(self) -> dict[str, int]:
        """Counters since the start."""
        return {"num_attention_plans_elsewhere": self._attention.num_plans_elsewhere if self._attention else 0}

    def check_device(self, error: Exception) -> None:
        """Raise `DeviceLost` where `error`, raised by a pass or by whoever read what came of it, was the last one."""
        check_device(error, self._kv_pool.device)


class _BatchBuilder:
    """Lays the shares' tokens end to end."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._token_ids: list[int] = []
        self._positions: list[int] = []
        self._slots: list[int] = []
        self._query_lens: list[int] = []
        self._kv_lens: list[int] = []
        self._tables: list[list[int]] = []
        self._masks: list[Tensor | None] = []
        self._wanted: list[int] = []
        self._counts: list[tuple[range, bool, int]] = []

    def add(self, share: RowShare) -> None:
        """Append one row."""
        branch, task = share.row.branch, share.row.task
        start = branch.num_computed
        end = start + share.num_tokens
        base = len(self._token_ids)
        self._token_ids += branch.token_ids[start:end]
        self._positions += range(start, end)
        tree = share.tree
        num_cells = share.num_tokens + (0 if tree is None else len(tree))
        if tree is not None:
            self._token_ids += tree.token_ids
            self._positions += [end + depth for depth in tree.depths]
        self._place(branch, num_cells)
        # A chain is seen as ordinary tokens are.
        self._masks.append(None if tree is None or tree.is_chain else tree.ancestor_mask(share.num_tokens))
        scores = task.score_positions(start, end)
        # A fork or a score is complete before the last token; what follows the tape is wanted of nobody then.
        wants_last = share.is_complete and share.num_tokens > 0 and end == len(branch.token_ids)
        inner = tree.inner_nodes() if tree is not None else []
        self._wanted += [base + position - start for position in scores]
        if wants_last:
            self._wanted.append(base + share.num_tokens - 1)
        self._wanted += [base + share.num_tokens + node for node in inner]
        self._counts.append((scores, wants_last, len(inner)))

    def add_next(self, share: RowShare) -> None:
        """Append a row of one token, which comes after its tape and is not known here; logits are wanted after it."""
        branch = share.row.branch
        self._wanted.append(len(self._token_ids))
        self._token_ids.append(0)
        self._positions.append(branch.num_computed)
        self._place(branch, 1)
        self._masks.append(None)
        self._counts.append((range(0), True, 0))

    def _place(self, branch: Branch, num_cells: int) -> None:
        """The row's cells: those of the branch, and `num_cells` that are computed."""
        start, page_size, table = branch.num_computed, self._page_size, branch.page_table
        kv_len = start + num_cells
        self._slots += [table[cell // page_size] * page_size + cell % page_size for cell in range(start, kv_len)]
        self._query_lens.append(num_cells)
        self._kv_lens.append(kv_len)
        self._tables.append(table[: -(-kv_len // page_size)])

    def batch(self) -> Batch:
        """The rows as tensors."""
        width = max(len(table) for table in self._tables)
        padded = [table + [0] * (width - len(table)) for table in self._tables]
        return Batch(
            token_ids=_tensor(self._token_ids),
            positions=_tensor(self._positions),
            slots=_tensor(self._slots),
            query_lens=tuple(self._query_lens),
            kv_lens=tuple(self._kv_lens),
            page_table=_tensor(padded),
            logit_indices=_tensor(self._wanted),
            ancestor_masks=tuple(self._masks),
        )

    def split(self, logits: Tensor, hidden: Tensor | None = None) -> list[RowLogits]:
        """Logits of the wanted tokens, [num_wanted, vocab_size], and their hidden states, by row."""
        rows: list[RowLogits] = []
        none = logits[:0]
        lines = logits.unbind()  # all at once: to index a tensor takes ten times as long
        offset = 0
        for scores, wants_last, num_inner in self._counts:
            num_scores = len(scores)
            after = offset + num_scores + wants_last
            rows.append(
                RowLogits(
                    scores,
                    logits[offset : offset + num_scores] if num_scores else none,
                    lines[after - 1] if wants_last else None,
                    logits[after : after + num_inner] if num_inner else none,
                    hidden[after - 1 : after + num_inner] if hidden is not None and wants_last else None,
                )
            )
            offset = after + num_inner
        return rows


def _tensor(numbers: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
    """int64. NumPy reads lists several times as fast as torch, and nested ones ten times."""
    return torch.from_numpy(np.array(numbers, dtype=np.int64))
