"""in_pieces: fewer deltas, the same text, tokens and order of each branch."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from palmette.lang.events import BranchEnded, Forked, TextDelta, TokenLogprob
from palmette.runtime.plans.joined_text import Told, in_pieces

DELTAS = st.builds(
    lambda operation, name, tokens: TextDelta(
        operation,
        "".join(chr(97 + token) for token in tokens),
        name,
        tuple(tokens),
        tuple(TokenLogprob(token, -1.0) for token in tokens),
        tuple(index for index, token in enumerate(tokens) if token % 2),
    ),
    st.integers(0, 1),
    st.sampled_from([None, "x"]),
    st.lists(st.integers(0, 25), max_size=3),
)
ITEMS = st.one_of(DELTAS, st.just(Forked(2, (1,))), st.just(BranchEnded()))


def _flat(told: list[Told]) -> dict[int, list[object]]:
    """Of each branch: each token with what is known of it and of its operation, and all else, in order."""
    flat: dict[int, list[object]] = defaultdict(list)
    for index, item in told:
        if isinstance(item, TextDelta):
            for number, token_id in enumerate(item.token_ids):
                place = item.operation_index, item.name
                flat[index].append((place, token_id, item.logprobs[number], number in item.forced, item.text[number]))
        else:
            flat[index].append(item)
    return flat


@given(st.lists(st.tuples(st.integers(0, 2), ITEMS), max_size=12))
def test_each_branch_has_the_same_in_the_same_order(told: list[Told]) -> None:
    assert _flat(list(in_pieces(told))) == _flat(told)


def test_text_of_one_generation_is_one_piece_though_others_came_between() -> None:
    more = [TextDelta(0, letter, "x", (ord(letter),), (), (0,)) for letter in "abc"]
    told: list[Told] = [(0, more[0]), (1, more[1]), (0, more[1]), (0, BranchEnded()), (1, more[2])]
    assert list(in_pieces(told)) == [
        (0, TextDelta(0, "ab", "x", (97, 98), (), (0, 1))),
        (1, TextDelta(0, "bc", "x", (98, 99), (), (0, 1))),
        (0, BranchEnded()),
    ]
