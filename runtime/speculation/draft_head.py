"""DraftHead: the port of small heads that guess from the target's own hidden states, as EAGLE's does."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from .drafter import Drafter, DraftText, Guesser


@runtime_checkable
class HiddenStateGuesser(Guesser, Protocol):
    """Follows one text with the states that its tokens were sampled from."""

    def see_hidden(self, hidden: Tensor) -> None:
        """After each pass in which tokens were sampled, whether guesses were asked for or not.

        hidden: [num_new, hidden_size] in the model's dtype, what the last layer gave to the LM head where the tape's
        last `num_new` tokens were sampled: row i belongs to the token `num_new - i` from the end. The newest token has
        not been computed yet. Places of the prompt are not shown. Tokens may have been taken back since the last call.
        """
        ...


@runtime_checkable
class DraftHead(Drafter, Protocol):
    """A source of guesses that is trained on one target (EAGLE, Li et al. 2024, arXiv:2401.15077).

    States in, drafts out; those become one tree with the guesses of all other sources. A head that is trained badly, or
    not at all, costs time and changes no answer.
    """

    hidden_size: int
    """Of the states it reads: the target's."""

    def begin(self, text: DraftText) -> HiddenStateGuesser | None:
        """See `Drafter`."""
        ...
