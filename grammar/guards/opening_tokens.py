"""OpeningTokens: the tokens that lead from free text into a guarded document and may close something in it."""

import re

from ..vocabulary import Vocabulary
from .frames import FramePosition

MAX_KEPT = 4_096
_VALUE_INSIDE = re.compile(
    rb"""[\[{].*[\]}] | [\[{,].*[0-9el"][\s,:] | "(?:[^"\\]|\\.)*" | true | false | null | [0-9][^0-9]""",
    re.DOTALL | re.VERBOSE,
)
"""What a token must hold to open and close a value, perhaps its key, on its own."""


class OpeningTokens:
    """For one text with documents in it and one vocabulary: which tokens to try, by place; remembered by place."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._texts = vocabulary.text_tokens
        self._candidates = [token_id for token_id, text in enumerate(self._texts) if _VALUE_INSIDE.search(text)]
        self._kept: dict[FramePosition, list[int]] = {}

    def after(self, position: FramePosition) -> list[int]:
        """The tokens that reach a document from `position` and go on; some milliseconds where a place is new."""
        token_ids = self._kept.get(position)
        if token_ids is None:
            token_ids = [token_id for token_id in self._candidates if _reaches(position, self._texts[token_id])]
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[position] = token_ids
        return token_ids


def _reaches(position: FramePosition, text: bytes) -> bool:
    """Whether a document begins inside `text`."""
    for byte in text:
        if position.plan is not None:
            return True
        try:
            position = position.advance(byte)
        except ValueError:  # not a token that can follow
            return False
    return False
