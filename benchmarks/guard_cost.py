"""Guard cost: what following and narrowing by guards adds to the engine's own work, over texts that were generated."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from palmette.grammar.compiler import compile_prepared
from palmette.grammar.engines.engine_set import EngineSet
from palmette.grammar.front import PreparedGrammar, prepare
from palmette.grammar.guards.guarded_grammar import GuardedGrammar
from palmette.grammar.matcher import CompiledGrammar
from palmette.grammar.spec import JsonSchema


class GuardClock:
    """Times walks through texts with guards and without, over one vocabulary."""

    def __init__(self, engines: EngineSet) -> None:
        self._engines = engines
        self._row = torch.zeros(engines.vocabulary.mask_words, dtype=torch.int32)  # [mask_words]
        self.num_guarded = 0
        """Schemas that have guards at all."""

    def added_s(self, schema: str, texts: Sequence[Sequence[int]]) -> float:
        """Seconds of this thread's time that guards add to the masks and steps of all `texts`, given as token ids.

        0 where a schema has no guards. The engine's part is walked once before it is timed, as it builds while it is
        used; what guards remember is new, as it is for the first request.
        """
        prepared = prepare(JsonSchema(schema))
        if prepared.guards is None:
            return 0.0
        self.num_guarded += 1
        inner = compile_prepared(PreparedGrammar(prepared.choice), self._engines)
        guarded = GuardedGrammar(inner, prepared.guards, self._engines.vocabulary)
        seconds = 0.0
        for token_ids in texts:
            _walk(inner, token_ids, self._row)
            seconds -= _walk(inner, token_ids, self._row)
            seconds += _walk(guarded, token_ids, self._row)
        return max(0.0, seconds)


def _walk(grammar: CompiledGrammar, token_ids: Sequence[int], row: Tensor) -> float:
    """Seconds for a mask before each token and one at the end."""
    start = time.thread_time()
    matcher = grammar.new_matcher()
    for token_id in token_ids:
        matcher.fill_bitmask(row)
        if not matcher.accept(token_id):  # the end of the text, which is not part of the walk
            break
    return time.thread_time() - start
