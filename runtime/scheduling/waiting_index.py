"""WaitingIndex: how much of each waiting text is cached, kept up to date as the radix tree changes."""

from array import array
from collections.abc import Collection

from ..cache.node import Node
from ..cache.radix_cache import RadixCache
from ..cache.segment import shared_len
from ..row import Row
from .text_node import Regrouping, TextNode


class WaitingIndex:
    """The rows of texts that are not computed, in a radix tree of their own, beside that of the texts that are.

    As a listener of the cache's tree it hears what was inserted or evicted. Both trees are walked along what changed,
    and the heads of groups moved (see `TextNode`): where a text came that begins many others, all of them match more
    by the change of one head. So a change of the cache costs as many steps as the changed tokens have branchings
    among the waiting texts, however many rows wait there; a waiting row costs nothing else.

    A row's text is what of its tape it may take from the cache: the last token is computed anyway, and some rows want
    the logits of their input. A row that is being computed stands here with its whole tape, for others to follow.
    """

    def __init__(self, cache: RadixCache, groups: Regrouping) -> None:
        """`groups`: is told of each node that gets another match or another place, before and after."""
        self._cache = cache
        self._groups = groups
        self._roots: dict[str, TextNode] = {}
        self._node_of: dict[Row, TextNode] = {}
        self._leaders: dict[Row, None] = {}
        # Heads by where their matches end: at one depth of one path of the cache there is one place in this tree.
        self._heads_at: dict[Node, dict[int, TextNode]] = {}
        cache.listeners.append(self)

    def __contains__(self, row: Row) -> bool:
        return row in self._node_of

    def __len__(self) -> int:
        return len(self._node_of)

    def add(self, row: Row) -> TextNode:
        """Take in a row, whose tape must stay as it is, up to its length now, while the row is in here.

        Returns its node, which stays the row's own until it leads or is removed. O(its text).
        """
        return self._enter(row, _text_of(row))

    def lead(self, row: Row) -> None:
        """A row of the index is being computed from now on; it stays until it is removed."""
        node, token_ids = self._node_of[row], row.branch.token_ids
        if node.num_rows == 1 and not node.children and node.parent is not None and node.match_len != node.depth:
            node.segment.extend(token_ids[node.depth :])  # the usual case: nobody else's text goes on here
            node.depth = len(token_ids)
        else:
            self._prune(node)
            node = self._enter(row, array("i", token_ids))
        self._leaders[row] = None
        for each in node.path():
            each.leaders[row] = None

    def remove(self, row: Row) -> None:
        """Forget a row, which nobody orders by its match any more; one that is not in here is left alone."""
        node = self._node_of.pop(row, None)
        if node is None:
            return
        if row in self._leaders:
            del self._leaders[row]
            for each in node.path():
                del each.leaders[row]
        self._prune(node)

    def node_of(self, row: Row) -> TextNode:
        """Where the row's text ends."""
        return self._node_of[row]

    def match_len(self, row: Row) -> int:
        """Cached tokens that the row may take. O(branchings of its text)."""
        match_len = self._node_of[row].head.match_len
        assert match_len is not None, "a head has a match"
        return match_len

    @property
    def leaders(self) -> Collection[Row]:
        """The rows that are being computed."""
        return self._leaders.keys()

    def leaders_of(self, row: Row, num_tokens: int) -> Collection[Row]:
        """The rows that are being computed and share the first `num_tokens` tokens of the row's text."""
        node = self._node_of[row]
        while node.parent is not None and node.start >= num_tokens:
            node = node.parent
        assert node.depth >= num_tokens, f"row {row.arrival}: {num_tokens} tokens of a text of {node.depth}"
        return node.leaders.keys()

    # --- what the cache tells

    def on_insert(self, node: Node, start: int) -> None:
        """Tokens [start, node.depth) are cached now: the texts that go on so match more."""
        is_new = start == node.start
        assert is_new or node.parent is not None, f"a root cannot grow to depth {node.depth}"
        above = node.parent if is_new and node.parent is not None else node
        head = self._roots.get(above.namespace) if above.is_root else self._heads_at.get(above, {}).get(start)
        position, tokens = start, node.segment
        while head is not None:
            if position < head.depth:
                num_shared = shared_len(head.segment[position - head.start :], tokens, position - node.start)
                if num_shared == 0:
                    return
                position += num_shared
                self._match(head, position, node)
            if position < head.depth or position == node.depth:
                return
            head = head.children.get(tokens[position - node.start])

    def on_split(self, upper: Node, lower: Node) -> None:
        """The matches in `lower` that end no deeper than `upper` end in that now."""
        heads = self._heads_at.get(lower, {})
        for head in [heads[depth] for depth in heads if depth <= upper.depth]:
            self._settle(head, head.match_len, upper)

    def on_evict(self, node: Node, parent: Node) -> None:
        """What ended in the end of `node` ends before it now."""
        home, depth = (parent, node.start) if node.is_evicted else (node, node.depth)
        heads = self._heads_at.get(node, {})
        for at in [at for at in heads if at > depth]:
            head = heads[at]
            if depth > head.start:
                self._match(head, depth, home)
            else:
                self._match(head, None, None)  # its texts go to the group of the next head above

    # --- matches

    def _match(self, node: TextNode, match_len: int | None, match_node: Node | None) -> None:
        """Give a node another match, and to its group with it; None: it is no head now."""
        self._groups.take_out(node)
        self._settle(node, match_len, match_node)
        self._groups.put_back(node)

    def _settle(self, node: TextNode, match_len: int | None, match_node: Node | None) -> None:
        if node.match_node is not None and node.match_len is not None:
            heads = self._heads_at[node.match_node]
            del heads[node.match_len]
            if not heads:
                del self._heads_at[node.match_node]
        node.match_len, node.match_node = match_len, match_node
        if match_node is not None and match_len is not None:
            self._heads_at.setdefault(match_node, {})[match_len] = node

    # --- the tree of texts

    def _enter(self, row: Row, text: "array[int]") -> TextNode:
        namespace = row.branch.namespace
        node = self._roots.get(namespace)
        if node is None:
            node = self._roots[namespace] = TextNode(array("i"), 0, None, namespace, match_len=0)
        while node.depth < len(text):
            child = node.children.get(text[node.depth])
            if child is None:
                node = self._grow(node, text)
                break
            num_shared = shared_len(child.segment, text, node.depth)
            node = child if num_shared == len(child.segment) else self._split(child, child.start + num_shared)
        node.num_rows += 1
        self._node_of[row] = node
        return node

    def _grow(self, parent: TextNode, text: "array[int]") -> TextNode:
        """Put the rest of a text under a node that has no child for it."""
        node = TextNode(text[parent.depth :], len(text), parent, parent.namespace)
        parent.children[text[parent.depth]] = node
        if parent.match_len == parent.depth:
            match = self._cache.match_prefix(parent.namespace, text)
            if match.num_tokens > parent.depth:
                self._settle(node, match.num_tokens, match.node)
        return node

    def _split(self, lower: TextNode, depth: int) -> TextNode:
        """Cut a node in two at `depth`, inside its segment; returns the new upper half, the node is the lower."""
        parent, start = lower.parent, lower.start
        assert parent is not None, f"split at depth {depth} of a root"
        match_len, match_node = lower.match_len, lower.match_node
        is_matched_further = match_len is not None and match_len > depth
        if not is_matched_further:
            self._groups.take_out(lower)
        upper = TextNode(lower.segment[: depth - start], depth, parent, lower.namespace)
        upper.leaders = dict(lower.leaders)
        upper.children[lower.segment[depth - start]] = lower
        parent.children[upper.segment[0]] = upper
        lower.segment = lower.segment[depth - start :]
        lower.parent = upper
        if is_matched_further:
            while match_node is not None and match_node.start >= depth:
                match_node = match_node.parent
            self._settle(upper, depth, match_node)
        else:
            self._settle(lower, None, None)
            self._settle(upper, match_len, match_node)
            self._groups.put_back(lower)
        return upper

    def _prune(self, node: TextNode) -> None:
        """A row has left a node: nodes stay only where texts end or part."""
        node.num_rows -= 1
        parent = node.parent
        if node.num_rows == 0 and not node.children and parent is not None:
            assert not node.lines, f"rows of [{node.start}, {node.depth}) leave, but are still ordered"
            self._settle(node, None, None)
            del parent.children[node.segment[0]]
            node, parent = parent, parent.parent
        if node.num_rows > 0 or len(node.children) > 1:
            return
        if parent is not None:
            (child,) = node.children.values()
            self._absorb(node, parent, child)
        elif not node.children:
            del self._roots[node.namespace]

    def _absorb(self, node: TextNode, parent: TextNode, child: TextNode) -> None:
        """Make a node and its only child, to which all of its rows belong, one: the child, which keeps its identity."""
        match_len, match_node = node.match_len, node.match_node
        was_head = child.is_head
        if not was_head:
            self._groups.take_out(child)
        self._settle(node, None, None)
        parent.children[node.segment[0]] = child
        child.segment = node.segment + child.segment
        child.parent = parent
        if not was_head:
            self._settle(child, match_len, match_node)
            self._groups.put_back(child)

    # --- audit

    def check_integrity(self) -> None:
        """Raise AssertionError unless each row has the match that one from scratch would give. O(rows * their length).

        A row that is being computed may have gained a token since.
        """
        num_rows = num_heads = 0
        stack = list(self._roots.values())
        while stack:
            node = stack.pop()
            where = f"texts [{node.start}, {node.depth}) of {node.namespace!r}"
            num_rows += node.num_rows
            num_heads += node.match_node is not None
            assert node.parent is None or node.num_rows or len(node.children) > 1, f"{where}: neither end nor branching"
            assert node.is_head or not any(each.is_head for each in node.children.values()), f"{where}: no head"
            assert node.match_node is None or self._heads_at[node.match_node][node.match_len or 0] is node, where
            stack.extend(node.children.values())
        assert num_rows == len(self._node_of), f"expected {len(self._node_of)} rows in the tree, got {num_rows}"
        num_listed = sum(map(len, self._heads_at.values()))
        assert num_listed == num_heads, f"expected {num_heads} heads by their matches, got {num_listed}"
        for row in self._node_of.keys() - self._leaders.keys():
            match = self._cache.match_prefix(row.branch.namespace, _text_of(row))
            head = self._node_of[row].head
            assert (self.match_len(row), head.match_node) == (
                match.num_tokens,
                None if match.node.is_root else match.node,
            ), f"row {row.arrival}: expected a match of {match.num_tokens} tokens, got {head.match_len}"


def _text_of(row: Row) -> "array[int]":
    """What of a row's tape it may take from the cache."""
    num_tokens = len(row.branch.token_ids) - 1
    limit = row.match_limit
    return array("i", row.branch.token_ids[: max(0, num_tokens if limit is None else min(num_tokens, limit))])
