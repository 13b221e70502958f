"""llguidance: that our lowering to it is exact, and what was found out of it that this rests on."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_reference import derives, rule_sets

from palmette.grammar.acceptance import BYTE_VOCABULARY, STOP_TOKEN_ID, accepts_compiled
from palmette.grammar.bitmask import allowed_token_ids
from palmette.grammar.engines import llguidance_engine
from palmette.grammar.engines.lark_lowering import OPTIONS, lower_to_lark
from palmette.grammar.engines.lexeme_check import disjoint_groups
from palmette.grammar.engines.lexemes import NotLexable, cut_into_lexemes
from palmette.grammar.engines.llguidance_backend import LlguidanceCompiled
from palmette.grammar.engines.llguidance_engine import EngineRefusal, LlguidanceEngine
from palmette.grammar.engines.xgrammar_backend import XGrammarEngine
from palmette.grammar.errors import ConstraintTooComplex, UnsatisfiableConstraint
from palmette.grammar.front import prepare
from palmette.grammar.matcher import Matcher
from palmette.grammar.notations.ebnf import parse_ebnf
from palmette.grammar.rules.rule_set import RuleSet
from palmette.grammar.spec import JsonSchema, Reasoned, Regex, StructuralTag, Tag, ToolCalls, ToolSpec
from palmette.grammar.vocabulary import Vocabulary

ENGINE = LlguidanceEngine(BYTE_VOCABULARY)
_TEXTS = ["".join(letters) for length in range(5) for letters in product("ab(),", repeat=length)]
_TEXTS += ["é", "aé", "(é)", ", a", "a, a", "(a, b)", "(((a)))", "((a),(b))", "ababab", "bcbcbcbc"]


def _lark(grammar: str) -> LlguidanceCompiled:
    return LlguidanceCompiled(OPTIONS + grammar, ENGINE, "")


@settings(max_examples=60, deadline=None)
@given(rule_sets(), st.randoms(use_true_random=False))
def test_lowering_is_exact(rules: RuleSet, rng: random.Random) -> None:
    try:
        rules = rules.pruned()
        compiled = LlguidanceCompiled(lower_to_lark(rules), ENGINE, "")
    except (UnsatisfiableConstraint, NotLexable):
        return
    texts = rng.sample(_TEXTS, 12)
    texts += [text for text in _TEXTS[:156] if derives(rules, text)][:6]
    for text in texts:
        assert accepts_compiled(compiled, text) is derives(rules, text), text


_RECURSIVE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 9},
        "size": {"type": "number"},
        "next": {"$ref": "#"},
        "list": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
    },
    "required": ["name"],
}


@pytest.mark.parametrize("whitespace", ["compact", "spaced", "flexible", 2])
@pytest.mark.parametrize("schema", [{}, _RECURSIVE], ids=["any JSON", "a tree"])
def test_both_engines_allow_the_same(walker, schema_of, schema: object, whitespace: object) -> None:
    """Over tokens of many bytes, along random walks."""
    choice = prepare(schema_of(schema, whitespace=whitespace)).choice
    assert choice.engine == "llguidance"
    assert choice.lark is not None
    assert choice.rules is not None
    one = LlguidanceCompiled(choice.lark, LlguidanceEngine(walker.vocabulary), "")
    other = XGrammarEngine(walker.vocabulary).compile(choice.rules, "")
    for seed in range(3):
        rng = random.Random(seed)
        left, right = one.new_matcher(), other.new_matcher()
        for _ in range(40):
            allowed = walker.mask(left)
            assert allowed == walker.mask(right)
            assert (left.is_completed, left.is_terminated) == (right.is_completed, right.is_terminated)
            longer = [i for i in allowed if i not in walker.vocabulary.stop_token_ids]
            if not longer:
                break
            token_id = rng.choice(longer)
            assert left.accept(token_id)
            assert right.accept(token_id)


_TREE = '{"type": "object", "properties": {"q": {"type": "string"}, "tree": {"type": "object"}}, "required": ["q"]}'
_COMPOSED = {
    "calls": ToolCalls((ToolSpec("f", _TREE), ToolSpec("g", '{"type": "object"}'))),
    "calls in Python": ToolCalls((ToolSpec("f", _TREE),), format="pythonic"),
    "tags": StructuralTag((Tag("<a>", JsonSchema(_TREE), "</a>"), Tag("<ab>", Regex("[0-9]{2}"), "</ab>")), ("<a",)),
    "thoughts": Reasoned(JsonSchema(_TREE)),
}
_BEGINNINGS = [
    "text <to <tool_call>\n{",
    '<tool_call>\n{"name": "g", "arguments": {"x": [1', '[f(q="a", tree={"b": [None, 1', "<a<a",
    '<a>{"q": "", "tree": {"a": {}}}</a> 12 <ab>12</ab><', "<think>why < </thin</think>{",
]  # fmt: skip


@pytest.mark.parametrize("name", _COMPOSED)
def test_both_engines_allow_the_same_beside_free_text(walker, name: str) -> None:
    choice = prepare(_COMPOSED[name]).choice
    assert choice.engine == "llguidance"
    assert choice.lark is not None
    assert choice.rules is not None
    one = LlguidanceCompiled(choice.lark, LlguidanceEngine(walker.vocabulary), "")
    other = XGrammarEngine(walker.vocabulary).compile(choice.rules, "")
    for seed, beginning in enumerate(_BEGINNINGS):
        rng = random.Random(seed)
        left, right = one.new_matcher(), other.new_matcher()
        bytes_left = list(beginning.encode())
        for _ in range(len(bytes_left) + 12):
            allowed = walker.mask(left)
            assert allowed == walker.mask(right)
            assert (left.is_completed, left.is_terminated) == (right.is_completed, right.is_terminated)
            longer = [i for i in allowed if i not in walker.vocabulary.stop_token_ids]
            if not longer:
                break
            token_id = bytes_left.pop(0) if bytes_left and bytes_left[0] in longer else rng.choice(longer)
            assert left.accept(token_id)
            assert right.accept(token_id)


def test_lexemes_that_are_never_looked_for_together_do_not_clash() -> None:
    """`[a-z]*` goes on where `a` and `ab` do, but stands behind a mark."""
    rules = parse_ebnf('root ::= ("a" | "(" root ")") "b"* "=" [a-z]* ";"').pruned()
    assert accepts_compiled(LlguidanceCompiled(lower_to_lark(rules), ENGINE, ""), "(a=;)b=ab;")
    assert disjoint_groups([0b0011, 0b0100, 0, 0b1000, 0b0110]) == [0b1000, 0b0111]


def test_what_clashes_is_cut_again_or_given_up() -> None:
    rules = parse_ebnf('root ::= "[" root (", " root)* "]" | "{" root (", x" root)* "}" | "x"').pruned()
    lexemes = {
        "".join(getattr(part, "text", "?") for part in parts) for parts in cut_into_lexemes(rules).lexemes.values()
    }
    assert {", ", "x"} <= lexemes
    assert ", x" not in lexemes
    with pytest.raises(NotLexable):
        lower_to_lark(parse_ebnf('root ::= [a-c]+ root "d" | "a"').pruned())


# What was found out


def test_the_longest_match_is_taken() -> None:
    assert not accepts_compiled(_lark('start: A "ab" | B\nA: "a"\nB: "aac"'), "aab")
    assert not accepts_compiled(_lark('start: A "a"\nA: /a+/'), "aa")


def test_only_lexemes_that_may_come_next_are_looked_for() -> None:
    assert accepts_compiled(_lark('start: A "a" | "z" B\nA: "a"\nB: /a+/'), "aa")


@pytest.mark.parametrize("last", "xyz")
def test_all_lexemes_of_one_text_are_kept(last: str) -> None:
    grammar = 'start: A "x" | B "y" | "bb" "z"\nA: /[ab]+/\nB: /[bc]+/'
    assert accepts_compiled(_lark(grammar), "bb" + last)


def test_a_forced_place_allows_one_token_alone_unless_told_otherwise() -> None:
    vocabulary = Vocabulary((b"a", b"b", b"ab", None), frozenset({3}))
    engine = LlguidanceEngine(vocabulary)
    row = torch.zeros(1, dtype=torch.int32)
    LlguidanceCompiled(OPTIONS + 'start: "ab"', engine, "").new_matcher().fill_bitmask(row)
    assert allowed_token_ids(row) == [0, 2]
    with pytest.raises(UnsatisfiableConstraint):  # its wrapper's tokenizer finds no token
        LlguidanceCompiled('start: "ab"', engine, "")


def test_a_consumed_token_that_is_forbidden_ends_its_matcher_and_ours_not() -> None:
    theirs = ENGINE.matcher(OPTIONS + 'start: "ab"')
    assert theirs.try_consume_tokens([ord("x")]) == 0
    assert not theirs.is_error()
    assert not theirs.consume_token(ord("x"))
    assert theirs.is_error()
    ours = _lark('start: "ab"').new_matcher()
    assert not ours.accept(ord("x"))
    assert ours.accept(ord("a"))


@pytest.mark.parametrize("num_padding", [0, 27, 28, 60])
@pytest.mark.parametrize("stops", [frozenset({3}), frozenset({3, 4}), frozenset()])
def test_stop_tokens_padding_doubles_and_odd_tokens(num_padding: int, stops: frozenset[int]) -> None:
    """Duplicates, tokens that are no UTF-8, empty ones, and every width of the last word."""
    tokens = (b"a", b"b", b"a", b"<stop>", None, b"", b"\xff", b"\xffa", b"\xc3", *[None] * num_padding)
    vocabulary = Vocabulary(tokens, stops)
    matcher = LlguidanceCompiled(OPTIONS + "start: /[aé]b?/", LlguidanceEngine(vocabulary), "").new_matcher()
    row = torch.full((vocabulary.mask_words,), -1, dtype=torch.int32)

    def allowed() -> list[int]:
        matcher.fill_bitmask(row)
        return allowed_token_ids(row)

    assert allowed() == [0, 2, 8]
    assert not any(matcher.accept(token_id) for token_id in (1, 3, 4, 5, 6, 7, vocabulary.vocab_size, -1))
    assert matcher.accept(2)
    assert allowed() == [1, *sorted(stops)]
    assert matcher.accept(1)
    assert matcher.is_terminated
    assert allowed() == sorted(stops)
    matcher.rollback(2)
    assert allowed() == [0, 2, 8]


def test_a_grammar_it_refuses_raises() -> None:
    with pytest.raises(EngineRefusal, match="unknown name"):
        _lark("start: nothing")


def test_a_limit_ends_one_text_and_not_the_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llguidance_engine, "MAX_LEXER_STATES", 40)
    compiled = LlguidanceCompiled(OPTIONS + "start: /[ab]*a[ab]{12}/", LlguidanceEngine(BYTE_VOCABULARY), "")
    rng = random.Random(0)
    row = torch.zeros(BYTE_VOCABULARY.mask_words, dtype=torch.int32)
    for _ in range(2):
        matcher = compiled.new_matcher()

        def walk(matcher: Matcher) -> None:
            for _ in range(200):
                matcher.fill_bitmask(row)
                assert set(allowed_token_ids(row)) - {STOP_TOKEN_ID} <= {ord("a"), ord("b")}
                assert matcher.accept(rng.choice(b"ab"))

        with pytest.raises(ConstraintTooComplex, match="states"):
            walk(matcher)
        fresh = compiled.new_matcher()
        fresh.fill_bitmask(row)
        assert allowed_token_ids(row) == [ord("a"), ord("b")]


def test_copies_are_walked_from_many_threads(schema_of) -> None:
    choice = prepare(schema_of(_RECURSIVE)).choice
    assert choice.lark is not None
    compiled = LlguidanceCompiled(choice.lark, ENGINE, "")
    text = b'{"name":"abc","next":{"name":"","list":[{"name":"\xc3\xa9"}]}}'

    def walk(_: int) -> list[list[int]]:
        matcher = compiled.new_matcher()
        row = torch.zeros(BYTE_VOCABULARY.mask_words, dtype=torch.int32)
        masks = []
        for byte in text:
            matcher.fill_bitmask(row)
            masks.append(allowed_token_ids(row))
            assert matcher.accept(byte)
        assert matcher.is_terminated
        return masks

    alone = walk(0)
    with ThreadPoolExecutor(8) as pool:
        assert all(masks == alone for masks in pool.map(walk, range(16)))


def test_copies_share_the_lexer_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llguidance_engine, "MAX_LEXER_STATES", 40)
    engine = LlguidanceEngine(BYTE_VOCABULARY)
    first = engine.matcher(OPTIONS + "start: /[ab]*a[ab]{12}/")
    copy, rng = first.deep_copy(), random.Random(0)
    while not copy.is_error():
        copy.compute_bitmask()
        copy.consume_token(rng.choice(b"ab"))
    assert not first.is_error()
    other, rng = first.deep_copy(), random.Random(1)
    num_walked = 0
    while not other.is_error() and num_walked < 200:
        other.compute_bitmask()
        other.consume_token(rng.choice(b"ab"))
        num_walked += 1
    assert num_walked <= 1


def test_any_schema_of_json_is_lexed(schema_of) -> None:
    for whitespace in ("compact", "spaced", "flexible", 4):
        constraint: JsonSchema = schema_of({}, whitespace=whitespace)
        assert prepare(constraint).choice.engine == "llguidance"
