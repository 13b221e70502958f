"""StepGraph: the pass of one bucket, recorded once."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from ...kernels.attention import plan_for_graph
from ...kernels.attention_plan import AttentionPlan
from ...kernels.attention_rows import AttentionRows
from ...kernels.graph_bounds import GraphBounds
from ..cache.kv_pool import KVPool
from ..models.batch import Batch, Model
from ..models.pass_inputs import PassInputs
from .buckets import Bucket
from .graph_recorder import GraphRecorder
from .padding import only_padding, pad
from .static_inputs import StaticInputs


class RecordableModel(Model, Protocol):
    """A model whose pass falls into what the host plans and what the device does, the same for all of a size."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def reserve(self, max_len: int) -> None:
        """Be ready for texts of so many tokens, and keep what recorded passes read where it is."""
        ...

    def attention_rows(self, batch: Batch, page_size: int) -> Mapping[int | None, AttentionRows]:
        """What attention must know, by the window of the layers."""
        ...

    def compute(self, inputs: PassInputs, plans: Mapping[int | None, AttentionPlan], kv_pool: KVPool) -> Tensor:
        """Launch the pass: [num_wanted, vocab_size] float32."""
        ...


class StepGraph:
    """A recorded pass, and what is written anew for each step: its inputs and the tables of attention."""

    def __init__(
        self,
        model: RecordableModel,
        kv_pool: KVPool,
        bucket: Bucket,
        recorder: GraphRecorder,
        logits: Tensor,
        *,
        is_deterministic: bool,
    ) -> None:
        """`logits`: [bucket.num_tokens or more, vocab_size] float32, where they are written."""
        self._model = model
        self._kv_pool = kv_pool
        self._bucket = bucket
        self._logits = logits[: bucket.num_tokens]
        first = only_padding(bucket.num_tokens, kv_pool, has_trees=bucket.max_query_len > 1)
        self._inputs = StaticInputs(bucket.num_tokens, model.device)
        self._inputs.fill(first)
        bounds = GraphBounds(bucket.num_tokens, bucket.max_query_len, bucket.max_kv_len)
        self._attention = {
            window: plan_for_graph(rows, model.device, bounds, is_deterministic=is_deterministic)
            for window, rows in model.attention_rows(first, kv_pool.page_size).items()
        }
        self._plans = {window: attention.plan for window, attention in self._attention.items()}
        self._replay = recorder.record(self._compute)

    def run(self, batch: Batch) -> Tensor:
        """Logits of a batch that fits the bucket, [num_wanted, vocab_size] float32, until another pass is run.

        Raises StepTooLarge, before anything is launched, where the tables of attention have no room for it.
        """
        padded = pad(batch, self._bucket.num_tokens, self._kv_pool)
        for window, rows in self._model.attention_rows(padded, self._kv_pool.page_size).items():
            self._attention[window].update(rows)
        self._inputs.fill(padded)
        self._replay()
        return self._logits[: len(batch.logit_indices)]

    def _compute(self) -> None:
        """What is recorded. The logits go where they outlast the memory that graphs share."""
        self._logits.copy_(self._model.compute(self._inputs.inputs, self._plans, self._kv_pool))
