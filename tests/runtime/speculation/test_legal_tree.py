"""Guesses that cannot be written are not checked: forbidden ones, ends, and those beyond the longest text."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tiny_language import COMPILER, TOKENIZER, VOCAB_SIZE

from palmette.grammar.spec import Regex
from palmette.runtime.speculation.draft import Draft
from palmette.runtime.speculation.draft_tree import merge_drafts
from palmette.runtime.speculation.drafter import DraftText
from palmette.runtime.speculation.legal_tree import legal_tree

CONSTRAINT = Regex("(ab|c){1,3}(é|!)d?")
WRITTEN = TOKENIZER.encode("ab", has_special=False)


def is_legal(token_ids: Sequence[int]) -> bool:
    """Read from the very first token by a matcher of its own."""
    matcher = COMPILER.compile(CONSTRAINT).new_matcher()
    return all(not matcher.is_terminated and matcher.accept(token_id) for token_id in (*WRITTEN, *token_ids))


def paths(token_ids: Sequence[int], parents: Sequence[int | None]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for token_id, parent in zip(token_ids, parents, strict=True):
        found.append((*found[parent], token_id) if parent is not None else (token_id,))
    return found


LIKELY = st.sampled_from(TOKENIZER.encode("abccé!d", has_special=False))
WAYS = st.lists(st.lists(st.one_of(LIKELY, st.integers(0, VOCAB_SIZE - 1)), min_size=1, max_size=6), max_size=5)


@given(WAYS)
def test_what_may_be_written_stays(ways: list[list[int]]) -> None:
    drafts = [Draft(tuple(way), (0.9,) * len(way), "suffix") for way in ways]
    tree = merge_drafts(drafts, max_nodes=32)
    matcher = COMPILER.compile(CONSTRAINT).new_matcher()
    for token_id in WRITTEN:
        assert matcher.accept(token_id)
    kept = legal_tree(tree, matcher)
    before = paths(tree.token_ids, tree.parents)
    assert paths(kept.token_ids, kept.parents) == [path for path in before if is_legal(path)]
    chances = dict(zip(before, zip(tree.chances, tree.sources, strict=True), strict=True))
    for path, chance, sources in zip(paths(kept.token_ids, kept.parents), kept.chances, kept.sources, strict=True):
        assert (chance, sources) == chances[path]
    assert matcher.accept(TOKENIZER.encode("c", has_special=False)[0]), "the matcher is where it was"


def test_an_end_and_what_lies_behind_it_is_not_guessed() -> None:
    text = DraftText("", [1, 2, 3], 2, end_token_ids={9}, max_len=8)
    assert text.useful_len([4, 5, 9, 4]) == 2
    assert text.useful_len([4, 5]) == 2
    assert text.useful_len([9]) == 0
    assert text.num_useful(32) == 4, "of five more tokens the last is drawn, whoever has guessed it"
    assert DraftText("", [1], 1).num_useful(32) == 32
