"""GuardBuilder: from the guards of single goals to the plan of a document; branches that need one are checked whole."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ..guards.guard_plan import Check, GuardNode, GuardPlan
from .document import Node, SchemaDocument
from .facts import Group
from .keywords import ASSERTIONS, IN_PLACE_KEYWORDS

_ALWAYS_ENFORCED = frozenset(("type", "enum", "const"))


@dataclass(frozen=True, slots=True)
class Option:
    """One way through the groups of a goal: its guard, and the types of value it makes."""

    guard: GuardNode
    types: frozenset[str]


@dataclass(slots=True, eq=False)
class Choice:
    """The ways through the groups at one place; `own` are the schemas that hold whichever way is taken."""

    guard: GuardNode
    own: list[Node]
    groups: list[Group]
    options: list[Option]
    is_settled: bool = False


class GuardBuilder:
    """Collects choices while rules are made, and settles them once all are.

    What a branch needs checked cannot be checked as if it always held: either the branches are told apart by the type
    of value, and then what is checked of an array says nothing of a string; or the whole group is checked where the
    value closes, and with it the schemas beside the group, whose merging with a branch may have left something open.
    """

    def __init__(self, document: SchemaDocument) -> None:
        self._document = document
        self._choices: dict[GuardNode, Choice] = {}

    def add_choice(self, choice: Choice) -> None:
        """Note a place where ways part."""
        self._choices[choice.guard] = choice

    def finish(self, root: GuardNode, guards: Iterable[GuardNode]) -> GuardPlan | None:
        """The plan, or None where nothing needs a guard. Linear in the guards and what they lead to."""
        reaching = self._reaching_checks(list(guards))
        for choice in list(self._choices.values()):
            self._settle(choice, reaching)
        return GuardPlan(self._document, root) if root in reaching else None

    def _reaching_checks(self, guards: list[GuardNode]) -> set[GuardNode]:
        """The guards that have checks, or lead to some, options included."""
        users: defaultdict[GuardNode, list[GuardNode]] = defaultdict(list)
        pending: list[GuardNode] = []
        seen: set[GuardNode] = set(guards)
        while guards:
            guard = guards.pop()
            if guard.checks or guard.key_checks or guard.unique_keys:
                pending.append(guard)
            inner = [child for child in guard.children() if child is not None]
            if guard in self._choices:
                inner += [option.guard for option in self._choices[guard].options]
            for child in inner:
                users[child].append(guard)
                if child not in seen:
                    seen.add(child)
                    guards.append(child)
        reaching: set[GuardNode] = set()
        while pending:
            guard = pending.pop()
            if guard not in reaching:
                reaching.add(guard)
                pending += users[guard]
        return reaching

    def _settle(self, choice: Choice, reaching: set[GuardNode]) -> None:
        pending = [choice]
        entered: set[GuardNode] = set()
        while pending:  # what is chosen inside an option first
            current = pending[-1]
            if current.is_settled:
                pending.pop()
            elif current.guard in entered:
                pending.pop()
                current.is_settled = True
                self._settle_one(current, reaching)
            else:
                entered.add(current.guard)
                inner = [self._choices[option.guard] for option in current.options if option.guard in self._choices]
                pending += [each for each in inner if each.guard not in entered]

    def _settle_one(self, choice: Choice, reaching: set[GuardNode]) -> None:
        guarded = [option for option in choice.options if option.guard in reaching]
        if not guarded:
            return
        if _are_apart(choice.options) and all(_is_about_type(option.guard) for option in guarded):
            for option in guarded:
                _merge(choice.guard, option.guard)
            return
        for group in choice.groups:
            add_check(choice.guard, group.check)
        for node in choice.own:
            for keyword in node.value if isinstance(node.value, dict) else ():
                if keyword in ASSERTIONS and keyword not in _ALWAYS_ENFORCED and keyword not in IN_PLACE_KEYWORDS:
                    add_check(choice.guard, Check(node, keyword))


def add_check(guard: GuardNode, check: Check) -> None:
    """Add `check` to what the guard checks, once."""
    if check not in guard.checks:
        guard.checks.append(check)


def _are_apart(options: list[Option]) -> bool:
    seen: set[str] = set()
    for option in options:
        types = {"number" if kind == "integer" else kind for kind in option.types}
        if types & seen:
            return False
        seen |= types
    return True


def _is_about_type(guard: GuardNode) -> bool:
    """Whether every check here is about values of one type, and so says nothing of others."""
    return all(check.keyword and check.keyword not in IN_PLACE_KEYWORDS for check in guard.checks)


def _merge(into: GuardNode, guard: GuardNode) -> None:
    for check in guard.checks:
        add_check(into, check)
    if guard.properties or guard.patterns or guard.additional is not None or guard.key_checks or guard.unique_keys:
        into.properties, into.patterns, into.additional = guard.properties, guard.patterns, guard.additional
        into.key_checks, into.unique_keys = guard.key_checks, guard.unique_keys
    if guard.prefix or guard.rest is not None:
        into.prefix, into.rest = guard.prefix, guard.rest
    into.reach = guard.reach or into.reach
