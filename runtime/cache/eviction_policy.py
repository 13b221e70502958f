"""EvictionPolicy: what the radix cache gives up first when memory is short."""

from collections.abc import Callable
from typing import Literal

from .node import Node

EvictionPolicyName = Literal["lru", "lfu", "priority"]

EvictionPolicy = Callable[[Node], int]
"""The rank of a node: the lowest goes first, and of one rank what was used longest ago.

A parent's rank must be at least that of each of its children, and only uses and insertions may change it. Then nothing
goes before what lies under it, and eviction never has to look for a leaf.
"""


def make_eviction_policy(name: EvictionPolicyName) -> EvictionPolicy:
    """The policy of that name.

    `lru`: what was used longest ago. `lfu`: what was taken from the cache least often; a text counts as used by every
    match that ends in it or below. `priority`: what was inserted with the lowest priority; a prefix has the highest of
    the texts that go through it.
    """
    match name:
        case "lru":
            return _all_alike
        case "lfu":
            return _num_uses
        case "priority":
            return _priority


def _all_alike(node: Node) -> int:  # noqa: ARG001 - every rank is the same
    return 0


def _num_uses(node: Node) -> int:
    return node.num_uses


def _priority(node: Node) -> int:
    return node.priority
