"""PrefixMatch: how much of a text is cached, and where."""

from dataclasses import dataclass

from .node import Node


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """The longest cached prefix of a text; good until the next eviction unless its node is locked."""

    num_tokens: int
    pages: tuple[int, ...]  # ceil(num_tokens / page_size) pages; of the last one only the matched head is meant
    node: Node  # the deepest node with a matched token (the root for none); the match may end inside its segment
