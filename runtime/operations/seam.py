"""The seam: how text that is added changes the tokens just before it."""

from collections.abc import Collection, Sequence

from ...grammar.matcher import CompiledGrammar
from ...grammar.open_seam import OpenSeam, open_seam
from ...grammar.vocabulary import Vocabulary
from ..branch import Branch
from ..prefix import shared_len
from ..text.tokenizer import Tokenizer

_MAX_TAIL_TOKENS = 8


def flush_buffer(branch: Branch, tokenizer: Tokenizer) -> None:
    """Tokenise the text that waits on the branch and append it to the tape.

    Pieces that came one after another are one text to the tokenizer, so that how a program cuts its text into
    `+=` does not matter; what a model wrote is never tokenised again.
    """
    pieces = branch.buffer
    index = 0
    while index < len(pieces):
        text, has_special = pieces[index].text, pieces[index].has_special
        index += 1
        while index < len(pieces) and (has_special is None or pieces[index].has_special in (None, has_special)):
            text += pieces[index].text
            has_special = pieces[index].has_special if has_special is None else has_special
            index += 1
        if text:
            is_start = not branch.token_ids
            branch.append(tokenizer.encode(text, has_special=bool(has_special), is_start=is_start))
    branch.buffer = []


def heal(branch: Branch, tokenizer: Tokenizer, choices: Sequence[str]) -> tuple[int, list[list[int]]]:
    """How each choice continues the branch, in the tokens that the tokenizer would write for the whole.

    Text that ends in "is " followed by "blue" is written `is| blue`, not `is| |blue`: the last tokens of the text
    are taken back as far as any choice rewrites them. At most 8 tokens are taken back, and only tokens that came
    from text.

    Returns: the length of the tape that all choices keep, and the tokens of each choice after it (never empty).
    """
    tail_start = max(branch.seam_start, len(branch.token_ids) - _MAX_TAIL_TOKENS)
    while tail_start < len(branch.token_ids):
        tail = branch.token_ids[tail_start:]
        tail_text = tokenizer.decode(tail, skip_special_tokens=False)
        if not set(tail) & tokenizer.special_ids and tokenizer.encode(tail_text, has_special=False) == tail:
            break
        tail_start += 1
    tail = branch.token_ids[tail_start:]
    tail_text = tokenizer.decode(tail, skip_special_tokens=False) if tail else ""
    whole = [tokenizer.encode(tail_text + choice, has_special=False) for choice in choices]
    num_kept = min(shared_len(tail, token_ids) for token_ids in whole)
    if tail_start + num_kept == 0 and branch.token_ids:
        # A choice needs a token before it that predicts its first one.
        return len(branch.token_ids), [tokenizer.encode(choice, has_special=False) for choice in choices]
    return tail_start + num_kept, [token_ids[num_kept:] for token_ids in whole]


def take_back(
    branch: Branch, vocabulary: Vocabulary, grammar: CompiledGrammar | None, banned: Collection[int]
) -> OpenSeam | None:
    """Cut the tape where a generation could write a longer token over its end; None, and no cut, where it could not.

    At most 8 tokens are taken back, and only tokens that came from text: none that is special, none that was given by
    its id or written by the model, nor the first of a text, which nothing could be written after. `grammar` and
    `banned`: see `open_seam`.
    """
    token_ids, texts = branch.token_ids, vocabulary.text_tokens
    start = len(token_ids)
    first = max(branch.seam_start, start - _MAX_TAIL_TOKENS, 1)
    while start > first and texts[token_ids[start - 1]]:
        start -= 1
    seam = open_seam(token_ids[start:], vocabulary, grammar, banned)
    if seam is not None:
        branch.truncate(len(token_ids) - len(seam.token_ids))
    return seam
