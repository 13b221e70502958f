"""ItemField: the columns of the table of work items that the attention kernel reads."""

from enum import IntEnum

ITEM_LEN = 16  # int32 columns of an item: one cache line of 64 bytes
BLOCK_ALIGNMENT = 128  # cells; items begin at multiples of it, so that every tile size cuts a row at the same cells
NO_LIMIT = 1 << 30  # cells; past the end of every row


class ItemField(IntEnum):
    """What a program does: some query tokens over a range of cells of one row's page list.

    Query token i of an item (0 <= i < NUM_TOKENS) sees the cells up to FIRST_LIMIT + i. Under a mask (MASK_OFFSET is
    not negative) it sees the cells before BASE and, of those from BASE on, the ones its bits mark.
    """

    ROW = 0  # whose page list
    FIRST_TOKEN = 1  # in the list of tokens where there is one, else in the batch
    NUM_TOKENS = 2  # 0: nothing to do
    FIRST_LIMIT = 3  # the last cell that the first token sees
    START = 4  # first cell, a multiple of BLOCK_ALIGNMENT
    STOP = 5  # one past the last cell
    FULL_START = 6  # from here ...
    FULL_STOP = 7  # ... to here all tokens see all cells
    SLOT = 8  # of the first token among the partial results; negative: the item's result is the token's
    BASE = 9  # cells before the row's own tokens
    MASK_OFFSET = 10  # first word of the first token's bits; negative: no mask
    MASK_LEN = 11  # words of a token's bits
    PATH_OFFSET = 12  # where the list of the token's ancestors begins; negative: cells lie in order
    FIRST_OWN_TOKEN = 13  # of the batch: the one in cell BASE
