"""GuardPlan: which schema keywords must be checked of the closed values at which places of a document."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..json_schema.document import Node, SchemaDocument
from .number_reach import NumberReach


@dataclass(frozen=True, slots=True)
class Check:
    """`keyword` of the schema object at `node` must hold of the closed value.

    The empty keyword stands for the whole schema at `node`, which may then be `true`, `false` or an object.
    """

    node: Node
    keyword: str


@dataclass(slots=True, eq=False)
class GuardNode:
    """What applies without condition to the value at one place of the document.

    The graph of nodes may be cyclic, as schemas are. A place that no field leads to is unguarded.

        value --- properties[key] ----> the member of that key      (all that fit apply: `properties`,
              --- patterns[..] -------> members whose key matches    every pattern that is found in the key,
              --- additional ---------> members that neither fits    else `additional`)
              --- prefix[i] / rest ---> items
    """

    checks: list[Check] = field(default_factory=list)
    """What must hold of the value when it closes."""
    properties: dict[str, "GuardNode | None"] = field(default_factory=dict)
    """By key; None: the key is declared (so not `additional`), its value unguarded."""
    patterns: list[tuple[str, "GuardNode | None"]] = field(default_factory=list)
    """A regular expression searched in the key, and what applies to the member."""
    additional: "GuardNode | None" = None
    key_checks: list[Check] = field(default_factory=list)
    """What must hold of every key when it closes (the checks' nodes are the `propertyNames` schemas themselves)."""
    prefix: list["GuardNode | None"] = field(default_factory=list)
    rest: "GuardNode | None" = None
    """Items past `prefix`."""
    unique_keys: bool = False
    """Whether a key said a second time is refused."""
    reach: NumberReach | None = None
    """What a number here must be able to become, of which the checks then say whether it is."""

    @property
    def has_any(self) -> bool:
        """Whether anything is checked here or at any place below; linear in the nodes reachable."""
        seen: set[int] = set()
        pending = [self]
        while pending:
            node = pending.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.checks or node.key_checks or node.unique_keys:
                return True
            pending.extend(child for child in node.children() if child is not None)
        return False

    def children(self) -> list["GuardNode | None"]:
        """The nodes one step down."""
        patterns = [child for _, child in self.patterns]
        return [*self.properties.values(), *patterns, self.additional, *self.prefix, self.rest]


_Place: TypeAlias = int | None
_Row: TypeAlias = tuple[
    list[Check],
    dict[str, _Place],
    list[tuple[str, _Place]],
    _Place,
    list[Check],
    list[_Place],
    _Place,
    bool,
    NumberReach | None,
]


@dataclass(frozen=True, slots=True)
class GuardPlan:
    """The checks of a document's values, from the whole value at `root` down. Pickled as a table, however deep."""

    document: SchemaDocument
    root: GuardNode
    asserts_format: bool = True
    """Whether `format` forbids anything inside checked values (`formats.py` says which formats are known)."""

    def __reduce__(self) -> "tuple[Callable[[SchemaDocument, list[_Row], bool], GuardPlan], tuple[object, ...]]":
        return _restored, (self.document, _table(self.root), self.asserts_format)


def _table(root: GuardNode) -> list[_Row]:
    """The nodes reachable from `root`, which comes first, with numbers in place of each other."""
    numbers: dict[int, int] = {id(root): 0}
    nodes = [root]
    for node in nodes:  # grows as it is read
        for child in node.children():
            if child is not None and id(child) not in numbers:
                numbers[id(child)] = len(nodes)
                nodes.append(child)

    def number(node: GuardNode | None) -> _Place:
        return None if node is None else numbers[id(node)]

    return [
        (
            node.checks,
            {key: number(child) for key, child in node.properties.items()},
            [(pattern, number(child)) for pattern, child in node.patterns],
            number(node.additional),
            node.key_checks,
            [number(child) for child in node.prefix],
            number(node.rest),
            node.unique_keys,
            node.reach,
        )
        for node in nodes
    ]


def _restored(document: SchemaDocument, table: list[_Row], asserts_format: bool) -> GuardPlan:
    nodes = [GuardNode() for _ in table]

    def at(place: _Place) -> GuardNode | None:
        return None if place is None else nodes[place]

    for node, row in zip(nodes, table, strict=True):
        node.checks, properties, patterns, additional, node.key_checks, prefix, rest, node.unique_keys, node.reach = row
        node.properties = {key: at(place) for key, place in properties.items()}
        node.patterns = [(pattern, at(place)) for pattern, place in patterns]
        node.additional, node.rest = at(additional), at(rest)
        node.prefix = [at(place) for place in prefix]
    return GuardPlan(document, nodes[0], asserts_format)
