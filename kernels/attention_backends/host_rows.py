"""on_host: the rows of a step where a plan is made, fetched at once."""

from dataclasses import replace

from ..attention_rows import AttentionRows


def on_host(rows: AttentionRows) -> AttentionRows:
    """The same rows with all their tensors on the host; what lies on a device is waited for, once each."""
    return replace(
        rows,
        page_table=rows.page_table.cpu(),
        positions=None if rows.positions is None else rows.positions.cpu(),
        ancestor_masks=tuple(None if mask is None else mask.cpu() for mask in rows.ancestor_masks),
    )
