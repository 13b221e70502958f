"""append_child: how a child's text goes back into its parent."""

from ...lang.events import Event, TextDelta
from ..branch import Branch, TextPiece


def append_child(branch: Branch, child: Branch, index: int) -> list[Event]:
    """Append what a child added since its fork: its own tokens, or its text where it rewrote the seam."""
    gained = child.text_since_fork
    if child.token_ids[: child.fork_len] == branch.token_ids[: child.fork_len]:
        branch.append(child.token_ids[child.fork_len :])
        branch.seam_start = len(branch.token_ids)
    else:
        branch.buffer += [TextPiece(piece.text, piece.has_special) for piece in gained]
    branch.gain(*gained)
    text = "".join(piece.text for piece in gained)
    return [TextDelta(index, text)] if text else []
