"""GuardedMatcher: its masks against a slow reading of the plan, token by token, wherever tokens cut the text."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
import torch
from any_json import AnyJson, AnyJsonMatcher, dump
from guard_plans import PlanReading, plan_of, whole_plan_of
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.bitmask import allowed_token_ids, pack_row
from palmette.grammar.errors import GrammarError
from palmette.grammar.guards.frames import FramePosition
from palmette.grammar.guards.guard_plan import Check, GuardNode, GuardPlan
from palmette.grammar.guards.guarded_grammar import GuardedGrammar
from palmette.grammar.guards.guarded_matcher import GuardedMatcher
from palmette.grammar.guards.json_value_reader import read_json
from palmette.grammar.guards.location import Kind, Location
from palmette.grammar.guards.open_string import known_beginning
from palmette.grammar.guards.outcome import Failure
from palmette.grammar.guards.validator import Validator
from palmette.grammar.json_schema.document import SchemaDocument
from palmette.grammar.vocabulary import Vocabulary

SUITE = Path(__file__).parents[4] / "shared" / "data" / "json-schema-test-suite"
TOKENS = (
    *'{}[],:"\\ab015.-e nl', "u0061", "true", "nul", "false", "tr", "ue", '"}', '"]', '",', '":', '{"', '["', '","',
    '"a"', '"b":', '"a":1', "1}", "1]", "1,", ",1", "]}", "}}", "]]", "},", "{}", "[]", '""', '"a":[', "ab", '\\"',
    '"],"', '":1}', "1,1", "e1", "0]}", 'a"', 'b"}', "l}", "e]", '{"a":{', '"b":"', "5,5]", ' "', ": ", ", ",
    '\\u0061"',
)  # fmt: skip
BYTES = ["é".encode()[:1], "é".encode()[1:], "é".encode(), 'é"'.encode(), "é".encode()[1:] + b'"']
VOCABULARY = Vocabulary(
    (*(text.encode() for text in TOKENS), *BYTES, None, b"<stop>", b""), frozenset({len(TOKENS) + 6})
)
[STOP] = VOCABULARY.stop_token_ids
BYTE_VOCABULARY = Vocabulary((*(bytes([byte]) for byte in range(256)), None), frozenset({256}))
IDS = {text: token_id for token_id, text in enumerate(VOCABULARY.text_tokens) if text}


def mask(matcher: GuardedMatcher | AnyJsonMatcher) -> list[int]:
    row = torch.full((VOCABULARY.mask_words,), 0x5A5A5A5A, dtype=torch.int32)
    is_restricted = matcher.fill_bitmask(row)
    assert is_restricted is (len(allowed_token_ids(row)) < VOCABULARY.vocab_size)
    return allowed_token_ids(row)


def compile_plan(plan: GuardPlan, *, max_len: int = 40, has_space: bool = False) -> GuardedGrammar:
    return GuardedGrammar(AnyJson(VOCABULARY, max_len, has_space), plan, VOCABULARY, looks_ahead=False)


def text_of(token_ids: list[int]) -> bytes:
    return b"".join(VOCABULARY.text_tokens[token_id] for token_id in token_ids)


def expected_mask(plan: GuardPlan, inner: AnyJsonMatcher) -> list[int]:
    """Every allowed token, judged by reading the text from its beginning."""
    reading, text = PlanReading(plan), inner.texts[-1]
    return [
        token_id
        for token_id in mask(inner)
        if not reading.is_broken(text + VOCABULARY.text_tokens[token_id], is_end=token_id == STOP)
    ]


_leaf = st.sampled_from(
    [
        {"type": "string"}, {"type": "number"}, {"const": "a"}, {"enum": [1, "ab", None, True]}, {"multipleOf": 5},
        {"not": {"const": 1}}, {"minLength": 2}, {"pattern": "^a"}, {"maximum": 1}, False, True, {"const": False},
    ]
)  # fmt: skip


def _schemas(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    members = st.dictionaries(st.sampled_from(["a", "b", "é"]), inner, max_size=2)
    keywords = {
        "properties": members,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
        "additionalProperties": inner,
        "propertyNames": st.sampled_from([{"maxLength": 1}, {"enum": ["a", "b"]}]),
        "minProperties": st.integers(0, 2),
        "maxProperties": st.integers(0, 1),
        "required": st.just(["a"]),
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "uniqueItems": st.just(True),
        "contains": inner,
        "maxContains": st.just(1),
        "maxItems": st.integers(0, 2),
        "minItems": st.integers(0, 2),
        "if": inner,
        "then": inner,
        "not": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=2, max_size=2),
        "unevaluatedProperties": inner,
    }
    chosen = st.lists(st.sampled_from(list(keywords)), min_size=1, max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: keywords[name] for name in names}))


schemas = st.recursive(_leaf, _schemas, max_leaves=5)


@settings(max_examples=100, deadline=None)
@given(schemas, st.booleans(), st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_masks_are_those_of_a_slow_reading(
    schema: object, is_whole: bool, has_space: bool, has_unique_keys: bool, rng: random.Random
) -> None:
    plan = whole_plan_of(schema) if is_whole else plan_of(schema)
    plan.root.unique_keys = has_unique_keys
    grammar = compile_plan(plan, has_space=has_space)
    matcher, inner = grammar.new_matcher(), grammar.inner.new_matcher()
    assert isinstance(inner, AnyJsonMatcher)
    for _ in range(10):
        allowed = mask(matcher)
        assert allowed == expected_mask(plan, inner), (schema, inner.texts[-1])
        assert (STOP in allowed) is matcher.is_completed
        assert matcher.is_terminated is (allowed == [STOP])
        for token_id in rng.sample(range(VOCABULARY.vocab_size), 3):
            twin = matcher.fork()
            assert twin.accept(token_id) is (token_id in allowed and token_id != STOP)
        may_go_on = [token_id for token_id in allowed if token_id != STOP]
        if not may_go_on:
            break
        token_id = rng.choice(may_go_on)
        assert matcher.accept(token_id)
        assert inner.accept(token_id)


@settings(max_examples=30, deadline=None)
@given(schemas, st.randoms(use_true_random=False))
def test_walks_back_and_aside_are_as_fresh_ones(schema: object, rng: random.Random) -> None:
    grammar = compile_plan(plan_of(schema))
    matcher, taken = grammar.new_matcher(), list[int]()
    for _ in range(25):
        match rng.choice(("accept", "accept", "accept", "rollback", "fork")):
            case "accept":
                may_go_on = [token_id for token_id in mask(matcher) if token_id != STOP]
                if may_go_on:
                    taken.append(rng.choice(may_go_on))
                    assert matcher.accept(taken[-1])
            case "rollback":
                num_back = rng.randint(0, len(taken))
                matcher.rollback(num_back)
                del taken[len(taken) - num_back :]
            case _:
                twin = matcher.fork()
                for token_id in rng.sample(range(VOCABULARY.vocab_size), 10):
                    twin.accept(token_id)
        fresh = grammar.new_matcher()
        assert all(map(fresh.accept, taken))
        assert mask(fresh) == mask(matcher)
        assert fresh.num_revocable_tokens == matcher.num_revocable_tokens
    with pytest.raises(ValueError, match="num_tokens"):
        matcher.rollback(len(taken) + 1)


@pytest.mark.skipif(not SUITE.is_dir(), reason=f"the suite is not at {SUITE}")
@pytest.mark.parametrize("is_whole", [False, True])
def test_the_official_suite_through_masks(is_whole: bool) -> None:
    num_right = 0
    for path in sorted((SUITE / "draft2020-12").glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            try:
                plan = whole_plan_of(group["schema"]) if is_whole else plan_of(group["schema"], asserts_format=False)
                validator = Validator(plan.document, asserts_format=False)
                grammar = GuardedGrammar(_Anything(BYTE_VOCABULARY), plan, BYTE_VOCABULARY)
                for test in group["tests"]:
                    validator.outcome(plan.document.root, read_json(dump(test["data"])))
                    matcher = grammar.new_matcher()
                    is_accepted = all(map(matcher.accept, dump(test["data"]))) and matcher.is_completed
                    assert is_accepted is test["valid"], (path.name, group["description"], test)
            except GrammarError:  # references to other documents, classes of Unicode
                continue
            num_right += 1
    assert num_right >= 350


@pytest.mark.parametrize(
    ("schema", "text", "has_unique_keys"),
    [
        ({"properties": {}, "not": {"properties": {"a": {"const": "ab"}}}}, '{"a":"a', False),
        ({"not": {"properties": {"b": {"const": "ab"}}, "required": ["b"]}}, '{"b":"a', False),
        ({"uniqueItems": True}, '["a","', False),
        ({"uniqueItems": True, "minItems": 3}, '["ab","a', False),
        ({"minProperties": 2}, '{"a', True),
        ({"minProperties": 2}, '{"a":1,"', True),
        ({"properties": {"a": {"not": {"enum": ["ab", "b"]}}}, "minProperties": 2}, '{"a":"', False),
        ({"contains": {"const": "a"}, "maxContains": 1}, '["a","', False),
        ({"contains": {"pattern": "^a"}, "maxContains": 1, "items": {"maxLength": 1}}, '["a","', False),
        ({"maxItems": 1}, '["a","', False),
        ({"items": {"pattern": "b$"}, "minItems": 2}, '["a', False),
        ({"propertyNames": {"maxLength": 1}, "maxProperties": 1}, '{"a":1,"', False),
        ({"properties": {"a": {"uniqueItems": True}}, "maxProperties": 1}, '{"a":[1,', False),
    ],
)
def test_masks_inside_strings(schema: object, text: str, has_unique_keys: bool) -> None:
    plan = plan_of(schema)
    plan.root.unique_keys = has_unique_keys
    grammar = compile_plan(plan)
    matcher, inner = grammar.new_matcher(), grammar.inner.new_matcher()
    assert isinstance(inner, AnyJsonMatcher)
    for byte in text.encode():
        assert matcher.accept(IDS[bytes((byte,))])
        assert inner.accept(IDS[bytes((byte,))])
        assert mask(matcher) == expected_mask(plan, inner), inner.texts[-1]
    assert mask(matcher) != mask(inner)


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"ab", "ab"), ("é".encode()[:1], ""), (b"a\\", "a"), (b"a\\u00", "a"), (b"\\ud83d", ""), (b"\\ud83d\\ude0", ""),
     (b"\\ud83d\\ude00", "\U0001f600"), (b"\\n\\\\", "\n\\"), (b"\\u00e9x", "éx")],
)  # fmt: skip
def test_what_a_string_begins_with(raw: bytes, text: str) -> None:
    assert text.startswith(known_beginning(raw))
    assert known_beginning(raw) == text


def test_finished_walks_are_valid() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "uniqueItems": True, "items": {"enum": [1, 5, "a", True]}},
            "b": {"not": {"multipleOf": 5}},
        },
        "if": {"required": ["a"]},
        "then": {"required": ["b"]},
        "minProperties": 1,
        "propertyNames": {"enum": ["a", "b"]},
    }
    grammar = compile_plan(plan_of(schema), max_len=26)
    num_finished = 0
    for seed in range(70):
        rng = random.Random(seed)
        matcher, taken = grammar.new_matcher(), [IDS[text] for text in (b"{", rng.choice((b'"a":[', b'"b":"')))]
        assert all(map(matcher.accept, taken))
        while (allowed := mask(matcher)) and STOP not in allowed:
            is_in_string = IDS[b"ab"] in allowed
            wanted = (b'"',) if is_in_string else (b"]", b"}", b'"b":', b",", b"1", b"5")
            closing = [IDS[text] for text in wanted if IDS[text] in allowed]
            taken.append(rng.choice(closing if closing and len(taken) > 4 else allowed))
            assert matcher.accept(taken[-1])
        if allowed:
            num_finished += 1
            jsonschema.Draft202012Validator(schema).validate(json.loads(text_of(taken)))
        else:
            assert matcher.num_revocable_tokens > 0
    assert num_finished >= 3


def test_what_dead_ends_may_take_back() -> None:
    grammar = compile_plan(plan_of({"properties": {"a": {"items": {"uniqueItems": True}}, "b": {"multipleOf": 5}}}))
    matcher = grammar.new_matcher()

    def go_on(*texts: str) -> int:
        assert all(matcher.accept(IDS[text.encode()]) for text in texts)
        return matcher.num_revocable_tokens

    assert go_on('{"', "a", '":') == 0
    assert go_on("[") == 0
    assert go_on("[") == 1
    assert go_on("1", ",") == 3
    assert not matcher.accept(IDS[b"1,"])
    assert go_on("5,5]") == 0 if matcher.accept(IDS[b"5,5]"]) else True
    assert go_on("0", "]]") == 0
    assert go_on(",", '"b":') == 0
    assert go_on("1") == 1
    assert IDS[b"}"] not in mask(matcher)
    assert go_on("5") == 2
    assert go_on("}") == 0
    assert mask(matcher) == [STOP]


def test_a_number_that_is_the_text_closes_at_its_end() -> None:
    matcher = compile_plan(plan_of({"multipleOf": 5}), max_len=3).new_matcher()
    assert matcher.accept(IDS[b"1"])
    assert not matcher.is_completed
    assert STOP not in mask(matcher)
    assert matcher.num_revocable_tokens == 1
    assert matcher.accept(IDS[b"1"])
    assert matcher.accept(IDS[b"1"])
    assert mask(matcher) == []
    assert not matcher.is_terminated
    matcher.rollback(1)
    assert matcher.accept(IDS[b"5"])
    assert mask(matcher) == [STOP]
    assert matcher.is_terminated


def test_a_repeated_key_is_seen_through_its_escapes() -> None:
    plan = GuardPlan(SchemaDocument("true"), GuardNode(unique_keys=True))
    matcher = compile_plan(plan).new_matcher()
    for text in ('{"', "a", '":', "1", '","'[1:2], '"', "\\", "u0061"):
        assert matcher.accept(IDS[text.encode()]), text
    assert IDS[b'":'] not in mask(matcher)
    assert IDS[b"b"] in mask(matcher)


def test_checks_of_what_does_not_hang_on_a_string_are_asked_once_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of({"minProperties": 2, "properties": {"a": {"type": "string"}}})
    plan.root.properties["a"] = None
    matcher = compile_plan(plan).new_matcher()
    assert all(matcher.accept(IDS[text]) for text in (b'{"', b"a", b'":', b'"'))
    judged: list[bytes] = []
    judge = Location.judge

    def noted(location: Location, kind: Kind, text: bytes, sketch: str | None) -> Failure | None:
        judged.append(text)
        return judge(location, kind, text, sketch)

    monkeypatch.setattr(Location, "judge", noted)
    for _ in range(5):
        allowed = mask(matcher)
        assert IDS[b'"}'] not in allowed
        assert IDS[b'b"}'] not in allowed
        assert IDS[b'"'] in allowed
        assert matcher.accept(IDS[b"b"])
    assert len(judged) == len(set(judged)) > 0


def test_what_was_settled_of_a_longer_string_is_asked_again_of_a_shorter_one() -> None:
    matcher = compile_plan(plan_of({"not": {"enum": ["a", "bb"]}, "items": {"maxLength": 1}})).new_matcher()
    assert all(matcher.accept(IDS[text]) for text in (b'"', b"a"))
    assert IDS[b'"'] not in mask(matcher)
    assert matcher.accept(IDS[b"b"])
    assert IDS[b'"'] in mask(matcher)
    matcher.rollback(1)
    assert IDS[b'"'] not in mask(matcher)
    matcher.rollback(2)
    assert all(matcher.accept(IDS[text]) for text in (b'["', b"ab"))
    assert not {IDS[b'"'], IDS[b'"]'], IDS[b'a"']} & set(mask(matcher))
    matcher.rollback(1)
    assert {IDS[b'"'], IDS[b'"]'], IDS[b'a"']} <= set(mask(matcher))


@dataclass(frozen=True)
class _Position:
    """Documents stand right behind each `=`."""

    guards: GuardPlan
    is_document: bool = False

    @property
    def plan(self) -> GuardPlan | None:
        return self.guards if self.is_document else None

    def after_document(self) -> FramePosition:
        return _Position(self.guards)

    def advance(self, byte: int) -> FramePosition:
        assert not self.is_document
        return _Position(self.guards, byte == ord("="))

    def start(self) -> FramePosition:
        return self


@dataclass(frozen=True)
class _Anything:
    """A grammar of all texts whatever."""

    vocabulary: Vocabulary

    def new_matcher(self) -> "_AnythingMatcher":
        return _AnythingMatcher(self.vocabulary, [])


class _AnythingMatcher(AnyJsonMatcher):
    def __init__(self, vocabulary: Vocabulary, taken: list[int]) -> None:
        self.vocabulary = vocabulary
        self.taken = taken

    def fill_bitmask(self, row: torch.Tensor) -> bool:
        row.copy_(pack_row(range(self.vocabulary.vocab_size), len(row)))
        return False

    def accept(self, token_id: int) -> bool:
        self.taken.append(token_id)
        return True

    def rollback(self, num_tokens: int) -> None:
        del self.taken[len(self.taken) - num_tokens :]

    def fork(self) -> "_AnythingMatcher":
        return _AnythingMatcher(self.vocabulary, list(self.taken))

    @property
    def is_completed(self) -> bool:
        return True


def test_documents_inside_a_text() -> None:
    texts = (
        b"=",
        b"x",
        b'"',
        b"x=",
        b'={"a":1}',
        b'={"a":5}',
        b'x={"a":1',
        b"}",
        b'{"a":',
        b"5",
        b"1",
        b"}x=",
        b"5}=5",
        b"1}=1",
        b"x=y",
    )
    vocabulary = Vocabulary((*texts, None), frozenset({len(texts)}))
    plan = plan_of({"properties": {"a": {"multipleOf": 5}}, "multipleOf": 5})
    grammar = GuardedGrammar(_Anything(vocabulary), _Position(plan), vocabulary)

    def may_follow(matcher: GuardedMatcher, *candidates: bytes) -> list[bool]:
        row = torch.zeros(vocabulary.mask_words, dtype=torch.int32)
        matcher.fill_bitmask(row)
        allowed = allowed_token_ids(row)
        answers = [texts.index(text) in allowed for text in candidates]
        for text, answer in zip(candidates, answers, strict=True):
            assert matcher.fork().accept(texts.index(text)) is answer
        return answers

    matcher = grammar.new_matcher()
    assert may_follow(matcher, b'={"a":1}', b'={"a":5}', b'x={"a":1', b'"', b"}") == [False, True, True, True, True]
    assert matcher.accept(texts.index(b"x="))
    assert matcher.num_revocable_tokens == 0
    assert matcher.accept(texts.index(b'{"a":'))
    assert may_follow(matcher, b"1", b"5", b"5}=5", b"1}=1") == [True, True, True, False]
    assert matcher.accept(texts.index(b"1"))
    assert matcher.num_revocable_tokens == 1
    assert may_follow(matcher, b"}", b"}x=", b"5}=5", b"1}=1") == [False, False, True, False]
    assert matcher.accept(texts.index(b"5}=5"))
    assert matcher.is_completed
    assert may_follow(matcher, b"x", b"1") == [True, True]
    assert matcher.accept(texts.index(b"1"))
    assert not matcher.is_completed
    assert may_follow(matcher, b"x", b"5") == [False, True]


def test_guards_of_patterns_in_doubt_apply_with_what_else_would() -> None:
    document = SchemaDocument('{"a": {"multipleOf": 5}, "b": {"maximum": 1}}')
    digits = GuardNode(checks=[Check(document.root.child("a"), "multipleOf")])
    others = GuardNode(checks=[Check(document.root.child("b"), "maximum")])
    plan = GuardPlan(document, GuardNode(patterns=[(r"^\d$", digits)], additional=others))
    matcher = GuardedGrammar(_Anything(BYTE_VOCABULARY), plan, BYTE_VOCABULARY).new_matcher()
    cases = {'{"1":5}': True, '{"1":1}': False, '{"x":1}': True, '{"x":5}': False, '{"٣":0}': True, '{"٣":1}': False}
    for text, is_allowed in cases.items():
        twin = matcher.fork()
        assert all(map(twin.accept, text.encode())) is is_allowed, text
