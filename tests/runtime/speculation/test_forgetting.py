"""A flush: nothing of texts that are over is guessed from any more; and namespaces guess from themselves alone."""

from engine_harness import COMPILER, TOKENIZER, Harness, gen, tokens

from palmette.grammar.spec import Choice
from palmette.lang.ir import Gen
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.speculation.count_drafts import CountDrafts
from palmette.runtime.speculation.drafter import Drafter, DraftText
from palmette.runtime.speculation.forced_drafts import ForcedDrafts
from palmette.runtime.speculation.radix_drafts import RadixDrafts
from palmette.runtime.speculation.segment_feed import SegmentFeed
from palmette.runtime.speculation.segment_store import SegmentStore
from palmette.runtime.speculation.suffix_drafts import SuffixDrafts


def sources(cache: RadixCache) -> list[Drafter]:
    store = SegmentStore(4096)
    cache.listeners.append(SegmentFeed(store))
    return [RadixDrafts(cache), SuffixDrafts(store), CountDrafts()]


def test_after_a_flush_a_text_is_as_new_as_the_first_time() -> None:
    harness = Harness(make_drafters=sources)
    operation = Gen("x", gen(40, temperature=1.0).params, Choice(tuple(f"{i:03}" * 9 for i in range(40))))
    num_passes, answers = [], []
    for _ in range(3):
        before = harness.core.num_steps
        answers.append(harness.answer([tokens(5, 6, 7, 8, 9), operation], seed=3).token_ids())
        num_passes.append(harness.core.num_steps - before)
        if len(num_passes) == 2:
            harness.core.flush_cache()
    assert answers[0] == answers[1] == answers[2]
    assert num_passes[1] < num_passes[0]
    assert num_passes[2] == num_passes[0]


def test_forced_tokens_are_remembered_by_namespace() -> None:
    asked = []

    def tokenize(text: str) -> list[int]:
        asked.append(text)
        return TOKENIZER.encode(text, has_special=False)

    drafts = ForcedDrafts(COMPILER.vocabulary, tokenize)
    constraint = Choice(("all of this is forced",))
    num_asked = []
    for namespace in ("red", "red", "blue"):
        matcher = COMPILER.compile(constraint).new_matcher()
        assert drafts.tokens_of(DraftText(namespace, [1], 1, matcher, constraint), 32)
        num_asked.append(len(asked))
        asked.clear()
    assert num_asked[0] > 0
    assert num_asked == [num_asked[0], 0, num_asked[0]]


def test_of_a_book_that_is_forced_only_the_next_words_are_looked_at() -> None:
    read: list[int] = []

    def tokenize(text: str) -> list[int]:
        read.append(len(text))
        return TOKENIZER.encode(text, has_special=False)

    constraint = Choice(("the green tree and an apple " * 400,))
    matcher = COMPILER.compile(constraint).new_matcher()
    drafts = ForcedDrafts(COMPILER.vocabulary, tokenize)
    found = drafts.tokens_of(DraftText("", [1], 1, matcher, constraint), 32)
    assert list(found) == TOKENIZER.encode("the green tree and an apple " * 400, has_special=False)[:32]
    assert max(read) <= 1024, "a pass checks a few dozen tokens"
