"""ModelRunner: makes a Batch of the rows' shares, runs the model, and hands each row its logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.attention import Attention
from .batch import Batch, HiddenStateModel, Model
from .cache.kv_pool import KVPool
from .row import RowShare


@dataclass(frozen=True)
class RowLogits:
    """Raw logits of one row's share, each [n, vocab_size] float32."""

    score_positions: range
    scores: Tensor  # [len(score_positions), vocab_size]
    last: Tensor | None  # [vocab_size], after the last tape token computed; None where that is not wanted
    nodes: Tensor  # [num_inner_nodes, vocab_size]
    hidden: Tensor | None = None  # [1 + num_inner_nodes, hidden_size], what `last` and `nodes` are made from; if wanted


class ModelRunner:
    """Runs one forward pass over the shares of a step."""

    def __init__(self, model: Model, kv_pool: KVPool, device: torch.device, attention: Attention | None = None) -> None:
        """attention: the model's, where it says how it attends."""
        self._model = model
        self._kv_pool = kv_pool
        self._device = device
        self._attention = attention

    def run(self, shares: Sequence[RowShare], *, wants_hidden: bool = False) -> list[RowLogits]:
        """Compute the shares' tokens, whose cells have been reserved; logits in the order of the shares."""
        builder = _BatchBuilder(self._kv_pool.page_size)
        for share in shares:
            builder.add(share)
        batch = builder.batch(self._device)
        if not wants_hidden:
            return builder.split(self._model.forward(batch, self._kv_pool))
        assert isinstance(self._model, HiddenStateModel), f"{type(self._model).__name__} tells no hidden states"
        return builder.split(*self._model.forward_with_hidden(batch, self._kv_pool))

    def stats(self) -> dict[str, int]:
        """Counters since the start."""
        return {"num_attention_plans_elsewhere": self._attention.num_plans_elsewhere if self._attention else 0}


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
        if tree is not None:
            self._token_ids += tree.token_ids
            self._positions += [end + depth for depth in tree.depths]
        kv_len = start + share.num_cells
        page_size, table = self._page_size, branch.page_table
        self._slots += [table[cell // page_size] * page_size + cell % page_size for cell in range(start, kv_len)]
        self._query_lens.append(share.num_cells)
        self._kv_lens.append(kv_len)
        self._tables.append(table[: -(-kv_len // page_size)])
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

    def batch(self, device: torch.device) -> Batch:
        """The rows as tensors."""
        width = max(len(table) for table in self._tables)
        padded = [table + [0] * (width - len(table)) for table in self._tables]
        return Batch(
            token_ids=torch.tensor(self._token_ids, device=device),
            positions=torch.tensor(self._positions, device=device),
            slots=torch.tensor(self._slots, device=device),
            query_lens=tuple(self._query_lens),
            kv_lens=tuple(self._kv_lens),
            page_table=torch.tensor(padded, device=device),
            logit_indices=torch.tensor(self._wanted, dtype=torch.int64, device=device),
            ancestor_masks=tuple(mask if mask is None else mask.to(device) for mask in self._masks),
        )

    def split(self, logits: Tensor, hidden: Tensor | None = None) -> list[RowLogits]:
        """Logits of the wanted tokens, [num_wanted, vocab_size], and their hidden states, by row."""
        rows: list[RowLogits] = []
        none = logits[:0]
        offset = 0
        for scores, wants_last, num_inner in self._counts:
            num_scores = len(scores)
            after = offset + num_scores + wants_last
            rows.append(
                RowLogits(
                    scores,
                    logits[offset : offset + num_scores] if num_scores else none,
                    logits[after - 1] if wants_last else None,
                    logits[after : after + num_inner] if num_inner else none,
                    hidden[after - 1 : after + num_inner] if hidden is not None and wants_last else None,
                )
            )
            offset = after + num_inner
        return rows
