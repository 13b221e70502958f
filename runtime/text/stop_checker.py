"""StopChecker: finds where a growing text must end, and how much of it may be shown before."""

from dataclasses import dataclass, field

from .stop_automaton import START, StopAutomaton, stop_automaton


@dataclass(frozen=True)
class StopMatch:
    """A stop was found: the text ends before `start`; `matched` is what was found there."""

    start: int
    matched: str


@dataclass
class StopChecker:
    """Watches a text for stop strings and stop regexes as it grows.

    As soon as a match is found the one that begins first wins; of two that begin together, the one that ends first.
    A regex runs as a deterministic automaton of a bounded number of states, from each place where a match could have
    begun, so that its cost per character is bounded, too, and no backtracking ever runs on what a model wrote.
    """

    strings: tuple[str, ...]
    regexes: tuple[str, ...]
    _text: str = ""
    _threads: list[dict[int, int]] = field(default_factory=list)  # one regex: {start: state}

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


def _advance(automaton: StopAutomaton, threads: dict[int, int], text: str, offset: int) -> tuple[int, int] | None:
    """Feed `text`, whose first character stands at `offset`; returns (start, end) of the earliest match in it.

    Of two threads in one state the later is dropped: both will match, or fail, together, and the earlier start wins.
    So there are never more threads than states.
    """
    earliest: tuple[int, int] | None = None
    for index, character in enumerate(text):
        threads[offset + index] = START
        moved: dict[int, int] = {}
        char_class = automaton.class_of(character)
        for start, state in threads.items():
            after = automaton.after(state, char_class)
            if after is None:
                continue
            if not automaton.is_final(after):
                moved.setdefault(after, start)
            elif earliest is None or start < earliest[0]:
                earliest = (start, offset + index + 1)
        threads.clear()
        threads.update((start, state) for state, start in moved.items())
    return earliest
