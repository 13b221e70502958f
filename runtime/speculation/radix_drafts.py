"""RadixDrafts: where a text lies on a path of the radix tree, what came after it in an earlier run."""

from array import array
from collections.abc import Iterable

from ..cache.node import Node
from ..cache.radix_cache import RadixCache
from .draft import Draft, Source
from .drafter import DraftText

_MAX_WAYS = 3
"""Children of a node that are followed, where the text may go on in several ways."""


class RadixDrafts:
    """Guesses from the prefix cache itself: a program that runs again, a fork that retreads its sibling's way."""

    source: Source = "radix"

    def __init__(self, cache: RadixCache) -> None:
        self._cache = cache

    def begin(self, text: DraftText) -> "_TreeWalk":
        """See `Drafter`. O(length of the text), once."""
        return _TreeWalk(self._cache, text)


class _TreeWalk:
    """A place in the tree, moved on with the text: O(1) a token."""

    source: Source = "radix"

    def __init__(self, cache: RadixCache, text: DraftText) -> None:
        self._cache = cache
        self._text = text
        self._node: Node | None = None
        self._depth = 0  # tokens of the text that lie on the path to this place
        self._find()

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        self._catch_up()
        if self._node is None or self._depth != len(self._text.token_ids):
            return
        for way, share in _ways(self._node, self._depth, max_len):
            if way:
                # The first token is as likely as its way is among the others; what follows has only been written so.
                yield Draft(way, (share, *[1.0] * (len(way) - 1)), self.source)

    def _find(self) -> None:
        match = self._cache.match_prefix(self._text.namespace, self._text.token_ids)
        self._node, self._depth = match.node, match.num_tokens
        if match.num_tokens < len(self._text.token_ids):
            self._node = None

    def _catch_up(self) -> None:
        token_ids = self._text.token_ids
        if self._node is None:
            return
        if len(token_ids) < self._depth:  # some were taken back
            self._find()
            return
        while self._node is not None and self._depth < len(token_ids):
            self._node = self._step(self._node, token_ids[self._depth])
            self._depth += 1
        if self._node is not None and (self._node.is_evicted or self._depth > self._node.depth):
            self._node = None

    def _step(self, node: Node, token_id: int) -> Node | None:
        """The node in which the token after this place lies; None if the text leaves the tree."""
        if node.is_evicted or self._depth > node.depth:
            return None
        while node.parent is not None and self._depth < node.start:  # it was split above this place
            node = node.parent
        if self._depth < node.depth:
            return node if node.segment[self._depth - node.start] == token_id else None
        return node.children.get(token_id)


def _ways(node: Node, depth: int, max_len: int) -> Iterable[tuple[tuple[int, ...], float]]:
    """How texts went on from `depth`, which is in `node` or at its end, and their shares of the uses."""
    while node.parent is not None and depth < node.start:
        node = node.parent
    rest = node.segment[depth - node.start :]
    if rest:
        yield _along(node, rest, max_len), 1.0
        return
    children = sorted(node.children.values(), key=lambda child: (-child.num_uses, child.segment[0]))[:_MAX_WAYS]
    total = sum(1 + child.num_uses for child in node.children.values())
    for child in children:
        yield _along(child, child.segment, max_len), (1 + child.num_uses) / total


def _along(node: Node, token_ids: "array[int]", max_len: int) -> tuple[int, ...]:
    """`token_ids`, the end of `node`'s, and what was most used below it, up to `max_len`."""
    way = list(token_ids[:max_len])
    while len(way) < max_len and node.children:
        node = max(node.children.values(), key=lambda child: (child.num_uses, -child.segment[0]))
        way += node.segment[: max_len - len(way)]
    return tuple(way)
