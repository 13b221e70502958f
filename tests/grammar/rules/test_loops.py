"""Loops over regular parts are solved, and the rules around them keep their language."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_reference import derives, rule_sets

from palmette.grammar.errors import UnsatisfiableConstraint
from palmette.grammar.notations.ebnf import parse_ebnf
from palmette.grammar.rules import elimination
from palmette.grammar.rules.loops import with_loops_solved
from palmette.grammar.rules.recursion import regular_rules
from palmette.grammar.rules.rule_set import RuleSet, references

_TEXTS = ["".join(letters) for length in range(5) for letters in product("ab(),", repeat=length)]
# Text without "((", then "((", a balanced text and ")", any number of times.
_MARKED = """
root ::= "" | [ab,)] root | "(" open
open ::= "" | [ab,)] root | "(" call root
call ::= "a" | "(" call ")"
"""


def _solved(rules: RuleSet) -> RuleSet:
    regular = regular_rules(rules)
    solved = RuleSet(rules.root)
    for name, expression in {**regular, **with_loops_solved(rules, regular)}.items():
        solved.define(name, expression)
    return solved


@settings(max_examples=60, deadline=None)
@given(rule_sets(), st.randoms(use_true_random=False))
def test_the_language_is_kept(rules: RuleSet, rng: random.Random) -> None:
    try:
        rules = rules.pruned()
    except UnsatisfiableConstraint:
        return
    solved = _solved(rules)
    for text in rng.sample(_TEXTS, 20):
        assert derives(solved, text) is derives(rules, text), text


def test_text_up_to_a_mark_needs_no_rule_a_step() -> None:
    rules = parse_ebnf(_MARKED).pruned()
    solved = _solved(rules)
    assert set(solved) < set(rules)
    assert set(references(solved["root"])) == {"root", "call"}
    for text in ["", "(", "a(b", "((a", "((a)", "((a((a", "(((a)),(", "((b", "(("]:
        assert derives(solved, text) is derives(rules, text), text


def test_what_would_be_large_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elimination, "MAX_SIZE", 3)
    rules = parse_ebnf(_MARKED).pruned()
    assert set(with_loops_solved(rules, regular_rules(rules))) == set(rules)
