"""A grammar that finds out late: its masks may be empty, and some of the last tokens may be taken back then."""

from collections.abc import Sequence

import torch
from engine_harness import COMPILER, TOKENIZER, VOCAB_SIZE
from hash_model import mix
from torch import Tensor

from palmette.grammar.bitmask import pack_row
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.matcher import CompiledGrammar, EngineName
from palmette.grammar.spec import Choice, Constraint
from palmette.kernels.token_bitmask import mask_words

ENDS = TOKENIZER.eos_token_ids
EOS = ENDS[0]
_ALL = [token_id for token_id in range(VOCAB_SIZE) if token_id not in ENDS]
_PLAIN = [each for each in _ALL if (TOKENIZER.token_bytes[each] or b"\xff").isascii()]
WORDS = mask_words(VOCAB_SIZE)
PREFIX = "guarded"


def guarded(salt: int, group_len: int = 5, num_groups: int = 4, harshness: int = 5) -> Choice:
    """A constraint that `GuardedCompiler` knows."""
    return Choice((f"{PREFIX} {salt} {group_len} {num_groups} {harshness}",))


class GuardedCompiler(GrammarCompiler):
    """The shared compiler, which also makes `GuardedGrammar`s."""

    def __init__(self) -> None:
        super().__init__(COMPILER.vocabulary)

    def compile(self, constraint: Constraint) -> CompiledGrammar:
        """See `GrammarCompiler`."""
        if isinstance(constraint, Choice) and constraint.choices[0].startswith(PREFIX):
            return GuardedGrammar(*map(int, constraint.choices[0].split()[1:]))
        return COMPILER.compile(constraint)


class GuardedGrammar:
    """Texts of up to `num_groups` groups of `group_len` tokens each.

    At each place one to four tokens of a pool of eight are legal, by a hash of `salt` and the place; where `salt` is
    even, tokens of plain ASCII. Of these a guard refuses, in a group
    that has begun, those where a hash of the group so far is below `harshness` tenths. So there are dead ends, and
    groups of which only the first token can save them. What is in a group that is open may be taken back.
    """

    def __init__(self, salt: int, group_len: int, num_groups: int, harshness: int) -> None:
        self.salt = salt
        self.group_len = group_len
        self.num_groups = num_groups
        self.harshness = harshness
        tokens = _PLAIN if salt % 2 == 0 else _ALL
        self.pool = [tokens[mix(salt * 100 + index) % len(tokens)] for index in range(8)]

    engine: EngineName = "automaton"
    reason = "a test wants it"
    num_bytes = 1

    def new_matcher(self) -> "GuardedWalk":
        """See `CompiledGrammar`."""
        return GuardedWalk(self)

    def allowed(self, token_ids: Sequence[int]) -> list[int]:
        """What may follow these tokens, from nothing else."""
        num_tokens = len(token_ids)
        place = mix(self.salt * 1000 + num_tokens)
        num_legal = 1 + place % 4
        start = num_tokens - num_tokens % self.group_len
        legal = {self.pool[mix(place + index) % len(self.pool)] for index in range(num_legal)}
        allowed = sorted(token_id for token_id in legal if not self._refuses([*token_ids[start:], token_id]))
        if num_tokens >= self.group_len * self.num_groups:
            return [EOS]
        return [*allowed, EOS] if self.is_completed(num_tokens) else allowed

    def is_completed(self, num_tokens: int) -> bool:
        """Whether so many tokens are a text."""
        return num_tokens % self.group_len == 0 and num_tokens >= 2 * self.group_len

    def is_over(self, token_ids: Sequence[int]) -> bool:
        """Whether nothing may follow these tokens."""
        return self.is_completed(len(token_ids)) and len(token_ids) >= self.group_len * self.num_groups

    def first_revocable(self, token_ids: Sequence[int]) -> int:
        """The first of these tokens that may be taken back."""
        return len(token_ids) - len(token_ids) % self.group_len

    def _refuses(self, group: Sequence[int]) -> bool:
        if len(group) == 1:
            return False
        word = self.salt
        for token_id in group:
            word = mix(word * 31 + token_id)
        return word % 10 < self.harshness


class GuardedWalk:
    """Its matcher."""

    def __init__(self, grammar: GuardedGrammar, token_ids: Sequence[int] = ()) -> None:
        self.grammar = grammar
        self.token_ids = list(token_ids)

    def fill_bitmask(self, row: Tensor) -> bool:
        """See `Matcher`."""
        row.copy_(pack_row(self.grammar.allowed(self.token_ids), WORDS))
        return True

    def accept(self, token_id: int) -> bool:
        """See `Matcher`."""
        if token_id == EOS or token_id not in self.grammar.allowed(self.token_ids):
            return False
        self.token_ids.append(token_id)
        return True

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        assert 0 < num_tokens <= self.num_revocable_tokens, (num_tokens, self.num_revocable_tokens)
        del self.token_ids[-num_tokens:]

    def fork(self) -> "GuardedWalk":
        """See `Matcher`."""
        return GuardedWalk(self.grammar, self.token_ids)

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return self.grammar.is_completed(len(self.token_ids))

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`."""
        return self.is_completed and len(self.token_ids) >= self.grammar.group_len * self.grammar.num_groups

    @property
    def num_revocable_tokens(self) -> int:
        """See `Matcher`."""
        return len(self.token_ids) % self.grammar.group_len

    def forced_bytes(self) -> bytes:
        """See `Matcher`."""
        return b""


def row_of(token_ids: Sequence[int]) -> Tensor:
    """A mask: [mask_words] int32."""
    return pack_row(token_ids, WORDS) if token_ids else torch.zeros(WORDS, dtype=torch.int32)
