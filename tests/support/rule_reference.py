"""The meaning of rule sets by definition: a recogniser that iterates to a fixed point, and random rule sets."""

from collections import defaultdict

from hypothesis import strategies as st

from palmette.grammar.rules.char_set import CharSet
from palmette.grammar.rules.expression import (
    Chars,
    Concat,
    Either,
    Expression,
    Literal,
    Repeat,
    RuleRef,
    concat,
    either,
)
from palmette.grammar.rules.rule_set import RuleSet

_TERMINALS = [
    Literal(""), Literal("a"), Literal("ab"), Literal("("), Literal(")"), Literal(","), Literal(", "), Literal("é"),
    Chars(CharSet.from_text("bc")), Chars(CharSet.from_text("abé")),
]  # fmt: skip
_NAMES = ("s", "t", "u")
_COUNTS = st.sampled_from([(0, None), (1, None), (0, 1), (0, 2), (2, 3), (0, 7)])


def _expressions(leaves: st.SearchStrategy[Expression], max_leaves: int) -> st.SearchStrategy[Expression]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: concat(*parts)),
            st.lists(inner, min_size=1, max_size=3).map(either),
            st.builds(lambda item, counts: Repeat(item, *counts), inner, _COUNTS),
        ),
        max_leaves=max_leaves,
    )


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    """Three rules that call each other, often between brackets; some match nothing."""
    references = [RuleRef(name) for name in _NAMES]
    leaves = st.sampled_from([*_TERMINALS, *references, *references])
    rules = RuleSet("s")
    nested = concat(Literal("("), RuleRef("s"), Literal(")"))
    extras: tuple[Expression, ...] = (draw(st.sampled_from([Literal("a"), nested, RuleRef("t")])), nested, Literal("a"))
    for name, extra in zip(_NAMES, extras, strict=True):
        expression = draw(_expressions(leaves, 6))
        rules.define(name, either([expression, extra]) if draw(st.booleans()) else expression)
    return rules


def derives(rules: RuleSet, text: str) -> bool:
    """Whether the root of `rules` derives `text`: what every rule spans, grown until nothing is added."""
    spans: defaultdict[tuple[str, int], set[int]] = defaultdict(set)

    def ends(expression: Expression, start: int) -> set[int]:
        match expression:
            case Literal(literal):
                return {start + len(literal)} if text.startswith(literal, start) else set()
            case Chars(members):
                return {start + 1} if start < len(text) and text[start] in members else set()
            case Concat(parts):
                reached = {start}
                for part in parts:
                    reached = set().union(*(ends(part, place) for place in reached))
                return reached
            case Either(options):
                return set().union(*(ends(option, start) for option in options))
            case Repeat(item, low, high):
                reached, found = {start}, {start} if low == 0 else set()
                for count in range(1, (len(text) + 2 + low if high is None else high) + 1):
                    reached = set().union(*(ends(item, place) for place in reached))
                    if count >= low:
                        found |= reached
                return found
            case RuleRef(name):
                return spans[name, start]

    is_changed = True
    while is_changed:
        is_changed = False
        for name in rules:
            for start in range(len(text) + 1):
                found = ends(rules[name], start)
                if not found <= spans[name, start]:
                    spans[name, start] |= found
                    is_changed = True
    return len(text) in spans[rules.root, 0]
