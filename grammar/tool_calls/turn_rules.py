"""The rules of a turn's automaton: a right-linear grammar in which the bodies are rules of their own."""

from collections.abc import Mapping

from ..rules.char_set import ALL_CHARS, CharSet
from ..rules.expression import EMPTY, NOTHING, Chars, Expression, Literal, RuleRef, concat, either
from ..rules.rule_set import RuleSet
from .turn_state import TurnState


def define_turn(rules: RuleSet, start: TurnState, bodies: Mapping[str, Expression]) -> RuleRef:
    """Define the turns that begin at `start` as the rule `turn-0`; `bodies` says what each body may be, by its key.

    One rule for each state at which there is a choice; what leads to it without one is written out:

        turn-0  ::=  "" | [^<] turn-0 | "<" turn-1
        turn-1  ::=  "" | [^<t] turn-0 | "<" turn-1 | "t" turn-2
        ...
        turn-9  ::=  "" | ... | ">" "\\n{...name..." arguments-f "}\\n</tool_call>" turn-0
    """
    return _TurnRules(rules, bodies).define(start)


class _TurnRules:
    def __init__(self, rules: RuleSet, bodies: Mapping[str, Expression]) -> None:
        self.rules = rules
        self.bodies = bodies
        self.names: dict[int, str] = {}
        self.pending: list[TurnState] = []

    def define(self, start: TurnState) -> RuleRef:
        root = self.rule_for(start)
        while self.pending:
            state = self.pending.pop()
            self.rules.define(self.names[id(state)], self.expression(state))
        return root

    def rule_for(self, state: TurnState) -> RuleRef:
        if id(state) not in self.names:
            self.names[id(state)] = f"turn-{len(self.names)}"
            self.pending.append(state)
        return RuleRef(self.names[id(state)])

    def expression(self, state: TurnState) -> Expression:
        """What may follow at a state."""
        if state.body is not None:
            return concat(self.bodies[state.body.key], self.following(state.body.next))
        characters: dict[int, list[str]] = {}
        targets: dict[int, TurnState] = {}
        for character, target in state.edges.items():
            if target is not None:
                targets[id(target)] = target
                characters.setdefault(id(target), []).append(character)
        options: list[Expression] = [EMPTY] if state.is_final else []
        if state.otherwise is not None:
            others = ALL_CHARS - CharSet.from_text("".join(state.edges))
            for character in characters.pop(id(state.otherwise), []):
                others |= CharSet.from_text(character)
            options.append(concat(Chars(others), self.following(state.otherwise)))
        for key, together in characters.items():
            options.append(concat(_one_of(together), self.following(targets[key])))
        return either(options)

    def following(self, state: TurnState) -> Expression:
        """The text up to the next choice, then its rule."""
        parts: list[Expression] = []
        text = ""
        while True:
            if state.body is not None:
                parts += [Literal(text), self.bodies[state.body.key]]
                text, state = "", state.body.next
                continue
            is_choice = state.is_final or state.otherwise is not None or len(state.edges) != 1
            if is_choice:
                break
            [(character, target)] = state.edges.items()
            if target is None:
                return NOTHING
            text, state = text + character, target
        has_end_alone = state.is_final and not state.edges and state.otherwise is None
        return concat(*parts, Literal(text), EMPTY if has_end_alone else self.rule_for(state))


def _one_of(characters: list[str]) -> Expression:
    return Literal(characters[0]) if len(characters) == 1 else Chars(CharSet.from_text("".join(characters)))
