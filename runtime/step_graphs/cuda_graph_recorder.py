"""CudaGraphRecorder: launches recorded as CUDA graphs, which share their memory."""

from collections.abc import Callable

import torch


class CudaGraphRecorder:
    """Records on a stream of its own; graphs are replayed on the stream of whoever calls.

    All graphs take their memory from one pool: what one leaves there the next may overwrite, so they are replayed one
    after the other on one stream, and what is to be kept is copied out by the recorded call itself.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch has no types for it
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, call: Callable[[], None]) -> Callable[[], None]:
        """See `GraphRecorder`. Raises RuntimeError where `call` does what a graph cannot hold."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            # Kernels are compiled and libraries make their workspaces when they are first called: not in a graph.
            call()
            call()
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads of the process may allocate meanwhile: that is not for this graph, and does not break it.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            call()
        return graph.replay
