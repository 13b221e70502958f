"""Bench: one engine on its way through a schema and its documents."""

import time
from typing import Any

from grammar_figures import Figures
from grammar_peers import Engine, Refused, Walk, empty_row
from schema_set.documents import Documents
from tokenizers import Tokenizer

from palmette.grammar.bitmask import is_allowed
from palmette.grammar.vocabulary import Vocabulary


class Bench:
    """One engine on its way through one schema."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        self.engine = engine
        self.figures = Figures(engine.name, vocabulary.vocab_size)
        self._tokenizer = tokenizer
        self._row = empty_row(vocabulary)

    def run(self, name: str, schema: dict[str, Any], documents: Documents) -> None:
        """Compile the schema and walk its documents."""
        figures = self.figures
        figures.num_schemas += 1
        start = time.thread_time()
        try:
            begin = self.engine.compile(schema)
            begin().fill(self._row)
            figures.first_mask_s.append(time.thread_time() - start)
            begin = self.engine.compile_free(schema) or begin
        except Refused as error:
            figures.refused[name] = str(error)[:200]
            return
        figures.num_compiled += 1
        for document in documents.valid:
            figures.num_valid += 1
            if self._accepts(begin(), document, is_timed=True):
                figures.num_valid_accepted += 1
            else:
                figures.turned_away.append(f"{name}: {document[:200]}")
        for document in documents.invalid:
            figures.num_invalid += 1
            if self._accepts(begin(), document, is_timed=False):
                figures.let_through.append(f"{name}: {document[:200]}")
            else:
                figures.num_invalid_rejected += 1

    def _accepts(self, walk: Walk, document: str, *, is_timed: bool) -> bool:
        for token_id in self._tokenizer.encode(document).ids:
            start = time.thread_time()
            walk.fill(self._row)
            filled = time.thread_time()
            if not is_allowed(self._row, token_id):
                return False
            asked = time.thread_time()
            if not walk.accept(token_id):
                return False
            if is_timed:
                self.figures.accept_s.append(time.thread_time() - asked)
                self.figures.mask_s.append(filled - start)
        return walk.may_end()
