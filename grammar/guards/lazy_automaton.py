"""LazyAutomaton: an expression over characters as an automaton whose states are made when a text first needs them.

Run by sets of states that are remembered (Rabin and Scott, 1959), so that a text is read in one pass, whatever the
expression, and a longer one from where its beginning led.
"""

from ..rules.char_set import ALL_CHARS
from ..rules.expression import Expression
from ..rules.nfa import Nfa

MAX_STATES = 20_000
MAX_KEPT = 2_000

StateSet = frozenset[int]


class LazyAutomaton:
    """Reads texts; raises `ConstraintTooLarge` where the expression with its repeats written out is."""

    def __init__(self, expression: Expression) -> None:
        self._nfa = Nfa(expression, MAX_STATES)
        self._kept: dict[StateSet, dict[str, StateSet]] = {}
        self._start = self._nfa.closure({0})
        self._free = frozenset(state for state in range(len(self._nfa.moves)) if self._is_free(state))
        self._anchor: tuple[str, StateSet] = ("", self._start)

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` matches."""
        return self._nfa.end in self._after(text)

    def matches_beginning(self, text: str) -> bool | None:
        """The same of every text that begins so; None: of some. What it read is where the next reading goes on."""
        states = self._after(text)
        self._anchor = (text, states)
        if not states:
            return False
        return True if states & self._free else None

    def _after(self, text: str) -> StateSet:
        beginning, states = self._anchor
        if not text.startswith(beginning):
            beginning, states = "", self._start
        for character in text[len(beginning) :]:
            known = self._kept.get(states)
            if known is None:
                if len(self._kept) >= MAX_KEPT:
                    self._kept.clear()
                known = self._kept[states] = {}
            after = known.get(character)
            if after is None:
                after = self._step(states, character)
                if len(known) < MAX_KEPT:
                    known[character] = after
            states = after
        return states

    def _step(self, states: StateSet, character: str) -> StateSet:
        moves = self._nfa.moves
        return self._nfa.closure({end for state in states for members, end in moves[state] if character in members})

    def _is_free(self, state: int) -> bool:
        """Whether whatever follows `state` matches: it may end there, and any character leads back to it."""
        targets = {end for members, end in self._nfa.moves[state] if members == ALL_CHARS}
        return bool(targets) and self._nfa.end in self._nfa.closure({state}) and state in self._nfa.closure(targets)
