"""Tiles: the query tokens of a step cut into what one program takes, each with the cells that it attends."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..attention_rows import AttentionRows
from .attention_item import BLOCK_ALIGNMENT, ITEM_LEN, NO_LIMIT, ItemField

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """Runs of query tokens of one row, with a range of its cells: columns of equal length.

    A row whose tokens form a tree is two spans: the ordinary tokens before the tree, and the tree.
    """

    row: Ints
    first_token: Ints  # of the batch
    num_tokens: Ints
    base: Ints  # cells before the span's own; from here on a mask or a path tells where a token's ancestors are
    first_limit: Ints  # the last cell that the first token sees; each further token sees one more
    start: Ints  # first cell of the range
    stop: Ints  # one past its last, NO_LIMIT for all that the tokens see
    mask_offset: Ints  # of the first token's bits; negative: the span is causal
    mask_len: Ints
    path_offset: Ints  # of the list of ancestors of a single token; negative: cells lie in order
    is_part: NDArray[np.bool_]  # whether the tokens attend other cells elsewhere

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Spans":
        """Some of them, or some of them several times."""
        return Spans(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Trees:
    """The trees of a step. In `words`, bit j of word i of a token is whether it sees cell BASE + 32 i + j."""

    words: NDArray[np.int32]
    masks: dict[int, NDArray[np.bool_]]  # span -> [num_nodes, num_nodes]


def spans_of(rows: AttentionRows) -> tuple[Spans, Trees]:
    """The spans of a step's rows. Tokens of a masked row that all later ones see count as ordinary text."""
    num_tokens = np.array(rows.query_lens, dtype=np.int64)
    kv_lens = np.array(rows.kv_lens, dtype=np.int64)
    row = np.arange(len(num_tokens))
    first_token = np.cumsum(num_tokens) - num_tokens
    base = kv_lens - num_tokens
    mask_offset = np.full(len(row), -1, dtype=np.int64)
    mask_len = np.zeros(len(row), dtype=np.int64)
    words: list[NDArray[np.int32]] = []
    masks: dict[int, NDArray[np.bool_]] = {}
    added: list[tuple[int, ...]] = []
    num_words = 0
    for index, tensor in enumerate(rows.ancestor_masks):
        if tensor is None:
            continue
        mask = tensor.cpu().numpy()
        is_hiding = np.tril(~mask).any(axis=0)  # [query_len] whether some later token does not see this one
        num_plain = int(is_hiding.argmax()) if is_hiding.any() else len(mask)
        if num_plain == len(mask):
            continue
        mask = mask[num_plain:, num_plain:]
        packed = _packed(mask)
        if num_plain:
            span = len(row) + len(added)
            added.append((index, int(first_token[index]), num_plain, int(base[index]), -1, 0))
            # The tree stays in the row's place and the text before it goes to the end.
            del span
        first_token[index] += num_plain
        num_tokens[index] -= num_plain
        base[index] += num_plain
        mask_offset[index], mask_len[index] = num_words, packed.shape[1]
        masks[index] = mask
        words.append(packed.reshape(-1))
        num_words += packed.size
    columns = [row, first_token, num_tokens, base, mask_offset, mask_len]
    if added:
        columns = [np.concatenate((column, extra)) for column, extra in zip(columns, np.array(added).T, strict=True)]
    row, first_token, num_tokens, base, mask_offset, mask_len = columns
    start = np.zeros(len(row), dtype=np.int64)
    spans = Spans(
        row=row,
        first_token=first_token,
        num_tokens=num_tokens,
        base=base,
        first_limit=base,
        start=start,
        stop=np.full(len(row), NO_LIMIT),
        mask_offset=mask_offset,
        mask_len=mask_len,
        path_offset=np.full(len(row), -1),
        is_part=np.zeros(len(row), dtype=np.bool_),
    )
    return spans, Trees(np.concatenate(words) if words else np.zeros(0, dtype=np.int32), masks)


