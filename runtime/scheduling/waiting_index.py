"""WaitingIndex: how much of each waiting text is cached, kept up to date as the radix tree changes."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from ..cache.node import Node
from ..cache.radix_cache import RadixCache
from ..cache.segment import shared_len
from ..row import Row


@dataclass(eq=False, slots=True)
class Place:
    """Where the matches of some texts end: `depth` tokens deep, where all of them go on with `next_token`."""

    key: Node | str
    """The node they end in; a root has no identity of its own, since the tree drops it when it is empty: then its
    namespace."""
    depth: int
    next_token: int | None
    """None: the text is cached as a whole."""
    rows: dict[Row, None] = field(default_factory=dict)
    """In the order in which they came."""
    leaders: dict[Row, None] = field(default_factory=dict)
    """Those of the rows that are just being computed: the others will find more of their text cached soon."""


_Places = dict[tuple[int, int | None], Place]


class WaitingIndex:
    """The rows of texts that are not computed, by the nodes of the radix tree where their matches end.

    As a listener of the tree it hears what was inserted or evicted. An insertion concerns only the texts at the place
    where it begins that go on with its first token: they match at least one token more now. An eviction concerns only
    those whose match ended in what was given up. So a change of the tree costs as many steps as there are rows whose
    match it changes, plus, for a split or an eviction, the places in that node; a waiting row costs nothing else.

    Rows that share more with each other than the tree has of either stand at one place: whoever could take over what
    another is just computing finds it there.
    """

    def __init__(self, cache: RadixCache, on_change: Callable[[Row], None]) -> None:
        """`on_change`: is told of each row that has another place, with `num_match` as it is now."""
        self._cache = cache
        self._on_change = on_change
        self._places_at: dict[Node | str, _Places] = {}
        self._stand: dict[Row, Place] = {}
        self._leaders: set[Row] = set()
        cache.listener = self

    def __contains__(self, row: Row) -> bool:
        return row in self._stand

    def __len__(self) -> int:
        return len(self._stand)

    def add(self, row: Row) -> None:
        """Match a row's tape, which must stay as it is, up to its length now, while the row is in here."""
        branch = row.branch
        match = self._cache.match_prefix(branch.namespace, branch.token_ids)
        self._put(row, match.node, match.num_tokens)

    def lead(self, row: Row) -> None:
        """A row of the index is being computed from now on; it stays until it is removed."""
        self._leaders.add(row)
        self.place_of(row).leaders[row] = None

    def remove(self, row: Row) -> None:
        """Forget a row; one that is not in here is left alone."""
        place = self._stand.pop(row, None)
        if place is None:
            return
        del place.rows[row]
        if row in self._leaders:
            self._leaders.discard(row)
            del place.leaders[row]
        if not place.rows:
            self._drop(place)

    def place_of(self, row: Row) -> Place:
        """Where the row's match ends."""
        return self._stand[row]

    @property
    def leaders(self) -> Collection[Row]:
        """The rows that are being computed."""
        return self._leaders

    # --- what the tree tells

    def on_insert(self, node: Node, start: int) -> None:
        """Tokens [start, node.depth) are cached now: the texts that go on so match more."""
        is_new = start == node.start
        assert is_new or node.parent is not None, f"a root cannot grow to depth {node.depth}"
        above = node.parent if is_new and node.parent is not None else node
        place = self._take(_key(above), (start, node.segment[start - node.start]))
        if place is not None:
            self._move_down(place.rows, node, start)

    def on_split(self, upper: Node, lower: Node) -> None:
        """The places of `lower` that are no deeper than `upper` are in that now."""
        places = self._places_at.get(lower)
        if places is None:
            return
        for at in [at for at in places if at[0] <= upper.depth]:
            self._adopt(upper, places.pop(at))
        if not places:
            del self._places_at[lower]

    def on_evict(self, node: Node, parent: Node) -> None:
        """What ended in the end of `node` ends before it now."""
        places = self._places_at.get(node)
        if places is None:
            return
        home, depth = (parent, node.start) if node.is_evicted else (node, node.depth)
        for at in [at for at in places if at[0] > depth]:
            # Where a match began to be shortened, all of its texts went on with the same token.
            for row in self._drop(places[at]):
                self._put(row, home, depth)
                self._on_change(row)

    # --- inside

    def _move_down(self, rows: Iterable[Row], node: Node, depth: int) -> None:
        """Match further from `depth`, which is the start of `node` or inside of it."""
        for row in list(rows):
            current, row_depth = node, depth
            token_ids = row.branch.token_ids
            while True:
                row_depth += shared_len(current.segment[row_depth - current.start :], token_ids, row_depth)
                child = current.children.get(token_ids[row_depth]) if row_depth < len(token_ids) else None
                if row_depth < current.depth or child is None:
                    break
                current = child
            self._put(row, current, row_depth)
            self._on_change(row)

    def _put(self, row: Row, node: Node, depth: int) -> None:
        token_ids = row.branch.token_ids
        next_token = token_ids[depth] if depth < len(token_ids) else None
        key = _key(node)
        places = self._places_at.setdefault(key, {})
        place = places.get((depth, next_token))
        if place is None:
            place = places[depth, next_token] = Place(key, depth, next_token)
        place.rows[row] = None
        if row in self._leaders:
            place.leaders[row] = None
        self._stand[row] = place
        row.num_match = _usable(row, depth)

    def _take(self, key: "Node | str", at: tuple[int, int]) -> Place | None:
        """Take a place out, with its rows."""
        places = self._places_at.get(key)
        place = None if places is None else places.get(at)
        if place is not None:
            self._drop(place)
        return place

    def _adopt(self, node: Node, place: Place) -> None:
        place.key = node
        self._places_at.setdefault(node, {})[place.depth, place.next_token] = place

    def _drop(self, place: Place) -> list[Row]:
        """Take a place out; the rows that stand there need another."""
        places = self._places_at[place.key]
        del places[place.depth, place.next_token]
        if not places:
            del self._places_at[place.key]
        return list(place.rows)

    def check_integrity(self) -> None:
        """Raise AssertionError unless each row is where a match from scratch would put it. O(rows * their length).

        A row that is being computed may have gained a token since.
        """
        for row, place in self._stand.items():
            if row in self._leaders:
                continue
            match = self._cache.match_prefix(row.branch.namespace, row.branch.token_ids)
            assert (place.depth, place.key) == (match.num_tokens, _key(match.node)), (
                f"row {row.arrival}: expected a match of {match.num_tokens} tokens, got {place.depth}"
            )
            assert row.num_match == _usable(row, place.depth), (row.arrival, row.num_match, place.depth)
            assert row in place.rows, f"row {row.arrival} is not at its place"
        num_rows = sum(len(place.rows) for places in self._places_at.values() for place in places.values())
        assert num_rows == len(self._stand), f"expected {len(self._stand)} rows at places, got {num_rows}"


def _key(node: Node) -> "Node | str":
    return node.namespace if node.is_root else node


def _usable(row: Row, depth: int) -> int:
    """Cached tokens that a row may take: the last one is computed anyway, and some want the logits of their input."""
    num_tokens = min(depth, len(row.branch.token_ids) - 1)
    return num_tokens if row.match_limit is None else min(num_tokens, row.match_limit)
