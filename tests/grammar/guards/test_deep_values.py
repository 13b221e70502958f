"""Values within values: what a mask looks into is bounded, and nothing fails for want of Python's frames."""

import pytest
import torch

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.guards import look_ahead
from palmette.grammar.guards.validator import Allowance, Validator
from palmette.grammar.json_schema.document import SchemaDocument
from palmette.grammar.spec import JsonSchema
from palmette.grammar.vocabulary import Vocabulary

TWO_WAYS_DOWN = (
    '{"oneOf": [{"items": {"$ref": "#"}}, {"items": false}]}',
    '{"prefixItems": [{"items": {"$ref": "#"}}], "contains": {"items": {"$ref": "#"}}, "maxContains": 0}',
    '{"oneOf": [{"additionalProperties": {"$ref": "#"}}], "not": {"additionalProperties": {"$ref": "#"}}}',
)
VOCABULARY = Vocabulary((*(bytes([byte]) for byte in range(256)), None), frozenset({256}))
COMPILER = GrammarCompiler(VOCABULARY)


@pytest.mark.parametrize("schema", TWO_WAYS_DOWN)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_mask_asks_a_bounded_number_of_schemas(schema: str, opening: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    judge = Validator._judge

    def counting(validator: Validator, node: object, value: object) -> object:
        nonlocal asked
        asked += 1
        return judge(validator, node, value)  # type: ignore[arg-type]

    monkeypatch.setattr(Validator, "_judge", counting)
    matcher = COMPILER.compile(JsonSchema(schema, "compact", "literal")).new_matcher()
    row = torch.zeros(VOCABULARY.mask_words, dtype=torch.int32)
    for depth in range(1, 701):
        for byte in opening.encode():
            if not matcher.accept(byte):
                assert depth > 1, "the schema allows no such value"
                return
        if depth in (5, 20, 40, 60, 70, 200, 700):
            asked = 0
            matcher.fill_bitmask(row)
            assert asked <= 2 * look_ahead.MAX_ASKED


def test_deep_values_close() -> None:
    """Hundreds of values within values: refused at the worst, and never an error of Python's."""
    matcher = COMPILER.compile(JsonSchema('{"items": {"$ref": "#"}, "uniqueItems": true}', "compact")).new_matcher()
    row = torch.zeros(VOCABULARY.mask_words, dtype=torch.int32)
    for byte in b"[" * 900 + b"]" * 900:
        matcher.fill_bitmask(row)
        if not matcher.accept(byte):
            return
    assert matcher.is_completed


def test_a_schema_is_asked_about_a_value_once() -> None:
    """Two ways down at each of 40 levels would be a million million questions."""
    document = SchemaDocument('{"oneOf": [{"items": {"$ref": "#"}, "minItems": 9}, {"items": {"$ref": "#"}}]}')
    value: list[object] = []
    for _ in range(40):
        value = [value]
    validator = Validator(document)
    assert validator.is_valid(document.root, value)  # type: ignore[arg-type]
    allowance = Allowance(1_000)
    validator.keyword_outcome(document.root, "oneOf", value, allowance)  # type: ignore[arg-type]
    assert 0 < allowance.num_left < 1_000
    small = Allowance(10)
    validator.keyword_outcome(document.root, "oneOf", value, small)  # type: ignore[arg-type]
    assert small.is_used_up
