"""Rules solved, counted or listed keep their language, and what is not regular is left alone."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_reference import derives, rule_sets

from palmette.grammar.errors import UnsatisfiableConstraint
from palmette.grammar.json_text.strings import any_string
from palmette.grammar.rules.char_classes import CharClasses
from palmette.grammar.rules.char_set import CharSet
from palmette.grammar.rules.counting import with_counts
from palmette.grammar.rules.expression import Chars, Expression, Literal, Repeat, RuleRef, concat, either
from palmette.grammar.rules.finite import finite_texts
from palmette.grammar.rules.positions import Positions, TooManyPositions
from palmette.grammar.rules.recursion import regular_rules, strongly_connected
from palmette.grammar.rules.rule_set import RuleSet, references

_TEXTS = ["".join(letters) for length in range(4) for letters in product("ab(),", repeat=length)]
_A, _B = Literal("a"), Literal("b")


def _rules(**expressions: object) -> RuleSet:
    rules = RuleSet("s")
    for name, expression in expressions.items():
        rules.define(name, expression)  # type: ignore[arg-type]
    return rules


def _language(rules: RuleSet) -> set[str]:
    return {text for text in _TEXTS if derives(rules, text)}


@settings(max_examples=40, deadline=None)
@given(rule_sets(), st.randoms(use_true_random=False))
def test_solving_and_counting_keep_the_language(rules: RuleSet, rng: random.Random) -> None:
    try:
        rules = rules.pruned()
    except UnsatisfiableConstraint:
        return
    regular = with_counts(regular_rules(rules))
    before: set[str] = set()
    rewritten = RuleSet(rules.root)
    for name, expression in regular.items():
        assert set(references(expression)) <= before
        before.add(name)
        rewritten.define(name, expression)
    for name in rules:
        if name not in regular:
            rewritten.define(name, rules[name])
    for text in rng.sample(_TEXTS, 20):
        assert derives(rewritten, text) is derives(rules, text), text


def test_recursion_at_one_end_is_regular() -> None:
    rules = _rules(s=either([concat(_A, RuleRef("t")), _B]), t=either([concat(Literal(","), RuleRef("s")), _A]))
    assert set(regular_rules(rules)) == {"s", "t"}
    rules = _rules(s=either([concat(RuleRef("s"), _A), _B]))
    assert regular_rules(rules) == {"s": concat(_B, Repeat(_A, 0, None))}


@pytest.mark.parametrize(
    "expression",
    [
        either([concat(Literal("("), RuleRef("s"), Literal(")")), _A]),
        either([Repeat(concat(_A, RuleRef("s")), 1, 2), _B]),
        either([concat(_A, RuleRef("s")), concat(RuleRef("s"), _B), _A]),
    ],
)
def test_recursion_elsewhere_is_not(expression: object) -> None:
    assert regular_rules(_rules(s=expression)) == {}


def test_groups_come_callees_first() -> None:
    rules = _rules(s=concat(RuleRef("t"), RuleRef("u")), t=RuleRef("u"), u=either([concat(_A, RuleRef("t")), _B]))
    groups = [set(group) for group in strongly_connected(rules)]
    assert groups == [{"t", "u"}, {"s"}]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 5), (2, 20), (0, 31), (0, 32), (3, 200), (0, 1000), (5, None), (0, None)]
)
def test_bounded_strings_become_one_counted_repeat(low: int, high: int | None) -> None:
    rules = RuleSet("s")
    rules.define("s", any_string(rules, low, high))
    counted = with_counts(regular_rules(rules))
    whole = counted["s"]
    shown = repr(whole) + "".join(repr(counted[name]) for name in references(whole) if name != "escape")
    assert f"min_count={low}, max_count={high}" in shown
    assert shown.count("Repeat(item=Either") == 1


@pytest.mark.parametrize(("num_blocks", "lengths"), [((1, 2), {3, 4, 6, 7}), ((2, 2), {6, 7})])
def test_counts_with_gaps_between_them_stay_apart(num_blocks: tuple[int, int], lengths: set[int]) -> None:
    """Blocks of three, then one more or none."""

    def then(rest: Expression) -> Expression:
        return either([concat(_A, rest), concat(_B, rest)])

    rules = _rules(
        s=concat(Repeat(RuleRef("three"), *num_blocks), RuleRef("more")),
        three=then(RuleRef("two")), two=then(RuleRef("one")), one=either([_A, _B]),
        more=either([Literal(";"), then(RuleRef("end"))]), end=Literal(";"),
    )  # fmt: skip
    counted = _rules(**with_counts(regular_rules(rules)))
    assert {length for length in range(10) if derives(counted, "a" * length + ";")} == lengths


@settings(max_examples=40, deadline=None)
@given(rule_sets())
def test_listed_texts_are_the_language(rules: RuleSet) -> None:
    texts = finite_texts(rules, 50, 200)
    if texts is None:
        return
    assert len(set(texts)) == len(texts)
    assert all(derives(rules, text) for text in texts)
    assert _language(rules) <= set(texts)


def test_listing_gives_up_at_once() -> None:
    assert finite_texts(_rules(s=Repeat(Chars(CharSet.from_text("ab")), 0, 1000)), 100, 10_000) is None
    assert finite_texts(_rules(s=Repeat(_A, 0, None)), 100, 10_000) is None
    assert finite_texts(_rules(s=either([concat(_A, RuleRef("s")), _B])), 100, 10_000) is None
    assert finite_texts(_rules(s=concat(*[either([_A, _B])] * 60)), 100, 10_000) is None
    assert finite_texts(_rules(s=concat(either([_A, _B]), Repeat(_A, 0, 1))), 4, 10_000) == ("a", "aa", "b", "ba")


@given(st.lists(st.text(alphabet="abcdef", max_size=4), min_size=1, max_size=4))
def test_classes_of_characters_are_the_coarsest(texts: list[str]) -> None:
    sets = [CharSet.from_text(text) for text in texts]
    classes = CharClasses(sets)
    for members in sets:
        mask = classes.mask(members)
        for index in range(len(classes)):
            assert bool(mask >> index & 1) is (classes.witness(index) in members)


def test_positions_are_bounded() -> None:
    positions = Positions({}, 10)
    positions.add(Repeat(_A, 0, 1_000_000))
    with pytest.raises(TooManyPositions):
        positions.add(Literal("a" * 10))
    with pytest.raises(TooManyPositions):
        Positions({}, 10, max_copies=None).add(Repeat(_A, 0, 11))
