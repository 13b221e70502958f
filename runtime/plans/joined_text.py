"""joined, in_pieces: text that came in many deltas, in few."""

from collections.abc import Sequence
from itertools import chain

from ...lang.events import BranchEnded, Event, TextDelta

Told = tuple[int, Event | BranchEnded]
"""(index of the branch, what happened), as readers of a plan get it."""


def joined(deltas: Sequence[TextDelta]) -> TextDelta:
    """The deltas, which follow each other and belong to one operation, in one piece; at least one is given."""
    if len(deltas) == 1:
        return deltas[0]
    token_ids: list[int] = []
    forced: list[int] = []
    for delta in deltas:
        forced += [len(token_ids) + index for index in delta.forced]
        token_ids += delta.token_ids
    return TextDelta(
        deltas[0].operation_index,
        "".join([delta.text for delta in deltas]),
        deltas[0].name,
        tuple(token_ids),
        tuple(chain.from_iterable([delta.logprobs for delta in deltas])),
        tuple(forced),
    )


def in_pieces(told: Sequence[Told]) -> Sequence[Told]:
    """The same with the text of each operation in one piece, unless something else of its branch comes between.

    The order is kept for each branch. O(len(told)).
    """
    if len(told) == 1:
        return told
    pieces: list[tuple[int, Event | BranchEnded | list[TextDelta]]] = []
    growing: dict[int, list[TextDelta]] = {}
    for index, item in told:
        if not isinstance(item, TextDelta):
            growing.pop(index, None)
            pieces.append((index, item))
            continue
        deltas = growing.get(index)
        if deltas is not None and deltas[0].operation_index == item.operation_index and deltas[0].name == item.name:
            deltas.append(item)
        else:
            growing[index] = deltas = [item]
            pieces.append((index, deltas))
    return [(index, joined(piece) if isinstance(piece, list) else piece) for index, piece in pieces]
