"""The states of a turn as a table, to be sent to another process: pickling them as they are would recurse too deep."""

from dataclasses import dataclass

from .turn_state import Body, Role, TurnState


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One state; others are named by their index."""

    role: Role
    edges: tuple[tuple[str, int | None], ...]
    otherwise: int | None
    is_final: bool
    held_len: int
    body: tuple[str, int] | None


def to_rows(start: TurnState) -> tuple[TurnRow, ...]:
    """All states reachable, `start` first."""
    indices: dict[int, int] = {id(start): 0}
    states = [start]

    def index(state: TurnState) -> int:
        if id(state) not in indices:
            indices[id(state)] = len(states)
            states.append(state)
        return indices[id(state)]

    rows = []
    for state in states:  # grows meanwhile
        edges = tuple((character, None if to is None else index(to)) for character, to in state.edges.items())
        otherwise = None if state.otherwise is None else index(state.otherwise)
        body = None if state.body is None else (state.body.key, index(state.body.next))
        rows.append(TurnRow(state.role, edges, otherwise, state.is_final, state.held_len, body))
    return tuple(rows)


def from_rows(rows: tuple[TurnRow, ...]) -> TurnState:
    """The state that `to_rows` began with, and all that it leads to."""
    states = [TurnState(row.role, is_final=row.is_final, held_len=row.held_len) for row in rows]
    for state, row in zip(states, rows, strict=True):
        state.edges = {character: None if to is None else states[to] for character, to in row.edges}
        state.otherwise = None if row.otherwise is None else states[row.otherwise]
        state.body = None if row.body is None else Body(row.body[0], states[row.body[1]])
    return states[0]
