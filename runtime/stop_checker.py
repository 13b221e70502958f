"""StopChecker: finds where a growing text must end, and how much of it may be shown before."""

from dataclasses import dataclass, field
from functools import lru_cache

import interegular
from interegular.fsm import FSM, State, anything_else
from interegular.patterns import InvalidSyntax, Unsupported

from ..grammar.notations.regex import parse_regex
from .errors import InvalidRequest


@dataclass(frozen=True)
class StopMatch:
    """A stop was found: the text ends before `start`; `matched` is what was found there."""

    start: int
    matched: str


@dataclass
class StopChecker:
    """Watches a text for stop strings and stop regexes as it grows.

    As soon as a match is found the one that begins first wins; of two that begin together, the one that ends first.
    A regex runs as a finite automaton with one state per place where a match could have begun, so that its cost per
    character is bounded by the number of live places, and no backtracking ever runs on what a model wrote.
    """

    strings: tuple[str, ...]
    regexes: tuple[str, ...]
    _text: str = ""
    _threads: list[dict[int, State]] = field(default_factory=list)  # one regex: {start: state}

    def __post_init__(self) -> None:
        self._automata = [stop_automaton(pattern) for pattern in self.regexes]
        self._threads = self._threads or [{} for _ in self.regexes]

    def append(self, text: str, *, is_armed: bool = True) -> StopMatch | None:
        """Take more text; returns the match that ends in it, if there is one. Matches found unarmed do not count."""
        offset = len(self._text)
        self._text += text
        found: list[tuple[int, int]] = []
        for stop in self.strings:
            start = self._text.find(stop, max(0, offset - len(stop) + 1))
            if start >= 0:
                found.append((start, start + len(stop)))
        for automaton, threads in zip(self._automata, self._threads, strict=True):
            match = _advance(automaton, threads, text, offset)
            if match is not None:
                found.append(match)
        if not found or not is_armed:
            return None
        start, end = min(found)
        return StopMatch(start, self._text[start:end])

    def take_back(self, text_len: int) -> None:
        """Forget all but the first `text_len` characters, as if they had never come. O(text) with regexes."""
        self._text = self._text[:text_len]
        for automaton, threads in zip(self._automata, self._threads, strict=True):
            threads.clear()
            _advance(automaton, threads, self._text, 0)

    def num_safe(self) -> int:
        """How many characters of the text can be in no match that is still to come."""
        safe = len(self._text)
        for stop in self.strings:
            for length in range(min(len(stop) - 1, len(self._text)), 0, -1):
                if self._text.endswith(stop[:length]):
                    safe = min(safe, len(self._text) - length)
                    break
        for threads in self._threads:
            safe = min([safe, *threads])
        return safe


@lru_cache(maxsize=256)
def stop_automaton(pattern: str) -> FSM:
    """The automaton of a stop regex.

    Raises: GrammarError where the pattern is not valid or has look-around or back-references; InvalidRequest where it
    has what cannot be watched for, as anchors, or matches the empty text, which would end everything at once.
    """
    parse_regex(pattern)
    try:
        automaton: FSM = interegular.parse_pattern(pattern).to_fsm().reduce()
    except (InvalidSyntax, Unsupported) as error:
        raise InvalidRequest(
            f"stop_regex: expected a pattern that can be watched for, got {pattern!r}: {error} is not supported there; "
            "anchors mean nothing in a stop"
        ) from error
    if automaton.initial in automaton.finals:
        raise InvalidRequest(
            f"stop_regex: expected a pattern that matches at least one character, got {pattern!r}, which matches the "
            "empty text and would end every generation at once"
        )
    return automaton


def _advance(automaton: FSM, threads: dict[int, State], text: str, offset: int) -> tuple[int, int] | None:
    """Feed `text`, whose first character stands at `offset`; returns (start, end) of the earliest match in it."""
    earliest: tuple[int, int] | None = None
    for index, character in enumerate(text):
        threads[offset + index] = automaton.initial
        symbol = automaton.alphabet[character if character in automaton.alphabet else anything_else]
        for start, state in list(threads.items()):
            after = automaton.map[state].get(symbol)
            if after is None or not automaton.islive(after):
                del threads[start]
            elif after in automaton.finals:
                del threads[start]
                match = (start, offset + index + 1)
                earliest = match if earliest is None else min(earliest, match)
            else:
                threads[start] = after
    return earliest
