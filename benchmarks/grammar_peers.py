"""The engines side by side: each compiles a JSON Schema and fills masks, through one small face."""

import json
from collections.abc import Callable
from typing import Any, Protocol

import llguidance
import outlines_core
import torch
import xgrammar
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.errors import GrammarError
from palmette.grammar.matcher import Matcher
from palmette.grammar.spec import JsonSchema
from palmette.grammar.vocabulary import Vocabulary


class Refused(Exception):
    """The engine does not take the schema; the message is its reason."""


class Walk(Protocol):
    """One text on its way."""

    def fill(self, row: Tensor) -> None:
        """Write the mask: [mask_words] int32."""

    def accept(self, token_id: int) -> bool:
        """Go one token on; False where it is forbidden."""

    def may_end(self) -> bool:
        """Whether the text may end here."""


class Engine(Protocol):
    """One way from a schema to masks."""

    name: str

    def compile(self, schema: dict[str, Any]) -> Callable[[], Walk]:
        """Compile, nothing of it known from before; raises `Refused`. Returns what begins a text under it."""

    def compile_free(self, schema: dict[str, Any]) -> Callable[[], Walk] | None:
        """The same for texts that may be tokenised in any way, as the documents are; None where `compile` does that."""


class Palmette:
    """This project: front, guards and the engine it chooses."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.name = "palmette"
        self._compiler = GrammarCompiler(vocabulary)
        self._compiler.warm_up()

    def compile(self, schema: dict[str, Any]) -> Callable[[], Walk]:
        """See `Engine`."""
        try:
            compiled = self._compiler.compile(JsonSchema(json.dumps(schema), whitespace="compact"))
        except GrammarError as error:
            raise Refused(str(error)) from error
        return lambda: _PalmetteWalk(compiled.new_matcher())

    def compile_free(self, _schema: dict[str, Any]) -> None:
        """See `Engine`."""


class _PalmetteWalk:
    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self.fill = matcher.fill_bitmask
        self.accept = matcher.accept

    def may_end(self) -> bool:
        return self._matcher.is_completed


class XGrammar:
    """xgrammar with its own reading of JSON Schema."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.name = "xgrammar"
        info = xgrammar.TokenizerInfo(
            list(vocabulary.text_tokens),
            xgrammar.VocabType.RAW,
            vocab_size=vocabulary.vocab_size,
            stop_token_ids=sorted(vocabulary.stop_token_ids),
        )
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)

    def compile(self, schema: dict[str, Any]) -> Callable[[], Walk]:
        """See `Engine`."""
        try:
            compiled = self._compiler.compile_json_schema(
                json.dumps(schema), any_whitespace=False, separators=(",", ":"), strict_mode=False
            )
        except RuntimeError as error:
            raise Refused(str(error)) from error
        return lambda: _XGrammarWalk(xgrammar.GrammarMatcher(compiled))

    def compile_free(self, _schema: dict[str, Any]) -> None:
        """See `Engine`."""


class _XGrammarWalk:
    def __init__(self, matcher: xgrammar.GrammarMatcher) -> None:
        self._matcher = matcher
        self.accept = matcher.accept_token

    def fill(self, row: Tensor) -> None:
        self._matcher.fill_next_token_bitmask(row.unsqueeze(0))

    def may_end(self) -> bool:
        return bool(self._matcher.is_completed())


class LLGuidance:
    """llguidance with its own reading of JSON Schema."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.name = "llguidance"
        self._tokenizer = LLTokenizer(
            llguidance.TokenizerWrapper(_Tokens(vocabulary)), slices=LLTokenizer.json_slices()
        )

    def compile(self, schema: dict[str, Any]) -> Callable[[], Walk]:
        """See `Engine`."""
        options: Any = {"item_separator": ",", "key_separator": ":", "whitespace_flexible": False}
        return self._walks(LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options))

    def compile_free(self, schema: dict[str, Any]) -> Callable[[], Walk] | None:
        """See `Engine`: where text is forced its masks hold one tokenisation alone, unless a Lark option says not."""
        options = {"item_separator": ",", "key_separator": ":", "whitespace_flexible": False}
        text = json.dumps({**schema, "x-guidance": options})
        return self._walks(f'%llguidance {{"no_forcing": true}}\nstart: %json {text}\n')

    def _walks(self, grammar: str) -> Callable[[], Walk]:
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise Refused(matcher.get_error())
        return lambda: _LLGuidanceWalk(matcher.deep_copy())


class _Tokens:
    """What llguidance asks of a tokenizer."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        (self.eos_token_id,) = vocabulary.stop_token_ids
        self.bos_token_id = None
        self.tokens = [text or b"<|end|>" for text in vocabulary.text_tokens]
        self.special_token_ids = [self.eos_token_id]
        self._bytes = {text: token_id for token_id, text in enumerate(vocabulary.text_tokens) if len(text) == 1}

    def __call__(self, text: bytes) -> list[int]:
        return [self._bytes[bytes([byte])] for byte in text]


class _LLGuidanceWalk:
    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def fill(self, row: Tensor) -> None:
        self._matcher.unsafe_compute_mask_ptr(row.data_ptr(), 4 * row.numel())

    def accept(self, token_id: int) -> bool:
        return self._matcher.try_consume_tokens([token_id]) == 1

    def may_end(self) -> bool:
        return self._matcher.is_accepting()


class OutlinesCore:
    """outlines-core: the schema as one regular expression, its automaton over tokens built at once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.name = "outlines-core"
        (stop,) = vocabulary.stop_token_ids
        token_ids: dict[bytes, list[int]] = {}
        for token_id, text in enumerate(vocabulary.text_tokens):
            if text:
                token_ids.setdefault(text, []).append(token_id)
        self._vocabulary = outlines_core.Vocabulary(stop, token_ids)

    def compile(self, schema: dict[str, Any]) -> Callable[[], Walk]:
        """See `Engine`."""
        try:
            pattern = outlines_core.json_schema.build_regex_from_schema(json.dumps(schema), whitespace_pattern="")
            index = outlines_core.Index(pattern, self._vocabulary)
        except (ValueError, RuntimeError) as error:
            raise Refused(str(error)) from error
        return lambda: _OutlinesWalk(outlines_core.Guide(index))

    def compile_free(self, _schema: dict[str, Any]) -> None:
        """See `Engine`."""


class _OutlinesWalk:
    def __init__(self, guide: Any) -> None:
        self._guide = guide

    def fill(self, row: Tensor) -> None:
        self._guide.write_mask_into(row.data_ptr(), row.numel(), 4)

    def accept(self, token_id: int) -> bool:
        if not self._guide.accepts_tokens([token_id]):
            return False
        self._guide.advance(token_id, return_tokens=False)
        return True

    def may_end(self) -> bool:
        return bool(self._guide.is_finished())


def empty_row(vocabulary: Vocabulary) -> Tensor:
    """A row to fill: [mask_words] int32."""
    return torch.zeros(vocabulary.mask_words, dtype=torch.int32)
