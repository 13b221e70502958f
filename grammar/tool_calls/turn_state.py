"""TurnState: the automaton of a model's turn, from which its grammar, its parser and its guards are all derived."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..errors import ConstraintTooLarge, InvalidConstraint

MAX_MARK_LEN = 2_000
MAX_MARKS_LEN = 200_000


class Role(Enum):
    """What the characters read at a state are."""

    TEXT = "text"
    REASONING = "reasoning"
    MARKUP = "markup"


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A part in a language of its own, which knows where it ends: `key` says which, `next` where the turn goes on."""

    key: str
    next: "TurnState"


@dataclass(slots=True, eq=False, repr=False)
class TurnState:
    """One state: an edge for each character that matters, one for all others; or else the beginning of a body.

          +-- other --+      +----- other ------+
          v           |      v                  |
    --> (text, 0) ---"<"--> (text, 1) --"t"--> (text, 2) ... ">" --> (markup) --"\\n"--> ... (body: f) --> ...
    """

    role: Role
    edges: "dict[str, TurnState | None]" = field(default_factory=dict)
    """By character; None: this one is forbidden."""
    otherwise: "TurnState | None" = None
    """Where every character without an edge leads; None: nowhere."""
    is_final: bool = False
    """Whether the turn may end here."""
    held_len: int = 0
    """In free text: how many of the last characters may be the beginning of a mark."""
    body: Body | None = None

    def __repr__(self) -> str:
        return f"<{self.role.value} state, {len(self.edges)} edges>"  # states lead to each other without end

    def step(self, character: str) -> "TurnState | None":
        """The next state; None where the character is forbidden. Not at the beginning of a body."""
        return self.edges.get(character, self.otherwise)


def body_state(key: str, following: TurnState) -> TurnState:
    """The state at which the body `key` begins."""
    return TurnState(Role.MARKUP, body=Body(key, following))


def after_texts(targets: Mapping[str, TurnState], start: TurnState | None = None) -> TurnState:
    """The state at which one of several texts must follow, each leading to its target; none begins with another.

    `start` is made this state where it is given.
    """
    if start is None and len(targets) == 1 and "" in targets:
        return targets[""]
    start = start or TurnState(Role.MARKUP)
    for text, target in targets.items():
        assert text, "an empty text among others would be the beginning of them"
        state = start
        for character in text[:-1]:
            following = state.edges.setdefault(character, TurnState(Role.MARKUP))
            assert following is not None, f"{text!r} runs into a forbidden character"
            state = following
        assert text[-1] not in state.edges, f"{text!r} is the beginning of another text, or another one of it"
        state.edges[text[-1]] = target
    return start


def free_text(marks: Mapping[str, TurnState | None], root: TurnState) -> TurnState:
    """Make `root` the state of any text up to the first of `marks`, which leads to its target; to None: never comes.

    Role, and whether the turn may end, are those of `root`.

    The automaton of Aho and Corasick (Efficient string matching, 1975): a state for each beginning of a mark, its
    edges those of the longest shorter one, overridden by its own. Linear in the marks times the characters in them.
    """
    check_marks(marks)
    root.otherwise = root
    children = _children(marks)
    pending: deque[tuple[str, TurnState, TurnState]] = deque([("", root, root)])
    while pending:
        prefix, state, fallback = pending.popleft()
        inherited = fallback.edges if state is not root else {}
        own: dict[str, TurnState | None] = {}
        for character in children[prefix]:
            longer = prefix + character
            if longer in marks:
                own[character] = marks[longer]
                continue
            child = TurnState(root.role, otherwise=root, is_final=root.is_final, held_len=len(longer))
            following = inherited.get(character, root)
            assert following is not None, "a mark inside another was let through"
            own[character] = child
            pending.append((longer, child, following))
        state.edges = {**inherited, **own}
    return root


def check_marks(marks: Iterable[str]) -> None:
    """Raise `InvalidConstraint` where a mark is empty, or lies inside another, so that it would hide it.

    Raises `ConstraintTooLarge` past the bounds on one mark and on all together.
    """
    listed = list(marks)
    for mark in listed:
        check_mark_len(mark)
    if sum(map(len, listed)) > MAX_MARKS_LEN:
        raise ConstraintTooLarge("characters of marks in all", MAX_MARKS_LEN, sum(map(len, listed)))
    joined = "\n\0".join(listed)
    for mark in listed:
        if not mark:
            raise InvalidConstraint("tags: expected marks of at least one character, got an empty one")
        if joined.count(mark) > 1 and any(mark in other for other in listed if other != mark):
            [other, *_] = [other for other in listed if other != mark and mark in other]
            raise InvalidConstraint(
                f"tags: expected marks of which none holds another, got {mark!r} inside {other!r}; "
                "give both one shorter trigger, or change one"
            )


def check_mark_len(mark: str) -> None:
    """Raise `ConstraintTooLarge` past the bound on one mark."""
    if len(mark) > MAX_MARK_LEN:
        raise ConstraintTooLarge("characters of a mark or name", MAX_MARK_LEN, len(mark))


def open_with(text: TurnState, mark: str, target: TurnState) -> TurnState:
    """Like `text`, a free text whose marks include `mark`, except that `mark` leads to `target` at the very start."""
    beginnings = [text]
    for character in mark[:-1]:
        following = beginnings[-1].edges[character]
        assert following is not None, f"{mark!r} runs through another mark"
        beginnings.append(following)
    for character, beginning in zip(reversed(mark), reversed(beginnings), strict=True):
        target = TurnState(
            beginning.role,
            {**beginning.edges, character: target},
            beginning.otherwise,
            beginning.is_final,
            beginning.held_len,
        )
    return target


def _children(marks: Iterable[str]) -> dict[str, list[str]]:
    """The characters that follow each beginning of a mark."""
    children: dict[str, dict[str, None]] = {"": {}}
    for mark in marks:
        for index, character in enumerate(mark):
            children.setdefault(mark[:index], {})[character] = None
            children.setdefault(mark[: index + 1], {})
    return {prefix: list(characters) for prefix, characters in children.items()}