def unfold_trees(spans: Spans, trees: Trees, split_len: int, is_windowed: bool) -> tuple[Spans, NDArray[np.int32]]:
    """Each node of a tree as a span of its own whose cells are its ancestors in order, and the lists of these.

    So a node's cells are cut and summed as if they were text, and its bits are those of plain decoding. The whole
    splits before the tree are attended together, except under a window, which begins elsewhere for each node.
    """
    is_tree = spans.mask_offset >= 0
    if not is_tree.any():
        return spans, np.zeros(0, dtype=np.int32)
    columns: list[list[int | bool]] = []
    paths: list[NDArray[np.int32]] = []
    num_steps = 0
    for span in np.flatnonzero(is_tree).tolist():
        row, first, base = (int(spans.row[span]), int(spans.first_token[span]), int(spans.base[span]))
        mask = trees.masks[span]
        head = 0 if is_windowed else base // split_len * split_len
        if head:
            columns.append([row, first, len(mask), base, base, 0, head, -1, 0, -1, True])
        for node in range(len(mask)):
            path = np.flatnonzero(mask[node])
            columns.append(
                [row, first + node, 1, base, base + len(path) - 1, head, NO_LIMIT, -1, 0, num_steps, head > 0]
            )
            paths.append(path.astype(np.int32))
            num_steps += len(path)
    plain = spans.take(~is_tree)
    names = Spans.__dataclass_fields__
    unfolded = zip(names, np.array(columns, dtype=np.int64).T, strict=True)
    return (
        Spans(
            **{
                name: np.concatenate((getattr(plain, name), column.astype(getattr(plain, name).dtype)))
                for name, column in unfolded
            }
        ),
        np.concatenate(paths),
    )


def tiles_of(spans: Spans, num_tile_tokens: int, window: int | None) -> Ints:
    """The items of `spans`, one for each `num_tile_tokens` of their tokens: [num_tiles, ITEM_LEN].

    SLOT is 0 where the item is the only one of its tokens, else 1.
    """
    counts = -(-spans.num_tokens // num_tile_tokens)
    if (counts != 1).any():
        index = np.repeat(np.arange(len(spans)), counts)
        ends = np.cumsum(counts)
        skipped = (np.arange(ends[-1]) - np.repeat(ends - counts, counts)) * num_tile_tokens
        spans = spans.take(index)
    else:
        skipped = np.zeros(len(spans), dtype=np.int64)
    tiles = np.zeros((len(spans), ITEM_LEN), dtype=np.int64)
    num_tokens = np.minimum(num_tile_tokens, spans.num_tokens - skipped)
    is_tree = spans.mask_offset >= 0
    first_limit = spans.first_limit + skipped
    full_stop = np.where(is_tree, spans.base, first_limit + 1)
    start, full_start = spans.start, spans.start
    if window is not None:
        # A node's depth is at least that of the tree's root and less than what a chain of all nodes would have.
        lowest = np.where(is_tree, spans.base, first_limit)
        highest = np.where(is_tree, spans.base + spans.num_tokens - 1, first_limit + num_tokens - 1)
        start = np.maximum(start, (lowest - window + 1) // BLOCK_ALIGNMENT * BLOCK_ALIGNMENT)
        full_start = np.maximum(start, highest - window + 1)
    tiles[:, ItemField.ROW] = spans.row
    tiles[:, ItemField.FIRST_TOKEN] = spans.first_token + skipped
    tiles[:, ItemField.NUM_TOKENS] = num_tokens
    tiles[:, ItemField.FIRST_LIMIT] = first_limit
    tiles[:, ItemField.START] = start
    tiles[:, ItemField.STOP] = np.minimum(spans.stop, first_limit + num_tokens)
    tiles[:, ItemField.FULL_START] = full_start
    tiles[:, ItemField.FULL_STOP] = full_stop
    tiles[:, ItemField.SLOT] = spans.is_part
    tiles[:, ItemField.BASE] = spans.base
    tiles[:, ItemField.MASK_OFFSET] = np.where(is_tree, spans.mask_offset + skipped * spans.mask_len, -1)
    tiles[:, ItemField.MASK_LEN] = spans.mask_len
    tiles[:, ItemField.PATH_OFFSET] = spans.path_offset
    tiles[:, ItemField.FIRST_OWN_TOKEN] = spans.first_token
    return tiles


def _packed(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Rows of bits as words, the first bit lowest: [num_nodes, num_nodes] -> [num_nodes, ceil(num_nodes / 32)]."""
    num_words = -(-mask.shape[1] // 32)
    padded = np.pad(mask, ((0, 0), (0, 32 * num_words - mask.shape[1])))
    return np.packbits(padded, axis=1, bitorder="little").view("<i4").astype(np.int32)
