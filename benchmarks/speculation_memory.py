"""What the index of texts of late takes, against the KV cells of the same tokens."""

import random
import tracemalloc
from dataclasses import dataclass

from speculation_sides import Side

from palmette.runtime.speculation.segment_store import SegmentStore

_SEGMENT_LEN = 256


@dataclass(frozen=True)
class IndexMemory:
    """Of one store."""

    num_tokens: int
    bytes_per_token: float
    kv_bytes_per_token: int

    @property
    def share(self) -> float:
        """Of what the tokens' KV cells take."""
        return self.bytes_per_token / self.kv_bytes_per_token


def index_memory(side: Side, num_tokens: int) -> IndexMemory:
    """Fill a store with random tokens, which is its worst case: no run comes twice."""
    pool = side.engine._thread._core.memory.pool
    draw = random.Random(1)
    segments = [
        [draw.randrange(side.engine.tokenizer.vocab_size) for _ in range(_SEGMENT_LEN)]
        for _ in range(num_tokens // _SEGMENT_LEN)
    ]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    store = SegmentStore(4 * num_tokens)
    for segment in segments:
        store.add("", [], segment)
    num_bytes = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return IndexMemory(store.num_tokens, num_bytes / store.num_tokens, pool.layout.num_bytes_per_token)
