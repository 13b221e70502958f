"""Batch: what one forward pass needs, as tensors on the host."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from ..cache.kv_pool import KVPool


@dataclass(frozen=True)
class Batch:
    """Rows of tokens to compute, laid end to end; there is no prefill or decode, only rows.

    A row's tokens are the last `query_lens[r]` of its `kv_lens[r]` cells. Without an ancestor mask a token sees
    all cells up to its own. With one (a tree of drafts or of choices) it sees every cell before the row's
    tokens, and of these the ones its row of the mask marks; its position is its depth, not its index.

    All tensors but `late_token_ids` are on the CPU: attention is planned there, and the model sends the rest to its
    device in one copy (`pass_inputs.py`).
    """

    token_ids: Tensor  # [num_tokens] int64
    positions: Tensor  # [num_tokens] int64, depth of each token in its text, from 0
    slots: Tensor  # [num_tokens] int64, page_id * page_size + offset: where the token's KV cell is written
    query_lens: tuple[int, ...]  # [num_rows] tokens of each row, >= 1
    kv_lens: tuple[int, ...]  # [num_rows] cells each row reads, its own tokens included
    page_table: (
        Tensor  # [num_rows, max_num_pages] int64, padded with 0; cell c of row r is in page_table[r, c // page_size]
    )
    logit_indices: Tensor  # [num_wanted] int64, the tokens whose next-token logits are wanted, ascending
    ancestor_masks: tuple[Tensor | None, ...]  # [num_rows] of bool [query_len, query_len], or None for causal
    late_token_ids: Tensor | None = None
    """[num_late <= num_tokens] int64 on the model's device: the first token ids, where the host does not know them."""

    @property
    def num_tokens(self) -> int:
        """Tokens computed by the pass."""
        return int(self.token_ids.shape[0])

    @property
    def num_rows(self) -> int:
        """Rows of the batch."""
        return len(self.query_lens)


class Model(Protocol):
    """Anything that turns a batch and the pool into logits."""

    @property
    def vocab_size(self) -> int:
        """Columns of the logits."""
        ...

    def forward(self, batch: Batch, kv_pool: KVPool) -> Tensor:
        """Write the KV cells of the batch's tokens and return logits: [num_wanted, vocab_size] float32."""
        ...


@runtime_checkable
class HiddenStateModel(Model, Protocol):
    """A model that also tells what its logits are made from."""

    def forward_with_hidden(self, batch: Batch, kv_pool: KVPool) -> tuple[Tensor, Tensor]:
        """As `forward`; and [num_wanted, hidden_size] model dtype, what the last layer gives to the LM head."""
        ...
