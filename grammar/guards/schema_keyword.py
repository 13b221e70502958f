"""Readers of keyword values: the typed value of a schema's keyword, or `InvalidSchema` with its place."""

from collections.abc import Callable
from decimal import Decimal

from ..errors import InvalidSchema
from ..json_schema.document import Node
from ..json_text.json_value import Json
from .outcome import Judging

Assertion = Callable[[Json], bool | None]
"""Whether a keyword holds of a value, by itself; None: unknown."""
Applicator = Callable[[Json], Judging]
"""The same for keywords that ask schemas below."""


def number_of(node: Node, keyword: str) -> int | Decimal:
    """The keyword's number."""
    value = node.child(keyword).value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a number", value)
    return value


def count_of(node: Node, keyword: str) -> int:
    """The keyword's count."""
    value = node.child(keyword).value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a count", value)
    return value


def text_of(node: Node, keyword: str) -> str:
    """The keyword's text."""
    value = node.child(keyword).value
    if not isinstance(value, str):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a string", value)
    return value


def list_of(node: Node, keyword: str) -> list[Json]:
    """The keyword's list of values."""
    value = node.child(keyword).value
    if not isinstance(value, list):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a list", value)
    return value


def texts_of(node: Node, keyword: str) -> list[str]:
    """The keyword's list of strings."""
    value = list_of(node, keyword)
    texts = [item for item in value if isinstance(item, str)]
    if len(texts) < len(value):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a list of strings", value)
    return texts


def schemas_of(node: Node, keyword: str) -> list[Node]:
    """The schemas of a keyword whose value is a list of schemas."""
    return [node.child(keyword, index) for index in range(len(list_of(node, keyword)))]


def named_schemas_of(node: Node, keyword: str) -> dict[str, Node]:
    """The schemas of a keyword whose value is an object of schemas."""
    value = node.child(keyword).value
    if not isinstance(value, dict):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "an object of schemas", value)
    return {name: node.child(keyword, name) for name in value}
