"""StepGraphs: a model whose small passes are recorded, bucket by bucket, and launched as a whole."""

import warnings

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ...kernels.graph_bounds import StepTooLarge
from ..cache.kv_pool import KVPool
from ..models.batch import Batch
from .buckets import Bucket, Buckets
from .graph_recorder import GraphRecorder
from .step_graph import RecordableModel, StepGraph


class StepGraphs:
    """Stands before a model, and is one: whoever runs passes need not know.

        batch -> a bucket it fits? --no--> the model, launch by launch
                   | yes
                   v
                 its graph (recorded when first wanted): pad, write inputs and tables, replay -> logits, less padding

    A pass of few tokens is hundreds of launches, each shorter than the host takes to make it; recorded, it is one.
    A pass that is larger, or whose rows are longer, keeps the device busy as it is.

    What padding does to bits: a padding row is one more row of the pass. Where the bits of a row do not depend on the
    rows beside it (on a CPU with the C kernels; on CUDA where each operator promises it, attention if it
    `is_deterministic`) they do not depend on the bucket either, nor on whether there is a graph. Elsewhere a matrix
    product may choose another kernel for another number of rows, as it may for one more request in the batch.
    """

    def __init__(
        self,
        model: RecordableModel,
        kv_pool: KVPool,
        recorder: GraphRecorder,
        buckets: Buckets,
        *,
        is_deterministic: bool = False,
    ) -> None:
        """`kv_pool`: of all passes, with scratch for `buckets.max_tokens`."""
        num_scratch = len(kv_pool.scratch_pages) * kv_pool.page_size
        assert num_scratch >= buckets.max_tokens, f"expected {buckets.max_tokens} scratch cells, got {num_scratch}"
        self._model = model
        self._kv_pool = kv_pool
        self._recorder = recorder
        self._buckets = buckets
        self._is_deterministic = is_deterministic
        self._graphs: dict[Bucket, StepGraph | None] = {}
        """None: it cannot be recorded."""
        self._logits = torch.zeros(
            (buckets.max_tokens, model.vocab_size), dtype=torch.float32, device=model.device
        )  # of the last pass; one buffer for all graphs
        self.num_replays = 0
        self.num_direct = 0
        """Passes that were launched one by one."""
        model.reserve(buckets.max_kv_len)

    @property
    def vocab_size(self) -> int:
        """Columns of the logits."""
        return self._model.vocab_size

    @property
    def num_graphs(self) -> int:
        """Graphs recorded so far."""
        return sum(graph is not None for graph in self._graphs.values())

    @torch.inference_mode()
    def forward(self, batch: Batch, kv_pool: KVPool) -> Tensor:
        """See `Model`. The logits are overwritten by the next pass."""
        assert kv_pool is self._kv_pool, "expected the pool that the graphs were recorded with, got another"
        bucket = self._buckets.choose(batch)
        graph = None if bucket is None else self._graph(bucket)
        if graph is not None:
            try:
                logits = graph.run(batch)
            except StepTooLarge:
                pass  # nothing was launched; this one is planned by itself
            else:
                self.num_replays += 1
                return logits
        self.num_direct += 1
        return self._model.forward(batch, kv_pool)

    @torch.inference_mode()
    def record_decoding(self, max_rows: int, *, is_guessing: bool = False) -> None:
        """Record the passes of up to `max_rows` rows that write, so that no request has to wait for it.

        `is_guessing`: those with a few guesses, too.
        """
        console = Console(stderr=True)
        buckets = self._buckets.of_decoding(max_rows, is_guessing=is_guessing)
        for bucket in track(buckets, "recording graphs", console=console, transient=True):
            self._graph(bucket)

    def _graph(self, bucket: Bucket) -> StepGraph | None:
        if bucket not in self._graphs:
            try:
                self._graphs[bucket] = StepGraph(
                    self._model,
                    self._kv_pool,
                    bucket,
                    self._recorder,
                    self._logits,
                    is_deterministic=self._is_deterministic,
                )
            except RuntimeError as error:
                # A pass is worth more than its speed. Whatever is broken beyond that will fail without a graph, too.
                warnings.warn(f"passes of {bucket} go without a graph: recording it failed: {error}", stacklevel=2)
                self._graphs[bucket] = None
        return self._graphs[bucket]
