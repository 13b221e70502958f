"""LazyAutomaton: an expression over characters as an automaton whose states are made when a text first needs them.

Thompson's construction (1968), run by sets of states that are remembered (Rabin and Scott, 1959), so that a text is
read in one pass, whatever the expression, and a longer one from where its beginning led.
"""

from ..errors import ConstraintTooLarge
from ..rules.char_set import ALL_CHARS, CharSet
from ..rules.expression import Chars, Concat, Either, Expression, Literal, Repeat, RuleRef

MAX_STATES = 20_000
MAX_KEPT = 2_000

StateSet = frozenset[int]


class LazyAutomaton:
    """Reads texts; raises `ConstraintTooLarge` where the expression with its repeats written out is."""

    def __init__(self, expression: Expression) -> None:
        self._moves: list[list[tuple[CharSet, int]]] = []
        self._skips: list[list[int]] = []
        start = self._new()
        self._end = self._add(expression, start)
        self._kept: dict[StateSet, dict[str, StateSet]] = {}
        self._start = self._closure({start})
        self._free = frozenset(state for state in range(len(self._moves)) if self._is_free(state))
        self._anchor: tuple[str, StateSet] = ("", self._start)

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` matches."""
        return self._end in self._after(text)

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
        return self._closure({end for state in states for members, end in self._moves[state] if character in members})

    def _closure(self, states: set[int]) -> StateSet:
        pending = list(states)
        while pending:
            for target in self._skips[pending.pop()]:
                if target not in states:
                    states.add(target)
                    pending.append(target)
        return frozenset(states)

    def _is_free(self, state: int) -> bool:
        """Whether whatever follows `state` matches: it may end there, and any character leads back to it."""
        targets = [end for members, end in self._moves[state] if members == ALL_CHARS]
        return bool(targets) and self._end in self._closure({state}) and state in self._closure(set(targets))

    def _new(self) -> int:
        if len(self._moves) >= MAX_STATES:
            raise ConstraintTooLarge("characters of a checked pattern with its repeats written out", MAX_STATES, "more")
        self._moves.append([])
        self._skips.append([])
        return len(self._moves) - 1

    def _add(self, expression: Expression, start: int) -> int:
        """Add what matches from `start`; returns where it ends."""
        match expression:
            case Literal(text):
                for character in text:
                    start = self._move(CharSet.from_text(character), start)
                return start
            case Chars(members):
                return self._move(members, start)
            case Concat(parts):
                for part in parts:
                    start = self._add(part, start)
                return start
            case Either(options):
                return self._join([self._add(option, start) for option in options])
            case Repeat(item, min_count, max_count):
                return self._repeat(item, min_count, max_count, start)
            case RuleRef(name):
                raise AssertionError(f"automaton: expected an expression over characters, got the rule {name!r}")

    def _repeat(self, item: Expression, min_count: int, max_count: int | None, start: int) -> int:
        for _ in range(min_count):
            start = self._add(item, start)
        if max_count is None:
            head = self._join([start])
            self._skips[self._add(item, head)].append(head)
            return self._join([head])
        ends = [start]
        for _ in range(max_count - min_count):
            start = self._add(item, start)
            ends.append(start)
        return self._join(ends)

    def _move(self, members: CharSet, start: int) -> int:
        end = self._new()
        self._moves[start].append((members, end))
        return end

    def _join(self, ends: list[int]) -> int:
        joint = self._new()
        for end in ends:
            self._skips[end].append(joint)
        return joint
