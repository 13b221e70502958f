"""ChoicePoints: where a constrained generation could have gone another way, and what led nowhere there."""

from collections.abc import Collection

from ..config import RollbackBudget


class ChoicePoints:
    """The tokens of one sample as a path through a tree of which only this path and its dead ends are known.

        prompt  {  "  a  "  :  1  ,  "  a  "  :        num_tokens = 11, nothing may follow (a repeated key)
                1  1  *  1  1  *  *  1  *  1  1        * more than one token was allowed
                                        ^
        go back to it: the token tried there is banned as long as what comes before it stays

    The search is depth first: a token that led to a dead end is not tried again after the same text, and where a
    place has no other token left, an earlier one is gone back to.
    """

    def __init__(self, budget: RollbackBudget) -> None:
        self._budget = budget
        self._had_choice: list[bool] = []  # [num_tokens]
        self._bans: dict[int, set[int]] = {}  # by the number of tokens before
        self.num_rollbacks = 0
        self.num_tokens_taken_back = 0

    def add(self, *, had_choice: bool) -> None:
        """A token was taken; `had_choice`: others were allowed, and not banned, in its place."""
        self._had_choice.append(had_choice)

    def banned_token_ids(self) -> Collection[int]:
        """What has led to dead ends from where the text ends now."""
        return self._bans.get(len(self._had_choice), ())

    def last_choice(self, first: int) -> int | None:
        """The number of tokens before the last one that had a rival, `first` at least; None where there is none."""
        choices = (index for index in reversed(range(first, len(self._had_choice))) if self._had_choice[index])
        return next(choices, None)

    def is_affordable(self, num_tokens: int) -> bool:
        """Whether the budget allows that so many tokens are taken back now."""
        return (
            self.num_rollbacks < self._budget.max_rollbacks
            and self.num_tokens_taken_back + num_tokens <= self._budget.max_tokens
        )

    def go_back(self, num_kept: int, token_id: int) -> None:
        """Keep the first `num_kept` tokens; `token_id` came after them and is not to be tried there again."""
        self.num_rollbacks += 1
        self.num_tokens_taken_back += len(self._had_choice) - num_kept
        del self._had_choice[num_kept:]
        self._bans = {index: bans for index, bans in self._bans.items() if index <= num_kept}
        self._bans.setdefault(num_kept, set()).add(token_id)
