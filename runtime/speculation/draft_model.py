"""DraftModel: a small model with pages of its own, which goes over the same texts as the target."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..branch import Branch
from ..cache.kv_pool import KVPool
from ..cache.radix_cache import RadixCache
from ..errors import InvalidOption
from ..memory import Memory
from ..model_runner import ModelRunner
from ..models.batch import Model
from ..operations.task import Task
from ..row import Row, RowShare
from ..text.tokenizer import Tokenizer
from ..ticket import Ticket
from .pass_timing import measure_step_cost
from .step_cost import StepCost


@dataclass(eq=False)
class _TapeTask(Task):
    """Wants the logits after the whole tape, as often as it is asked."""

    branch: Branch

    @property
    def compute_len(self) -> int:
        return len(self.branch.token_ids)

    @property
    def is_done(self) -> bool:
        return False


class DraftModel:
    """Copies of texts, their cells in a bounded pool, and a prefix cache of what was computed for earlier ones.

    What the target finds in its own cache means nothing here: a copy knows which of its tokens this model has computed.
    Memory is taken from the cache first, then from the copies that have held theirs for longest; they compute again
    what they need.
    """

    def __init__(self, model: Model, pool: KVPool, *, context_len: int) -> None:
        """`context_len`: longest text that the model was made for, in tokens."""
        self.vocab_size = model.vocab_size
        self.context_len = context_len
        self.memory = Memory(pool, RadixCache(pool))
        self.num_passes = 0
        self._model = model
        self._runner = ModelRunner(model, pool)
        self._num_branches = 0

    def measure_cost(self) -> StepCost:
        """How long its passes take; to be found out before the first."""
        return measure_step_cost(self._model, self.memory.pool)

    def open(self, namespace: str, token_ids: Sequence[int]) -> Branch:
        """A copy of a text. It begins with what is cached of a text like it, when it is first computed."""
        self._num_branches += 1
        return Branch(self._num_branches, namespace, 0, token_ids=list(token_ids))

    def rewrite(self, branch: Branch, num_kept: int, token_ids: Sequence[int]) -> None:
        """Keep the first tokens of a copy, and put `token_ids` after them."""
        branch.truncate(num_kept)
        branch.append(list(token_ids))
        branch.keep_one_pending()

    def close(self, branch: Branch, num_kept: int) -> None:
        """Give back what a copy holds; its first `num_kept` tokens stay in the cache."""
        branch.truncate(min(num_kept, len(branch.token_ids)))
        self.memory.release(branch)

    def num_pending(self, branch: Branch) -> int:
        """Tokens that are to be computed before there are logits: those of a cached prefix are none."""
        if not branch.page_table:
            self.memory.attach(branch, None)
        return branch.num_pending

    def reserve(self, branch: Branch, num_cells: int, busy: Collection[Branch]) -> bool:
        """Make room for the next cells of a copy, of all but those that are `busy`; False where there is none."""
        while not self.memory.reserve(branch, num_cells):
            idle = next((each for each in self.memory.holders if all(each is not other for other in busy)), None)
            if idle is None:
                return False
            self.memory.release(idle)
        return True

    def run(self, shares: Sequence[tuple[Branch, int]]) -> list[Tensor | None]:
        """Compute the next tokens of copies, so many of each; their cells have been reserved.

        Returns, of each, the logits after its last token, [draft_vocab_size] float32; None where more are pending.
        """
        rows = [
            RowShare(Row(_TapeTask(branch), (0, index), Ticket(0, 0.0)), num_tokens, num_tokens == branch.num_pending)
            for index, (branch, num_tokens) in enumerate(shares)
        ]
        logits = self._runner.run(rows)
        self.num_passes += 1
        for branch, num_tokens in shares:
            branch.num_computed += num_tokens
            if num_tokens > 1:
                self.memory.publish(branch)  # the samples of one prompt share it
        return [each.last for each in logits]


def check_same_tokenizer(target: Tokenizer, draft: Tokenizer, option: str) -> None:
    """Raise `InvalidOption` unless both models mean the same by every token id; padding may differ."""
    own, other = _spellings(target), _spellings(draft)
    if own == other:
        return
    num_tokens = min(len(own), len(other))
    wrong = next((i for i in range(num_tokens) if own[i] != other[i]), num_tokens)
    left, right = (repr(texts[wrong]) if wrong < len(texts) else "no token" for texts in (own, other))
    raise InvalidOption(
        f"{option}: expected a model with the tokenizer of the target, but token {wrong} is {left} there and {right} "
        "here; take a smaller model of the same family, or leave the option out"
    )


def _spellings(tokenizer: Tokenizer) -> list[bytes | str]:
    """What each id stands for, without the padding at the end."""
    texts: list[bytes | str] = []
    for token_id, text in enumerate(tokenizer.token_bytes):
        texts.append(tokenizer.special_text(token_id) if text is None else text)
    while texts and texts[-1] == "":
        texts.pop()
    return texts


def stack_logits(logits: Sequence[Tensor]) -> Tensor:
    """[vocab_size] each -> [num_rows, vocab_size]."""
    return logits[0][None] if len(logits) == 1 else torch.stack(list(logits))
