"""What the tests of constraints share: a vocabulary with tokens of many bytes, and walks through masks."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import jsonschema
import pytest
import torch

from palmette.grammar.bitmask import allowed_token_ids
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.matcher import Matcher
from palmette.grammar.spec import Constraint, JsonSchema
from palmette.grammar.vocabulary import Vocabulary

_LONGER = (
    '{"', '"}', '":', '","', '": "', ", ", '"]', "[]", "{}", "},{", "\n  ", "ab", "abc", "  ", "true", "null", "12",
    "0.", "-1", "é", "漢", "\\u", "\\ud83d", "\\n", "cat", "dog", "T00:", "2024-", "99", "00", ",1", 'a"', '"a',
)  # fmt: skip
STOP_TOKEN_ID = 256 + len(_LONGER) + 1


@dataclass(frozen=True)
class Walker:
    """Walks masks at random over one vocabulary."""

    vocabulary: Vocabulary
    compiler: GrammarCompiler

    def mask(self, matcher: Matcher) -> list[int]:
        """The tokens that may come next."""
        row = torch.full((self.vocabulary.mask_words,), 0x5A5A5A5A, dtype=torch.int32)
        is_restricted = matcher.fill_bitmask(row)
        allowed = allowed_token_ids(row)
        assert is_restricted is (len(allowed) < self.vocabulary.vocab_size)
        return allowed

    def walk(self, constraint: Constraint, seed: int, max_tokens: int = 60) -> str | None:
        """A text made of random allowed tokens, ended as soon as it may after `max_tokens`; None where it got too long.

        Past `max_tokens` the walk takes the token after which the text is nearest to its end, as closing ones are.
        """
        rng = random.Random(seed)
        matcher = self.compiler.compile(constraint).new_matcher()
        text = b""
        for step in range(max_tokens * 8):
            allowed = self.mask(matcher)
            if not allowed:  # a dead end, which only a guard leaves: an engine would take tokens back
                assert matcher.num_revocable_tokens, f"no token may follow {text!r}"
                return None
            assert (STOP_TOKEN_ID in allowed) is matcher.is_completed
            assert matcher.is_terminated is (allowed == [STOP_TOKEN_ID])
            may_go_on = [token_id for token_id in allowed if token_id != STOP_TOKEN_ID]
            if not may_go_on or (matcher.is_completed and (step > max_tokens or rng.random() < 0.3)):
                return text.decode()
            if step > max_tokens:
                closing = [i for i in may_go_on if self.vocabulary.token_bytes[i] in (b'"', b"}", b"]", b"0", b"e")]
                may_go_on = closing or may_go_on
            token_id = rng.choice(may_go_on)
            assert matcher.accept(token_id)
            text += self.vocabulary.token_bytes[token_id] or b""
        return None

    def check_documents(self, constraint: JsonSchema, num_walks: int = 8) -> int:
        """Every finished walk parses and validates; returns how many finished."""
        validator = jsonschema.Draft202012Validator(exact_json(constraint.schema))
        num_finished = 0
        for seed in range(num_walks):
            text = self.walk(constraint, seed)
            if text is not None:
                document = exact_json(text)
                errors = [error.message for error in validator.iter_errors(document)]
                assert not errors, (constraint, text, errors)
                num_finished += 1
        return num_finished


def exact_json(text: str) -> object:
    """`text` parsed without rounding: floats are decimals, whole ones integers, as JSON Schema sees them."""

    def read(number: str) -> Decimal | int:
        value = Decimal(number)
        return int(value) if value == value.to_integral_value() else value

    return json.loads(text, parse_float=read)


@pytest.fixture(scope="session")
def walker() -> Walker:
    """One for all tests: compiled grammars are kept."""
    tokens = (*(bytes([byte]) for byte in range(256)), *(text.encode() for text in _LONGER), None, b"<stop>", None)
    vocabulary = Vocabulary(tokens, frozenset({STOP_TOKEN_ID}))
    return Walker(vocabulary, GrammarCompiler(vocabulary))


@pytest.fixture(scope="session")
def schema_of() -> Callable[..., JsonSchema]:
    """A constraint from a schema as Python data."""

    def make(schema: object, **options: object) -> JsonSchema:
        return JsonSchema(json.dumps(schema), **{"whitespace": "compact", **options})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def exact() -> Callable[[str], object]:
    """See `exact_json`."""
    return exact_json
