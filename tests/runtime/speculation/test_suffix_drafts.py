"""Suffix drafts: what followed the text's last tokens elsewhere; a free text must have more of them in common."""

from dataclasses import replace

import pytest
from tiny_language import COMPILER

from palmette.grammar.spec import Regex
from palmette.runtime.speculation.drafter import DraftText
from palmette.runtime.speculation.segment_store import SegmentStore
from palmette.runtime.speculation.suffix_drafts import SuffixDrafts

KNOWN = list(range(20))


def guessed(num_in_common: int, *, is_constrained: bool, own: bool = False) -> list[tuple[int, ...]]:
    """What is guessed after a text that ends with so many tokens of the known one."""
    store = SegmentStore(1000)
    store.add("", [], KNOWN)
    end = [99, *KNOWN[10 - num_in_common : 10]]
    text = DraftText("", [*KNOWN, *end] if own else end, 0)
    if is_constrained:
        text = replace(text, matcher=COMPILER.compile(Regex("[ab]*")).new_matcher())
    drafter = SuffixDrafts(SegmentStore(1000) if own else store)
    return [draft.token_ids for draft in drafter.begin(text).drafts(3)]


@pytest.mark.parametrize("num_in_common", [2, 4, 7, 8, 9])
def test_a_constrained_text_is_guessed_for_after_few_tokens(num_in_common: int) -> None:
    assert guessed(num_in_common, is_constrained=True) == [(10, 11, 12)]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("num_in_common", "expected"), [(2, []), (4, []), (7, []), (8, [(10, 11, 12)])])
def test_a_free_text_after_eight(num_in_common: int, expected: list[tuple[int, ...]], own: bool) -> None:
    assert guessed(num_in_common, is_constrained=False, own=own) == expected


def test_what_another_text_has_not_is_not_guessed() -> None:
    assert guessed(0, is_constrained=True) == []
