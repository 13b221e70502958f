"""LlguidanceEngine: llguidance's own objects over one vocabulary; free of torch, which compile workers do without."""

from collections.abc import Sequence

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from ..errors import GrammarError
from ..vocabulary import Vocabulary

MAX_LEXER_STATES = 100_000
"""States of one grammar's lexer, all branches together; each takes about 1 kB."""
MAX_LEXER_FUEL = 5_000_000
MAX_STEP_FUEL = 1_000_000
"""Steps of work on derivatives in one mask: about 70 ms, far more than any mask needs that was seen to end."""
MAX_STEP_ITEMS = 50_000


class EngineRefusal(GrammarError):
    """The engine does not take a grammar; `message` is its own."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(
            f"constraint: expected a grammar that llguidance takes, got its error: {message.partition(chr(10))[0]}"
        )


class LlguidanceEngine:
    """llguidance over one vocabulary. Thread-safe."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Sorts the tokens into a trie: about 0.1 s for 32 k tokens."""
        self.vocabulary = vocabulary
        self.limits = LLParserLimits(
            initial_lexer_fuel=MAX_LEXER_FUEL,
            step_lexer_fuel=MAX_STEP_FUEL,
            step_max_items=MAX_STEP_ITEMS,
            max_lexer_states=MAX_LEXER_STATES,
            verbose_errors=False,
        )
        tokens = [b"" if text.startswith(b"\xff") else text for text in vocabulary.text_tokens]
        stops = sorted(vocabulary.stop_token_ids)
        if not stops:  # it needs one: a token past the vocabulary, which no row has a bit for
            stops = [len(tokens)]
            tokens.append(b"")
        self.num_mask_bytes = (len(tokens) + 31) // 32 * 4
        wrapper = TokenizerWrapper(_Tokens(tokens, stops[0]))
        self.tokenizer = LLTokenizer(wrapper, eos_token=stops, slices=LLTokenizer.json_slices())

    def matcher(self, grammar: str) -> LLMatcher:
        """Its own matcher of a grammar. Raises `EngineRefusal`."""
        matcher = LLMatcher(self.tokenizer, LLMatcher.grammar_from_lark(grammar), log_level=0, limits=self.limits)
        if matcher.is_error():
            raise EngineRefusal(matcher.get_error())
        return matcher


class _Tokens:
    """A vocabulary as llguidance's wrapper asks for it; it is never asked to tokenise."""

    bos_token_id = None

    def __init__(self, tokens: Sequence[bytes], eos_token_id: int) -> None:
        self.tokens = tokens
        self.eos_token_id = eos_token_id
        self.special_token_ids: list[int] = []

    def __call__(self, _text: bytes) -> list[int]:
        return []
