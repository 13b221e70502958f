"""Memory of cached grammars: what a compiler's cache takes, by its own count and by the operating system's."""

import gc
import json
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from schema_set.catalogue import REAL_WORLD, SCHEMAS

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.spec import JsonSchema
from palmette.grammar.vocabulary import Vocabulary

PAGE = 4096
MAX_CACHED_BYTES = 128 * 1024 * 1024
NUM_TOKENS = 24


@dataclass(frozen=True)
class CacheMemory:
    """What `num_compiled` different grammars came to under a bound of `max_bytes`."""

    vocab_size: int
    num_compiled: int
    max_bytes: int
    num_kept: int
    counted_bytes: int
    """By the compiler's own count."""
    grown_bytes: int
    """By how much the process grew."""

    def __str__(self) -> str:
        kept, bound = self.counted_bytes / 2**20, self.max_bytes / 2**20
        return (
            f"{self.num_compiled:,} grammars over {self.vocab_size:,} tokens, at most {bound:.0f} MiB: "
            f"{self.num_kept:,} kept, {kept:.0f} MiB by count; the process grew by {self.grown_bytes / 2**20:.0f} MiB"
        )


def memory_of_cache(vocabulary: Vocabulary, num_grammars: int) -> CacheMemory:
    """Compile that many different schemas into one cache, and write the beginning of a document under each."""
    compiler = GrammarCompiler(vocabulary, max_cached=num_grammars, max_cached_bytes=MAX_CACHED_BYTES)
    compiler.warm_up()
    row = torch.zeros(vocabulary.mask_words, dtype=torch.int32)  # [mask_words]
    gc.collect()
    before = _resident_bytes()
    for number, name in enumerate(islice(cycle(REAL_WORLD), num_grammars)):
        schema = {"type": "object", "properties": {f"number_{number}": SCHEMAS[name]}, "required": [f"number_{number}"]}
        schema["$defs"] = SCHEMAS[name].get("$defs", {})
        matcher = compiler.compile(JsonSchema(json.dumps(schema))).new_matcher()
        for _ in range(NUM_TOKENS):
            matcher.fill_bitmask(row)
            forced = matcher.forced_bytes()[:1]
            if not forced or not matcher.accept(vocabulary.token_ids_beginning(forced)[0]):
                break
    gc.collect()
    return CacheMemory(
        vocabulary.vocab_size,
        num_grammars,
        MAX_CACHED_BYTES,
        len(compiler),
        compiler.num_cached_bytes,
        _resident_bytes() - before,
    )


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
